"""A `Wait`: from its beginning until its time comes, its signal, or its time limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from coordinator.core import signals
from coordinator.core.context import RunScope
from coordinator.core.definition import ErrorClass, Wait
from coordinator.core.durations import DurationError, duration_ms
from coordinator.core.events import Failure, Signalled, TimerFired, TimerKind
from coordinator.core.failures import fail
from coordinator.core.moments import MomentError, moment_ms, moment_text
from coordinator.core.settle import end_attempt
from coordinator.core.state import NodeStatus
from coordinator.core.success import succeed
from coordinator.core.templates import TemplateError, Value
from coordinator.core.turn import Turn


def rendered_ms(value: Value | int, scope: RunScope) -> int:
    """A duration in milliseconds, rendered if it is a template.

    Raises:
        TemplateError: it cannot be rendered.
        DurationError: what it renders to is no duration.
    """
    return value if isinstance(value, int) else duration_ms(value.render(scope))


def wait(turn: Turn, path: str) -> None:
    """Begin the next attempt of the node at `path`; it may be over at once."""
    primitive, state = _wait_of(turn, path), turn.node(path)
    begun = state._replace(
        attempt=state.attempt + 1, started_ms=state.started_ms or turn.at_ms, reason="", detail=None
    )
    turn.note(path, begun)
    try:
        if primitive.signal is None:
            _wait_for_time(turn, path, primitive)
        else:
            _wait_for_signal(turn, path, primitive, primitive.signal)
    except (TemplateError, DurationError, MomentError) as error:
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=str(error)))


def _wait_of(turn: Turn, path: str) -> Wait:
    return cast("Wait", turn.define(path).primitive)


def _wait_for_time(turn: Turn, path: str, primitive: Wait) -> None:
    scope = RunScope(turn, path)
    if primitive.duration is not None:
        due = turn.at_ms + rendered_ms(primitive.duration, scope)
    elif isinstance(primitive.until, Value):
        due = moment_ms(primitive.until.render(scope))
    else:
        due = primitive.until or 0
    if due <= turn.at_ms:
        succeed(turn, path, verdict=None, result={"waited_seconds": 0})
        return
    detail = {"since_ms": turn.at_ms, "until": moment_text(due)}
    _begin(turn, path, f"waits until {detail['until']}", detail)
    turn.set_timer(path, turn.node(path).attempt, TimerKind.WAIT, due - turn.at_ms)


def _wait_for_signal(turn: Turn, path: str, primitive: Wait, name: str) -> None:
    limit = primitive.timeout
    delay = None if limit is None else rendered_ms(limit, RunScope(turn, path))
    kept = signals.take(turn, name)
    if kept is not None:
        _succeed_with(turn, path, name, kept)
        return
    until = None if delay is None else moment_text(turn.at_ms + delay)
    detail = {"since_ms": turn.at_ms, "signal": name, "until": until}
    _begin(turn, path, f"waits for the signal {name}", detail)
    attempt = turn.node(path).attempt
    signals.join(turn, name, path, attempt)
    if delay is not None:
        turn.set_timer(path, attempt, TimerKind.TIMEOUT, delay)


def _begin(turn: Turn, path: str, reason: str, detail: Mapping[str, object]) -> None:
    state = turn.node(path)
    turn.move(path, state._replace(status=NodeStatus.WAITING, reason=reason, detail=detail))
    turn.count(waiting=1)


def on_time(turn: Turn, event: TimerFired) -> None:
    """A time came of a node that waits: it goes on, or its signal did not come in time."""
    path = event.node
    primitive, state = turn.define(path).primitive, turn.node(path)
    is_over = event.kind is TimerKind.WAIT
    if not isinstance(primitive, Wait) or state.is_escalated or is_over is bool(primitive.signal):
        turn.ignored = "late"
        return
    began = state.detail.get("since_ms") if isinstance(state.detail, Mapping) else None
    end_attempt(turn, path, stop=False)
    if is_over:
        waited = turn.at_ms - (began if isinstance(began, int) else turn.at_ms)
        succeed(turn, path, verdict=None, result={"waited_seconds": _seconds(waited)})
        return
    message = f"no signal {primitive.signal!r} came within the time limit"
    fail(turn, path, Failure(error_class=ErrorClass.TIMEOUT, message=message))


def _seconds(milliseconds: int) -> int | float:
    return milliseconds / 1_000 if milliseconds % 1_000 else milliseconds // 1_000


def on_signal(turn: Turn, event: Signalled) -> None:
    """A signal came: all who wait for it go on, or it is kept for the next one who does."""
    known = turn.definition.signals
    if event.name not in known:
        listed = f"only for {', '.join(sorted(known)[:20])}" if known else "for no signal at all"
        turn.refused = f"no step waits for a signal {event.name!r}; the workflow waits {listed}"
    elif signals.arrive(turn, event.name, {"by": event.by, "values": event.values}):
        turn.push("signalled", event.name)


def deliver(turn: Turn, name: str) -> None:
    """Let nodes go on that waited when a signal came, some at a time."""
    delivery = signals.next_delivery(turn, name)
    if delivery is None:
        return
    for path, attempt in delivery.nodes.items():
        state = turn.node(path)
        is_waiting = state.status is NodeStatus.WAITING and not state.is_escalated
        if is_waiting and state.attempt == attempt:
            end_attempt(turn, path, stop=False)
            _succeed_with(turn, path, name, delivery.signal)
    turn.push("signalled", name)


def _succeed_with(turn: Turn, path: str, name: str, signal: signals.Signal) -> None:
    said = f"the signal {name} came from {signal['by'] or 'somebody'}"
    result = {"by": signal["by"], "values": signal["values"]}
    succeed(turn, path, verdict=None, result=result, reason=said)
