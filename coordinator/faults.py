"""Named places where a test can kill the process, to prove that being killed there loses nothing.

`COORDINATOR_FAULT=git.before_push:2:kill` in a process's environment kills that process with
SIGKILL when it comes to `git.before_push` for the second time. Without the variable, `point` is one
comparison.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

VARIABLE: Final = "COORDINATOR_FAULT"

POINTS: Final = frozenset(
    {
        # Whoever decides.
        "read.after",
        "claim.after",
        "intake.after",
        "decide.after",
        "commit.before",
        "commit.after",
        "timers.after",
        "activate.before",
        "activate.after",
        # Whoever works: workers, and the executors of a coordinator.
        "take.after",
        "takeover.after",
        "work.before",
        "work.after",
        "reply.before",
        "reply.after",
        # Whoever does git.
        "git.before_commit",
        "git.after_commit",
        "git.before_push",
        "git.after_push",
        "git.after_update_ref",
    }
)
"""Every name that is passed to `point`."""


class UnknownFaultPointError(ValueError):
    """`COORDINATOR_FAULT` is set to something that can never happen."""

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"{VARIABLE}={setting!r} is not NAME:N:kill with N from 1 and NAME one of "
            f"{', '.join(sorted(POINTS))}; correct it or unset it"
        )
        self.setting = setting


def armed_by(setting: str) -> tuple[str, int] | None:
    """The name and the number of the hit that `setting` asks for; None when it is empty.

    Raises:
        UnknownFaultPointError: the setting names no known point, so a test would prove nothing.
    """
    if not setting:
        return None
    name, _, rest = setting.partition(":")
    hit, _, action = rest.partition(":")
    if name not in POINTS or action != "kill" or not hit.isascii() or not hit.isdigit():
        raise UnknownFaultPointError(setting)
    if int(hit) < 1:
        raise UnknownFaultPointError(setting)
    return name, int(hit)


_ARMED: Final = armed_by(os.environ.get(VARIABLE, ""))
_hits: Final[Counter[str]] = Counter()


def point(name: str) -> None:
    """Die here, at once and uncleanly, if this is the hit that the environment asks for."""
    if _ARMED is None or name != _ARMED[0]:
        return
    _hits[name] += 1
    if _hits[name] == _ARMED[1]:
        os.kill(os.getpid(), signal.SIGKILL)
