"""A run from its first event to its end: queue, prepare, main, undo, on_failure, finally,
release.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import pairwise
from typing import Final

from coordinator.core.children import reply_of, works_for_parent
from coordinator.core.commands import EndRun
from coordinator.core.containers import doom, open_scope
from coordinator.core.context import RunScope
from coordinator.core.definition import ErrorClass, Loop, Map, Node
from coordinator.core.events import SlotGranted, SlotRefused, TimerKind
from coordinator.core.ids import entry_order, static_path
from coordinator.core.places import ASIDE, in_order, item_scopes, locate
from coordinator.core.settle import end_attempt, error_of, settle, shut
from coordinator.core.slots import NoKeyError, ask_for_slot, is_awaited, release_slot
from coordinator.core.state import NodeStatus, Phase, RunStatus
from coordinator.core.templates import TemplateError
from coordinator.core.turn import (
    CHUNK,
    PHASE_SCOPES,
    PREPARE,
    RELEASE,
    ROLLBACK,
    TERMINATED,
    Turn,
    child_path,
)

_FOLLOWING: Final[dict[Phase, tuple[Phase, ...]]] = {
    phase: tuple(Phase)[at:] for at, phase in enumerate(tuple(Phase))
}
_AFTERWARDS: Final = frozenset({"finally", "on_failure", "undo"})
"""Containers, none of a step's name, whose steps run when the outcome is known."""
_STARTED: Final = (NodeStatus.SUCCEEDED, NodeStatus.FAILED)


def begin(turn: Turn) -> None:
    """The run's first transition."""
    turn.record = turn.record._replace(status=RunStatus.RUNNING)
    if turn.definition.timeout_ms is not None:
        turn.set_timer("", run_timer(turn), TimerKind.RUN_TIMEOUT, turn.definition.timeout_ms)
    _queue(turn)


def _queue(turn: Turn) -> None:
    """Have the run wait until it may go, if it must; also one that begins again after its end."""
    try:
        must_wait = ask_for_slot(turn)
    except NoKeyError as error:
        told = error_of(ErrorClass.STEP_ERROR, str(error))
        turn.record = turn.record._replace(outcome="failed", error=told)
        advance(turn)
        return
    if not must_wait:
        _prepare(turn)


def on_slot(turn: Turn, event: SlotGranted | SlotRefused) -> None:
    """The run may go, and keeps its slot while it is paused; or it does not go, and as nothing of
    it ran, nothing is undone or cleaned up.
    """
    if not is_awaited(turn, event):
        return
    if isinstance(event, SlotRefused):
        told = f"another run holds {turn.record.slot}: {event.holder}"
        error = error_of(ErrorClass.REFUSED, told)
        turn.record = turn.record._replace(outcome="stopped", error=error)
        _finish(turn)
        return
    turn.record = turn.record._replace(granted_ms=turn.at_ms)
    if not turn.record.paused_ms:
        _prepare(turn)


def _prepare(turn: Turn) -> None:
    """Nothing keeps the run from going, or from going on where it ended before."""
    turn.record = turn.record._replace(phase=Phase.PREPARING)
    has_files = turn.record.files is not None and turn.record.round == 1
    if turn.definition.uses_files and not has_files and turn.head.task.get("repo"):
        turn.push("ask", PREPARE)
    else:
        _open_main(turn)


def run_timer(turn: Turn) -> int:
    """The attempt that the timer of the run's time limit names; each round has one of its own."""
    return turn.record.round - 1


def reopened(turn: Turn) -> None:
    """All that runs again is marked: wait for a slot, prepare the run's files again, and go on."""
    if not turn.record.outcome:
        _queue(turn)
    elif turn.definition.concurrency is not None:  # ended meanwhile, and without a slot
        _finish(turn)


def _open_main(turn: Turn) -> None:
    turn.record = turn.record._replace(phase=Phase.MAIN)
    if turn.scope("") is None:
        open_scope(turn, "")
    else:
        turn.push("restart", "", "0")


def on_prepared(turn: Turn) -> None:
    """The run's git ref exists, or cannot be made."""
    prepared = turn.node(PREPARE)
    if prepared.status is NodeStatus.SUCCEEDED and not turn.record.outcome:
        _open_main(turn)
        return
    if not turn.record.outcome:
        error = dict(prepared.error or {})
        error["node"] = PREPARE
        turn.record = turn.record._replace(outcome="failed", error=error)
    advance(turn)


def advance(turn: Turn) -> None:
    """A phase is over: open the next one that has something to do."""
    phase = turn.record.phase
    if phase in (Phase.PREPARING, Phase.MAIN):
        outcome = turn.record.outcome or _outcome(turn)
        turn.record = turn.record._replace(outcome=outcome, phase=Phase.UNDO)
        phase = Phase.UNDO
    elif phase is not Phase.UNDO:
        phase = _FOLLOWING[phase][1]
    for following in _FOLLOWING[phase]:
        turn.record = turn.record._replace(phase=following)
        if _opens(turn, following):
            return
    _finish(turn)


def _opens(turn: Turn, phase: Phase) -> bool:
    outcome, definition = turn.record.outcome, turn.definition
    match phase:
        case Phase.UNDO if outcome in ("failed", "cancelled"):
            return _open_next_undo(turn) or _roll_back(turn)
        case Phase.ON_FAILURE if outcome == "failed" and definition.on_failure:
            open_scope(turn, "on_failure")
            return True
        case Phase.FINALLY if outcome != TERMINATED and definition.finally_:
            open_scope(turn, "finally")
            return True
        case Phase.RELEASING if turn.record.files and not works_for_parent(turn):
            turn.push("ask", RELEASE)
            return True
        case _:
            return False


def _open_next_undo(turn: Turn) -> bool:
    undone = {path for path, node in turn.definition.nodes.items() if node.undo}
    waiting = turn.record.undoing or (_to_undo(turn, undone) if undone else ())
    if not waiting:
        return False
    *rest, path = waiting
    own = f"{static_path(path)}/undo/"
    has_own = any(inner.startswith(own) for inner in undone)  # then they settle after the rest
    turn.record = turn.record._replace(undoing=() if has_own else tuple(rest))
    open_scope(turn, f"{path}/undo")
    return True


def _to_undo(turn: Turn, undone: Set[str]) -> list[str]:
    """The last nodes to settle of those that are to be undone."""
    waiting = [
        (state.settled, path)
        for path, state in {**turn.state.nodes, **turn.nodes}.items()
        if state is not None
        and (state.status in _STARTED or (state.is_done and state.status.is_settled))
        and static_path(path) in undone
        and turn.scope(f"{path}/undo") is None
    ]
    return [path for _, path in sorted(waiting)[-CHUNK:]]


def _roll_back(turn: Turn) -> bool:
    record = turn.record
    if not (record.rolls_back and record.outcome == "failed" and record.files):
        return False
    if turn.find(ROLLBACK) is not None:
        return False
    turn.push("ask", ROLLBACK)
    return True


def _outcome(turn: Turn) -> str:
    """`stopped` where nothing failed, but the run did not get where it was to go.

    That is: a `required` step did not succeed; or no step is marked required, and every last step
    was skipped, at least one of them because what it depends on was.
    """
    definition = turn.definition
    required = [
        node
        for node in definition.nodes.values()
        if node.required and not _AFTERWARDS.intersection(node.path.split("/")[:-1])
    ]
    if required:
        paths = (path for node in required for path in _everywhere(turn, node))
        arrived = all(turn.node(path).status is NodeStatus.SUCCEEDED for path in paths)
        return "succeeded" if arrived else "stopped"
    last = [turn.node(node.path) for node in definition.graph.nodes.values() if not node.dependents]
    skipped = bool(last) and all(state.status is NodeStatus.SKIPPED for state in last)
    by_edges = any(state.detail is None for state in last)
    return "stopped" if skipped and by_edges else "succeeded"


def _everywhere(turn: Turn, node: Node) -> Iterator[str]:
    """The paths of the step in the run: inside a map one per item, inside a loop the last one."""
    path = locate(turn, node.id, "")
    if path is not None:
        yield path
        return
    scopes = [""]
    for segment, following in pairwise(node.path.split("/")):
        here = [child_path(scope, segment) for scope in scopes]
        if segment in ASIDE or following in ASIDE:
            scopes = here
        else:
            scopes = [inner for path in here for inner in _scopes_of(turn, path)]
    yield from (child_path(scope, node.id) for scope in scopes)


def _scopes_of(turn: Turn, path: str) -> Iterator[str]:
    match turn.define(path).primitive:
        case Map():
            yield from item_scopes(turn, path)
        case Loop():
            yield f"{path}#{turn.node(path).iteration}"
        case _:
            yield path


def _finish(turn: Turn) -> None:
    outcome = turn.record.outcome
    status = RunStatus.CANCELLED if outcome == TERMINATED else RunStatus(outcome)
    turn.record = turn.record._replace(
        status=status, phase=Phase.ENDED, ended_ms=turn.at_ms, outputs=_outputs(turn), paused_ms=0
    )
    if turn.definition.timeout_ms is not None:
        turn.clear_timer("", run_timer(turn), TimerKind.RUN_TIMEOUT)
    release_slot(turn)
    turn.agenda.clear()
    turn.command(EndRun(status=status.value, reply=reply_of(turn)))


def refuse(turn: Turn, problem: str) -> None:
    """End the run before anything of it has begun."""
    error = error_of(ErrorClass.REFUSED, problem)
    turn.record = turn.record._replace(
        status=RunStatus.FAILED,
        phase=Phase.ENDED,
        outcome="failed",
        error=error,
        ended_ms=turn.at_ms,
        outputs={},
    )
    turn.command(EndRun(status=RunStatus.FAILED.value, reply=reply_of(turn)))


def _outputs(turn: Turn) -> dict[str, object]:
    scope = RunScope(turn)
    outputs: dict[str, object] = {}
    for name, value in turn.definition.outputs.items():
        try:
            outputs[name] = value.render(scope)
        except TemplateError:
            outputs[name] = None
    return outputs


# From outside


def cancel(turn: Turn, *, by: str, reason: str) -> None:
    """End the run: what is in flight stops, `undo` and `finally` follow; unless nothing began."""
    if turn.record.outcome or _is_of_earlier_round(turn):
        turn.ignored = "late"
        return
    said = f"cancelled by {by or 'somebody'}" + (f": {reason}" if reason else "")
    error = error_of(ErrorClass.CANCELLED, said)
    turn.record = turn.record._replace(outcome="cancelled", error=error, paused_ms=0)
    _stop_all(turn)


def terminate(turn: Turn, *, by: str, reason: str) -> None:
    """End the run at once: neither `undo` nor `finally`."""
    if _is_of_earlier_round(turn):
        turn.ignored = "late"
        return
    if turn.record.outcome == TERMINATED and turn.record.phase is not Phase.RELEASING:
        turn.ignored = "repeated"
        return
    said = f"terminated by {by or 'somebody'}" + (f": {reason}" if reason else "")
    error = error_of(ErrorClass.CANCELLED, said)
    turn.record = turn.record._replace(outcome=TERMINATED, error=error)
    _stop_all(turn)


def on_run_timeout(turn: Turn, attempt: int) -> None:
    """The run's own time limit passed."""
    if turn.record.outcome or attempt != run_timer(turn):
        turn.ignored = "late"
        return
    error = error_of(ErrorClass.TIMEOUT, "the run's time limit passed")
    if turn.record.phase in (Phase.QUEUED, Phase.PREPARING):
        turn.record = turn.record._replace(outcome="failed", error=error)
        _stop_all(turn)
    else:
        doom(turn, error)


def _stop_all(turn: Turn) -> None:
    if turn.record.phase is Phase.QUEUED:
        _finish(turn)
        return
    if turn.definition.concurrency is not None and ("reopened",) in turn.agenda:
        return  # `reopened` ends it
    if turn.record.phase is Phase.PREPARING:
        _stop_own(turn, PREPARE, "cancelled")
        return
    for own in (ROLLBACK, RELEASE):
        if turn.node(own).status is not NodeStatus.PENDING:
            _stop_own(turn, own, "terminated")
    for scope in PHASE_SCOPES:
        shut(turn, scope, anew=True)
    if turn.record.phase is Phase.UNDO:
        _stop_undo(turn)


def _stop_own(turn: Turn, path: str, reason: str) -> None:
    if not turn.node(path).status.is_settled:
        end_attempt(turn, path, stop=True)
        settle(turn, path, NodeStatus.CANCELLED, reason=reason)


def _stop_undo(turn: Turn) -> None:
    for path, state in {**turn.state.scopes, **turn.scopes}.items():
        if path.endswith("/undo") and state is not None and (state.unsettled or state.kept):
            shut(turn, path)


def pause(turn: Turn) -> None:
    """Start nothing new."""
    if _is_newest(turn):
        turn.record = turn.record._replace(paused_ms=turn.record.paused_ms or turn.at_ms)


def resume(turn: Turn) -> None:
    """Go on: what was held starts."""
    if not _is_newest(turn) or not turn.record.paused_ms:
        return
    turn.record = turn.record._replace(paused_ms=0)
    if turn.record.phase is Phase.QUEUED and turn.record.granted_ms:
        _prepare(turn)
    nodes = turn.state.nodes
    ready = (path for path, state in nodes.items() if state.status is NodeStatus.READY)
    for path in in_order(ready):
        if not nodes[path].is_held:
            turn.push("again" if nodes[path].started_ms else "start", path)


def _is_of_earlier_round(turn: Turn) -> bool:
    """Whether the event was sent before the retry by which the run goes on now."""
    order, began = entry_order(turn.event.id), entry_order(turn.record.begun_by)
    return order is not None and began is not None and order < began


def _is_newest(turn: Turn) -> bool:
    """Whether no later pause or resume came before this one; then it is noted."""
    order, newest = entry_order(turn.event.id), entry_order(turn.record.steered)
    if order and newest and order <= newest:
        turn.ignored = "late"
        return False
    turn.record = turn.record._replace(steered=turn.event.id)
    return True
