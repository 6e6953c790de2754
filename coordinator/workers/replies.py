"""PURE: from what a program printed, and how it ended, to an answer.

Everything a program prints is untrusted: it is searched for a JSON object within a bounded amount
of work, made storable (no lone surrogates, no numbers that JSON cannot carry), and freed of
terminal control sequences before any of it appears in an error or as text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.core.definition import ErrorClass
from coordinator.core.events import Failure, ReplyStatus
from coordinator.core.verdicts import FAIL, PASS, UNKNOWN, read_verdict, stated_in

_ESCAPES: Final = re.compile(
    r"\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|\x1b[PX^_][^\x1b]{0,4096}(?:\x1b\\)?"  # device control and other strings
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours, cursor movements, single escapes
)
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_START: Final = re.compile(r"""\{(?=\s*["}])|\[(?=\s*["{\[\]\d\-tfnNI])""")
_SEARCH_BUDGET: Final = 8 << 20
_COST_OF_ERROR: Final = 64
_WINDOW: Final = 1 << 14
_MAX_DEPTH: Final = 64
_MAX_MESSAGE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider says to a request; the worker makes the reply of it."""

    status: ReplyStatus = ReplyStatus.DONE
    verdict: str | None = None
    result: object = None
    failure: Failure | None = None
    patch: Mapping[str, object] | None = None
    files: Mapping[str, object] | None = None
    """Of git work: the changed keys of the run's files."""
    usage: Mapping[str, object] | None = None
    artifacts: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended; a negative `code` is the number of the signal that ended it."""

    code: int
    stdout: str
    stderr: str
    timed_out: bool = False
    notes: tuple[str, ...] = ()
    """What the reader should know besides: how much output was cut, what was left running."""


def failed(error_class: ErrorClass, message: str, *, retryable: bool | None = None) -> Answer:
    """The answer of an attempt that failed; `message` is cleaned and shortened."""
    text = clean(message)[:_MAX_MESSAGE]
    failure = Failure(error_class=error_class.value, message=text, retryable=retryable)
    return Answer(status=ReplyStatus.ERROR, failure=failure)


def refused(message: str) -> Answer:
    """The answer of a worker that will not do this, now or later."""
    return failed(ErrorClass.REFUSED, message, retryable=False)


def answer_of(
    ended: Ended, exit_codes: Mapping[int, str], *, tests_required: bool = False, name: str = ""
) -> Answer:
    """What the program's end means.

    The exit code decides by `exit_codes`; a code that is not listed, or a signal, is a
    `persona_error` with the last lines of stderr. Where the code means pass, a result object that
    states another verdict still wins, so that a program need not express a "no" in its exit code.
    """
    by_code = exit_codes.get(ended.code)
    if by_code is None:
        return failed(ErrorClass.PERSONA_ERROR, _why(ended, name))
    found = last_json_object(ended.stdout)
    result = found if found is not None else {"output": clean(ended.stdout)}
    if ended.notes:
        result = {**result, "notes": list(ended.notes)}
    verdict = _worse(by_code, stated_in(found) if found is not None else None)
    verdict = read_verdict(result, verdict, tests_required=tests_required)
    return Answer(verdict=verdict, result=result, artifacts=artifacts_in(result))


def artifacts_in(result: object) -> tuple[Mapping[str, object], ...]:
    """What a result lists under `artifacts`, if that is a list of objects. A patch among them is
    none: what changes files is found by looking at the files.
    """
    found = result.get("artifacts") if isinstance(result, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        return ()
    return tuple(each for each in found if each.get("kind") != "patch")


def last_json_object(text: str) -> dict[str, object] | None:
    """The last JSON object in `text` that is no part of another value, made storable.

    One that stands on lines of its own is preferred to one inside a line. The work is bounded: a
    text full of broken beginnings is given up.
    """
    alone: object = None
    inline: object = None
    for value, start, end in _json_values(text):
        if not isinstance(value, dict):
            continue
        if _stands_alone(text, start, end):
            alone = value
        else:
            inline = value
    return _storable_object(alone if alone is not None else inline)


def storable(value: object, depth: int = _MAX_DEPTH) -> object:
    """`value` as every JSON encoder takes it.

    Raises:
        ValueError: it is nested too deeply.
    """
    if depth <= 0:
        raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, dict):
        return {_encodable(str(key)): storable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item, depth - 1) for item in value]
    return _storable_number(value)


def clean(text: str) -> str:
    """`text` without terminal control sequences, control, zero-width or direction characters."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def last_lines(text: str, *, lines: int = 10, characters: int = 1_200) -> str:
    """The end of `text`, cleaned: at most so many lines and characters."""
    kept = clean(text[-8 * characters :]).rstrip().splitlines()[-lines:]
    return "\n".join(kept)[-characters:]


def _why(ended: Ended, name: str) -> str:
    how = f"ended by signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    said = last_lines(ended.stderr) or last_lines(ended.stdout, lines=3)
    notes = f" ({'; '.join(ended.notes)})" if ended.notes else ""
    return f"{name or 'the program'}: {how}{notes}" + (f"\n{said}" if said else ", no output")


def _worse(by_code: str, stated: str | None) -> str:
    if by_code in (PASS, UNKNOWN) and stated in (PASS, FAIL):
        return stated
    return by_code


def _json_values(text: str) -> Iterator[tuple[object, int, int]]:
    """The outermost objects and lists in `text` with where they begin and end."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    position, base, window, budget = 0, 0, text, _SEARCH_BUDGET
    while budget > 0 and (found := _START.search(text, position)):
        start = found.start()
        if start - base > _WINDOW:  # an error counts the lines before it: keep them few
            base, window = start, text[start:]
        try:
            value, end = decoder.raw_decode(window, start - base)
        except json.JSONDecodeError as error:
            position = start + 1
            budget -= _COST_OF_ERROR + error.pos - (start - base)
        except (ValueError, RecursionError):
            position = start + 1
            budget -= 1 << 16
        else:
            position = base + end
            yield value, start, position


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[max(text.rfind("\n", 0, start), start - 200) : start]
    newline = text.find("\n", end, end + 200)
    after = text[end : newline if newline >= 0 else end + 200]
    return not before.strip() and not after.strip()


def _storable_object(value: object) -> dict[str, object] | None:
    try:
        found = storable(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _storable_number(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    return value if value is None or isinstance(value, int) else str(value)


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
