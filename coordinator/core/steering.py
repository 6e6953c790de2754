"""PURE. What people and programs send to a run, checked strictly: it comes from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from coordinator.core.events import (
    AUTO,
    MANUAL,
    AdvanceRequested,
    Answered,
    CancelRequested,
    ContinueRequested,
    Event,
    PatchRequested,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    Signalled,
    SkipRequested,
    SlotGranted,
    SlotRefused,
    TerminateRequested,
)
from coordinator.core.ids import RUN_ID, SIGNAL_NAME, STATE_NAME
from coordinator.core.jsontext import dump

MAX_NAME: Final = 200
MAX_PATH: Final = 1_000
MAX_COMMENT: Final = 16_384
MAX_PROMPT: Final = 65_536
MAX_VALUES: Final = 65_536
"""Bytes of JSON; a signal may be kept with its run, so its values have to be small."""
MAX_STATE: Final = 262_144
"""Bytes of JSON that one signal may set of the workflow's own state."""
MAX_STATE_NAMES: Final = 100

Json = Mapping[str, Any]


class BadSignalError(ValueError):
    """The signal can never apply: it is not of the form that `signal_event` describes."""


def signal_event(signal: object, *, id: str, run: str, at_ms: int, seed: str = "") -> Event:
    """The event that a signal from outside stands for.

    A signal is an object with a `kind`: `cancel` and `terminate` (`by`, `reason`), `pause` and
    `resume` (`by`), `signal` (`name`, and perhaps `by`, `values`), `answer` (`node`, `answer`, and
    perhaps `by`, `comment`, `values`, `attempt`), `continue` (perhaps `node`, `values`, `by`,
    `comment`), `retry` (perhaps `node`, `params`, `prompt`, `by`, `comment`), `skip` (`node`, and
    perhaps `by`, `comment`), `patch` (`state`, `by`), and `advance` (`mode`, `by`).

    Raises:
        BadSignalError: it is anything else, or has a key, a type or a size that does not belong.
    """
    if not isinstance(signal, Mapping):
        raise BadSignalError(f"a signal is an object, not {_kind_of(signal)}")
    kind = signal.get("kind")
    if not isinstance(kind, str) or kind not in _SIGNALS:
        raise BadSignalError(f"unknown kind {str(kind)[:40]!r}; one of {', '.join(_SIGNALS)}")
    known, event = _SIGNALS[kind]
    for key in signal:
        if key != "kind" and key not in known:
            raise BadSignalError(f"a {kind} has no {str(key)[:40]!r}; it has {', '.join(known)}")
    values: dict[str, Any] = {}
    for key, check in known.items():
        value = signal.get(key)
        if value is not None:
            values[key] = check(key, value)
    for key in _NEEDED.get(kind, ()):
        if not values.get(key):
            article = "an" if kind[0] == "a" else "a"
            raise BadSignalError(f"{article} {kind} needs {key!r}")
    return cast("Event", event(id=id, run=run, at_ms=at_ms, seed=seed, **values))


def slot_event(
    word: Mapping[str, str], *, id: str, run: str, at_ms: int, seed: str = ""
) -> SlotGranted | SlotRefused:
    """The event that word about a concurrency key stands for: `slot` (`granted` or `refused`),
    `attempt`, and of a refusal `holder`.

    Raises:
        BadSignalError: it is anything else.
    """
    said, attempt, holder = word["slot"], word.get("attempt", ""), word.get("holder", "")
    if not (attempt.isascii() and attempt.isdigit() and len(attempt) < 10):
        raise BadSignalError("'attempt' is no number")
    if said == "granted":
        return SlotGranted(id=id, run=run, at_ms=at_ms, seed=seed, attempt=int(attempt))
    if said != "refused" or not (holder == "" or RUN_ID.match(holder)):
        raise BadSignalError("it is granted, or refused with the run that holds the key")
    return SlotRefused(id=id, run=run, at_ms=at_ms, seed=seed, attempt=int(attempt), holder=holder)


def _text(limit: int) -> Callable[[str, object], str]:
    def check(key: str, value: object) -> str:
        if not isinstance(value, str):
            raise BadSignalError(f"{key!r} is text, not {_kind_of(value)}")
        if len(value) > limit:
            raise BadSignalError(f"{key!r} has {len(value)} characters; at most {limit}")
        return value

    return check


def _count(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise BadSignalError(f"{key!r} is a whole number, not {_kind_of(value)}")
    return value


def _object(key: str, value: object) -> Json:
    if not isinstance(value, Mapping):
        raise BadSignalError(f"{key!r} is an object, not {_kind_of(value)}")
    return value


def _small_object(key: str, value: object) -> Json:
    size = len(dump(_object(key, value)))
    if size > MAX_VALUES:
        raise BadSignalError(f"{key!r} has {size} bytes as JSON; at most {MAX_VALUES}")
    return cast("Json", value)


def _signal_name(key: str, value: object) -> str:
    name = _text(MAX_NAME)(key, value)
    if not SIGNAL_NAME.fullmatch(name):
        raise BadSignalError(
            f"{key!r} is {name[:40]!r}; signals begin with a small letter, then small letters, "
            "digits, _ or -, at most 63"
        )
    return name


def _state(key: str, value: object) -> Json:
    state = _object(key, value)
    if len(state) > MAX_STATE_NAMES:
        raise BadSignalError(f"{key!r} has {len(state)} values; at most {MAX_STATE_NAMES}")
    for name in state:
        if not isinstance(name, str) or not STATE_NAME.fullmatch(name):
            raise BadSignalError(f"{str(name)[:40]!r} is no name of a value: letters, digits, _")
    size = len(dump(state))
    if size > MAX_STATE:
        raise BadSignalError(f"{key!r} has {size:,} bytes; at most {MAX_STATE:,}")
    return state


def _mode(key: str, value: object) -> str:
    if value not in (AUTO, MANUAL):
        raise BadSignalError(f"{key!r} is {AUTO} or {MANUAL}, not {str(value)[:40]!r}")
    return str(value)


def _kind_of(value: object) -> str:
    names: Sequence[tuple[type, str]] = (
        (bool, "a boolean"),
        (str, "text"),
        (int, "a number"),
        (float, "a number"),
        (list, "a list"),
        (Mapping, "an object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")


_BY: Final = {"by": _text(MAX_NAME)}
_WHY: Final = {**_BY, "reason": _text(MAX_COMMENT)}
_WHERE: Final = {**_BY, "node": _text(MAX_PATH), "comment": _text(MAX_COMMENT)}
_SIGNALS: Final[Mapping[str, tuple[Mapping[str, Callable[[str, object], Any]], Any]]] = {
    "cancel": (_WHY, CancelRequested),
    "terminate": (_WHY, TerminateRequested),
    "pause": (_BY, PauseRequested),
    "resume": (_BY, ResumeRequested),
    "answer": (
        {
            "node": _text(MAX_PATH),
            "answer": _text(MAX_NAME),
            "by": _text(MAX_NAME),
            "comment": _text(MAX_COMMENT),
            "values": _object,
            "attempt": _count,
        },
        Answered,
    ),
    "signal": (
        {"name": _signal_name, "by": _text(MAX_NAME), "values": _small_object},
        Signalled,
    ),
    "continue": ({**_WHERE, "values": _object}, ContinueRequested),
    "retry": (
        {**_WHERE, "params": _object, "prompt": _text(MAX_PROMPT)},
        RetryRequested,
    ),
    "skip": (_WHERE, SkipRequested),
    "patch": ({**_BY, "state": _state}, PatchRequested),
    "advance": ({**_BY, "mode": _mode}, AdvanceRequested),
}
_NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "answer": ("node", "answer"),
    "signal": ("name",),
    "skip": ("node",),
    "patch": ("state",),
    "advance": ("mode",),
}
"""Keys that have to be there, by kind."""
