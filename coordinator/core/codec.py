"""PURE. Every value that leaves the process, as plain JSON-able data, and back.

Written data is compact: a field at its default is left out. Read data may come from a newer version
of this program: keys it does not know are ignored, and a head says by `v` which format it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from coordinator.core.events import (
    AdvanceRequested,
    Answered,
    CancelRequested,
    Continued,
    ContinueRequested,
    Event,
    Failure,
    Parent,
    PatchRequested,
    PauseRequested,
    Replied,
    ReplyStatus,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    Signalled,
    SkipRequested,
    SlotGranted,
    SlotRefused,
    TerminateRequested,
    TimerFired,
    TimerKind,
)
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
    if "undoing" in known:
        known["undoing"] = tuple(known["undoing"])
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
    return Parent(**{**_known(data, Parent), "keys": tuple(data.get("keys", ()))})


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
    "continue": ContinueRequested,
    "retry": RetryRequested,
    "skip": SkipRequested,
    "patch": PatchRequested,
    "advance": AdvanceRequested,
    "slot_granted": SlotGranted,
    "slot_refused": SlotRefused,
    "continued": Continued,
}
"""The tag of each event in stored data. A tag is never given a second meaning."""

_TAGS: Final = {kind: tag for tag, kind in EVENT_TYPES.items()}
_READERS: Final[Mapping[tuple[type[Event], str], Callable[[Any], object]]] = {
    (RunStarted, "parent"): parent_from,
    (Replied, "status"): ReplyStatus,
    (Replied, "failure"): failure_from,
    (Replied, "artifacts"): tuple,
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
