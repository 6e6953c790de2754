"""PURE. Every value that leaves the process, as plain JSON-able data, and back.

Written data is compact: a field at its default is left out. Read data may come from a newer version
of this program: keys it does not know are ignored, and a head says by `v` which format it has.
Signals come from outside and are checked strictly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from coordinator.core.events import (
    Answered,
    CancelRequested,
    Continued,
    Event,
    Failure,
    Parent,
    PauseRequested,
    Replied,
    ReplyStatus,
    ResumeRequested,
    RunStarted,
    Signalled,
    TerminateRequested,
    TimerFired,
    TimerKind,
)
from coordinator.core.ids import SIGNAL_NAME
from coordinator.core.jsontext import dump
from coordinator.core.state import (
    NodeState,
    NodeStatus,
    Phase,
    RunHead,
    RunRecord,
    RunStatus,
    ScopeState,
)

FORMAT: Final = 1
"""The format of the run fields that this version writes."""

MAX_NAME: Final = 200
MAX_PATH: Final = 1_000
MAX_COMMENT: Final = 16_384
MAX_VALUES: Final = 65_536
"""Bytes of JSON; a signal may be kept with its run, so its values have to be small."""

T = TypeVar("T")
Json = Mapping[str, Any]


class UnknownFormatError(ValueError):
    """The data was written by a version of this program that this one does not understand."""

    def __init__(self, what: str, found: object) -> None:
        super().__init__(
            f"{what} has format {found!r}; this version knows up to {FORMAT}. Update it"
        )
        self.what = what
        self.found = found


class BadSignalError(ValueError):
    """The signal can never apply: it is not of the form that `signal_event` describes."""


# -- the parts of a run -------------------------------------------------------------------------


def node_data(node: NodeState) -> dict[str, object]:
    """A node without its defaults."""
    return _without_defaults(node, NodeState)


def node_from(data: Json) -> NodeState:
    """The node that `node_data` wrote."""
    known = _known(data, NodeState)
    if "status" in known:
        known["status"] = NodeStatus(known["status"])
    return NodeState(**known)


def scope_data(scope: ScopeState) -> dict[str, object]:
    """A scope without its defaults."""
    return _without_defaults(scope, ScopeState)


def scope_from(data: Json) -> ScopeState:
    """The scope that `scope_data` wrote."""
    known = _known(data, ScopeState)
    if "patchers" in known:
        known["patchers"] = tuple(known["patchers"])
    return ScopeState(**known)


def head_data(head: RunHead) -> dict[str, object]:
    """A head, with the format of the whole run as `v`."""
    data = {"v": FORMAT, **head._asdict()}
    if head.parent is None:
        del data["parent"]
    else:
        data["parent"] = parent_data(head.parent)
    return data


def head_from(data: Json) -> RunHead:
    """The head that `head_data` wrote.

    Raises:
        UnknownFormatError: a newer version wrote this run; leave it to that version.
    """
    if not isinstance(data.get("v"), int) or data["v"] > FORMAT:
        raise UnknownFormatError("the run", data.get("v"))
    known = _known(data, RunHead)
    if known.get("parent") is not None:
        known["parent"] = parent_from(known["parent"])
    return RunHead(**known)


def record_data(record: RunRecord) -> dict[str, object]:
    """A record without its defaults."""
    return _without_defaults(record, RunRecord)


def record_from(data: Json) -> RunRecord:
    """The record that `record_data` wrote."""
    known = _known(data, RunRecord)
    if "status" in known:
        known["status"] = RunStatus(known["status"])
    if "phase" in known:
        known["phase"] = Phase(known["phase"])
    if "agenda" in known:
        known["agenda"] = tuple(tuple(item) for item in known["agenda"])
    return RunRecord(**known)


def failure_data(failure: Failure) -> dict[str, object]:
    """A failure as replies carry it: `{class, message, retryable}`."""
    data: dict[str, object] = {"class": failure.error_class, "message": failure.message}
    if failure.retryable is not None:
        data["retryable"] = failure.retryable
    return data


def failure_from(data: Json) -> Failure:
    """The failure that `failure_data` wrote."""
    return Failure(
        error_class=str(data["class"]),
        message=str(data["message"]),
        retryable=data.get("retryable"),
    )


def parent_data(parent: Parent) -> dict[str, object]:
    """Whose child a run is, as JSON."""
    return dict(parent._asdict())


def parent_from(data: Json) -> Parent:
    """The parent that `parent_data` wrote."""
    return Parent(**_known(data, Parent))


def _without_defaults(value: tuple[object, ...], kind: Any) -> dict[str, object]:
    defaults = kind._field_defaults
    return {
        name: item
        for name, item in zip(kind._fields, value, strict=True)
        if name not in defaults or item != defaults[name]
    }


def _known(data: Json, kind: Any) -> dict[str, Any]:
    return {name: data[name] for name in kind._fields if name in data}


# -- events -------------------------------------------------------------------------------------

EVENT_TYPES: Final[Mapping[str, type[Event]]] = {
    "started": RunStarted,
    "replied": Replied,
    "timer": TimerFired,
    "answered": Answered,
    "signalled": Signalled,
    "cancel": CancelRequested,
    "terminate": TerminateRequested,
    "pause": PauseRequested,
    "resume": ResumeRequested,
    "continued": Continued,
}
"""The tag of each event in stored data. A tag is never given a second meaning."""

_TAGS: Final = {kind: tag for tag, kind in EVENT_TYPES.items()}
_READERS: Final[Mapping[tuple[type[Event], str], Callable[[Any], object]]] = {
    (RunStarted, "parent"): parent_from,
    (Replied, "status"): ReplyStatus,
    (Replied, "failure"): failure_from,
    (TimerFired, "kind"): TimerKind,
}


_WRITERS: Final[Mapping[type, Callable[[Any], object]]] = {
    Failure: failure_data,
    Parent: parent_data,
}


def _defaults_of(kind: type[Event]) -> tuple[tuple[str, object], ...]:
    return tuple(
        (
            field.name,
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default,
        )
        for field in dataclasses.fields(kind)
    )


_FIELDS: Final = {kind: _defaults_of(kind) for kind in EVENT_TYPES.values()}


def event_data(event: Event) -> dict[str, object]:
    """An event with its tag as `type`, without fields at their default."""
    kind = type(event)
    data: dict[str, object] = {"type": _TAGS[kind]}
    for name, default in _FIELDS[kind]:
        value = getattr(event, name)
        if value != default:
            writer = _WRITERS.get(type(value))
            data[name] = writer(value) if writer else value
    return data


def event_from(data: Json) -> Event:
    """The event that `event_data` wrote.

    Raises:
        UnknownFormatError: no event of this version has that tag.
    """
    kind = EVENT_TYPES.get(data["type"])
    if kind is None:
        raise UnknownFormatError("the event", data["type"])
    values: dict[str, object] = {}
    for name, _ in _FIELDS[kind]:
        if name in data:
            reader = _READERS.get((kind, name))
            values[name] = reader(data[name]) if reader else data[name]
    return cast("Event", cast("Any", kind)(**values))


# -- signals ------------------------------------------------------------------------------------


def signal_event(signal: object, *, id: str, run: str, at_ms: int, seed: str = "") -> Event:
    """The event that a signal from outside stands for.

    A signal is an object with a `kind`: `cancel` and `terminate` (`by`, `reason`), `pause` and
    `resume` (`by`), `answer` (`node`, `answer`, and perhaps `by`, `comment`,
    `values`, `attempt`), `signal` (`name`, and perhaps `by`, `values`).

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
    for key in _NEEDED:
        if key in known and not values.get(key):
            article = "an" if kind == "answer" else "a"
            raise BadSignalError(f"{article} {kind} needs {key!r}")
    return cast("Event", event(id=id, run=run, at_ms=at_ms, seed=seed, **values))


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
_NEEDED: Final = ("node", "answer", "name")
"""Keys that have to be there in every kind that has them."""
_WHY: Final = {**_BY, "reason": _text(MAX_COMMENT)}
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
}
