"""Identifiers, and the few rules by which one is made from another.

Run ids sort by time and are derived, never drawn: the same task entry always gives the same run id,
so a redelivered task cannot start a second run.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NewType

RunId = NewType("RunId", str)
StepId = NewType("StepId", str)
NodePath = NewType("NodePath", str)
"""Where a node is in a run: `governance/code-review`, `cities[3]/fetch`, `fix#2/qa`."""
Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits."""

OURSELVES: Final = "coordinator"
"""Under this name the coordinator's own executors reply; no persona may have it."""
CHILDREN: Final = "@children"
"""Under this name child runs reply; it is no name that a persona could have."""
STEP_ID: Final = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
SIGNAL_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
"""The whole name of a signal."""
STATE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
"""The whole name of a value of the workflow's own state."""
RUN_ID: Final = re.compile(r"^[0-9a-hjkmnp-tv-z]{26}\Z")
_INSTANCE: Final = re.compile(r"#\d+|\[\d+\]")
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def run_id_for(entry_id: str, partition: int = 0) -> RunId:
    """The run id of the task that entered the queue as stream entry `entry_id` (`<ms>-<seq>`).

    Ten characters of time, so that ids sort, then sixteen of a hash, so that they are unique.
    """
    return _run_id(int(entry_id.partition("-")[0]), f"run {partition} {entry_id}")


def child_run_id(at_ms: int, parent_message: str) -> RunId:
    """The id of the run that does what the message `parent_message` asks for, decided at `at_ms`.

    One attempt of one step has one child run, however often it is told to begin.
    """
    return _run_id(at_ms, f"child {parent_message}")


def _run_id(milliseconds: int, seed: str) -> RunId:
    number = int.from_bytes(_digest(seed)[:10], "big")
    return RunId(_base32(milliseconds, 10) + _base32(number, 16))


def milliseconds_of(run: str) -> int:
    """The time in the entry id that the run id was made from."""
    number = 0
    for digit in run[:10]:
        number = number * 32 + _ALPHABET.index(digit)
    return number


def entry_order(event_id: str) -> tuple[int, int] | None:
    """Where in its stream the entry is that an event came from; None if it came from none."""
    first, _, second = event_id.rpartition(":")[2].partition("-")
    return (int(first), int(second)) if first.isdecimal() and second.isdecimal() else None


def attempt_token(run_seed: str, path: str, attempt: int) -> str:
    """The token that a reply to this attempt must carry; a guess from outside does not hit it."""
    return _digest(f"{run_seed} {path} {attempt}").hex()[:24]


def message_id(run: str, path: str, attempt: int) -> str:
    """`<run>:<node>:<attempt>`, the name of one request."""
    return f"{run}:{path}:{attempt}"


def split_message_id(text: str) -> tuple[RunId, NodePath, int] | None:
    """The parts of a message id, or None when it is not one."""
    run, _, rest = text.partition(":")
    path, _, attempt = rest.rpartition(":")
    if not RUN_ID.match(run) or not path or not attempt.isdigit() or len(attempt) > 9:
        return None
    return RunId(run), NodePath(path), int(attempt)


def static_path(path: str) -> str:
    """The place in the definition of a node in a run: `fix#2/qa` is at `fix/qa`."""
    return _INSTANCE.sub("", path) if "#" in path or "[" in path else path


def jitter(seed: str, path: str, attempt: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    return int.from_bytes(_digest(f"jitter {seed} {path} {attempt}")[:6], "big") / 2**48


def underscored(step_id: str) -> str:
    """The name under which expressions know a step: dashes become underscores."""
    return step_id.replace("-", "_")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
