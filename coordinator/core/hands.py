"""What a person does to a run that is under way: let go, have done again, skip, set values."""

from __future__ import annotations

from typing import assert_never

from coordinator.core import attempts
from coordinator.core.definition import Node
from coordinator.core.events import (
    MANUAL,
    AdvanceRequested,
    Answered,
    ByHand,
    ContinueRequested,
    PatchRequested,
    RetryRequested,
    SkipRequested,
)
from coordinator.core.flow import let_go, stop_node
from coordinator.core.items import is_left
from coordinator.core.kept import is_kept, is_of_phase
from coordinator.core.places import in_order
from coordinator.core.questions import asked_changes, changes_problem, in_words, with_changes
from coordinator.core.reopen import reopen
from coordinator.core.settle import another_round, is_shut, leave_out
from coordinator.core.state import NodeState, NodeStatus, Phase
from coordinator.core.turn import Turn, owner_of, parent_scope

_S = NodeStatus


def apply(turn: Turn, event: ByHand) -> None:
    """Do it; or say in the turn that it comes too late, or why it can never apply."""
    match event:
        case ContinueRequested(node=""):
            _let_all_go(turn)
        case ContinueRequested():
            _continue(turn, event)
        case RetryRequested() if turn.record.phase is Phase.ENDED:
            reopen(turn, event)
        case RetryRequested():
            _retry(turn, event)
        case SkipRequested():
            _skip(turn, event)
        case PatchRequested():
            turn.values.update(event.state)
        case AdvanceRequested():
            _advance(turn, event.mode)
        case _:
            assert_never(event)


# Letting go


def _advance(turn: Turn, mode: str) -> None:
    turn.record = turn.record._replace(advance=MANUAL if mode == MANUAL else "")
    if mode != MANUAL:
        _let_all_go(turn)
        turn.ignored = ""


def _let_all_go(turn: Turn) -> None:
    held = [path for path, state in turn.state.nodes.items() if state.is_held]
    for path in in_order(held):
        turn.push("let go", path)
    if not held:
        turn.ignored = "late"


def _continue(turn: Turn, event: ContinueRequested) -> None:
    if not _may_touch(turn, event.node):
        return
    state = turn.node(event.node)
    if state.is_held:
        let_go(turn, event.node)
    elif _is_asked_about(state):
        attempts.on_answer(turn, _as_answer(event, "continue", dict(event.values)))
    else:
        turn.ignored = "late"


def _is_asked_about(state: NodeState) -> bool:
    """Whether a human has to say how it goes on after it failed, or finished."""
    return state.status is _S.AWAITING_REVIEW or state.is_escalated


def _as_answer(
    event: ContinueRequested | RetryRequested, answer: str, values: dict[str, object]
) -> Answered:
    return Answered(
        id=event.id,
        run=event.run,
        at_ms=event.at_ms,
        seed=event.seed,
        node=event.node,
        answer=answer,
        by=event.by,
        comment=event.comment,
        values=values,
    )


# Again


def _retry(turn: Turn, event: RetryRequested) -> None:
    path = event.node
    if not path:
        turn.refused = "the run has not ended; name the node that is to be done again"
        return
    if not _may_touch(turn, path):
        return
    node, state = turn.define(path), turn.node(path)
    values = asked_changes(event)
    turn.refused = changes_problem(node, values) or _not_again(path, state)
    if turn.refused:
        return
    if _is_asked_about(state):
        attempts.on_answer(turn, _as_answer(event, "retry", values))
        return
    turn.note(path, with_changes(state, values, by=event.by, comment=event.comment))
    if state.is_held:
        let_go(turn, path)
    elif state.status is not _S.READY and stop_node(turn, path, then="again"):
        another_round(turn, path)


def _not_again(path: str, state: NodeState) -> str:
    if state.status.is_settled:
        return f"{path} has settled ({state.status}); it can be retried once the run has ended"
    return f"{path} has not begun yet" if state.status is _S.PENDING else ""


# Leaving out


def _skip(turn: Turn, event: SkipRequested) -> None:
    path = event.node
    if not _may_touch(turn, path):
        return
    if turn.node(path).status.is_settled:
        turn.ignored = "late"
        return
    turn.refused = _not_open(turn, path)
    if turn.refused:
        return
    reason = in_words("skipped", event.by, event.comment)
    if turn.node(path).status is _S.PENDING or stop_node(turn, path, then="skipped"):
        leave_out(turn, path, by=event.by, reason=reason)
    else:
        detail = {"skipped_by": event.by}
        turn.note(path, turn.node(path)._replace(reason=reason, detail=detail))


def _not_open(turn: Turn, path: str) -> str:
    """Why the node cannot be left out yet: nobody counts the steps of a block that is not open."""
    scope = parent_scope(path)
    graph = turn.graph(scope) if turn.scope(scope) is not None else None
    is_running = is_of_phase(scope) or turn.node(owner_of(scope)).status is _S.RUNNING
    is_running = (is_running or is_kept(turn, scope)) and not is_left(turn, scope)
    step = path.rpartition("/")[2]
    if graph is None or step not in graph.nodes or not is_running:
        return f"{path} is in a block that is not running; skip it once that has begun"
    return ""


# What may be touched


def _may_touch(turn: Turn, path: str) -> bool:
    """Whether the node is there for people; else the turn refuses or ignores the event."""
    if "@" in path:
        turn.refused = f"{path} is work of the coordinator's own; it goes on by itself"
    elif not turn.is_known(path):
        turn.refused = f"the run has no node {path!r}"
    elif turn.record.phase is Phase.QUEUED:
        turn.refused = "the run waits for its concurrency key; nothing has begun yet"
    elif turn.record.phase is Phase.PREPARING:
        turn.refused = "the run is being prepared; nothing has begun yet"
    elif _is_being_ended(turn, path, turn.define(path)):
        turn.ignored = "late"
    return not (turn.refused or turn.ignored)


def _is_being_ended(turn: Turn, path: str, node: Node) -> bool:
    scope = parent_scope(path)
    is_over = is_shut(turn, scope, node) or (scope == "" and turn.record.phase is not Phase.MAIN)
    return is_over and not turn.node(path).status.is_settled
