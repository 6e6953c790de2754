"""How nodes start, and how word of their end travels."""

from __future__ import annotations

from itertools import islice
from typing import Final

from coordinator.core.attempts import ask
from coordinator.core.compute import compute
from coordinator.core.containers import (
    begin_container,
    begun,
    bounded,
    doom,
    go_on,
    shut_when_decided,
)
from coordinator.core.context import RunScope
from coordinator.core.definition import (
    CONTAINERS,
    Ask,
    Compute,
    ErrorClass,
    Join,
    Loop,
    Map,
    Node,
    Wait,
)
from coordinator.core.events import MANUAL, Failure
from coordinator.core.expressions import ExpressionError
from coordinator.core.failures import fail
from coordinator.core.forgetting import forget_children
from coordinator.core.items import begin_items, cancel_items
from coordinator.core.kept import is_of_phase, shut_kept
from coordinator.core.settle import anew, end_attempt, error_of, is_landing, is_shut, settle, shut
from coordinator.core.state import NodeState, NodeStatus, Phase
from coordinator.core.turn import (
    CHUNK,
    LAND,
    PHASE_SCOPES,
    Turn,
    child_path,
    owner_of,
    parent_scope,
)
from coordinator.core.waits import wait

HELD: Final = "held: this run advances by hand"


def start(turn: Turn, path: str) -> None:
    """All dependencies of the node have settled: let it run, or say why not."""
    node, state = turn.define(path), turn.node(path)
    if state.status not in (NodeStatus.PENDING, NodeStatus.READY):
        return
    scope = parent_scope(path)
    if is_shut(turn, scope, node):
        settle(turn, path, NodeStatus.CANCELLED, reason=_why_shut(turn, scope))
    elif not _join_holds(node, state):
        _skip_by_join(turn, path, node, state)
    elif turn.record.paused_ms:
        if state.status is NodeStatus.PENDING:
            turn.move(path, state._replace(status=NodeStatus.READY, reason="the run is paused"))
    elif _condition_holds(turn, path, node):
        if turn.record.advance == MANUAL and not state.is_let_go:
            _hold(turn, path, state)
        else:
            _run(turn, path, node)


def _hold(turn: Turn, path: str, state: NodeState) -> None:
    if not state.is_held:
        held = state._replace(status=NodeStatus.READY, reason=HELD, is_held=True)
        turn.move(path, held)
        turn.count(waiting=1)


def let_go(turn: Turn, path: str) -> None:
    """Let a node start if it is held."""
    if not turn.node(path).is_held:
        return
    end_attempt(turn, path, stop=False)
    turn.note(path, turn.node(path)._replace(is_let_go=True, reason=""))
    turn.push("start", path)


def _why_shut(turn: Turn, scope: str) -> str:
    if scope:
        return "its block had come to its end before it could start"
    outcome = turn.record.outcome
    return "the run had failed" if outcome == "failed" else "the run was cancelled"


def _join_holds(node: Node, state: NodeState) -> bool:
    match node.join:
        case Join.NONE_FAILED:
            return state.failed == 0 and (state.succeeded > 0 or not node.dependencies)
        case Join.ALL_SUCCEEDED:
            return state.succeeded == len(node.dependencies)
        case Join.ANY_SUCCEEDED:
            return state.succeeded > 0
        case Join.ANY_FAILED:
            return state.failed_ones > 0
        case Join.ALL_SETTLED:
            return True


def _skip_by_join(turn: Turn, path: str, node: Node, state: NodeState) -> None:
    if state.failed:
        reason = f"a dependency failed or was cancelled (join: {node.join.value})"
        settle(turn, path, NodeStatus.CANCELLED, reason=reason)
    else:
        reason = f"no dependency made it run (join: {node.join.value})"
        settle(turn, path, NodeStatus.SKIPPED, reason=reason)


def _condition_holds(turn: Turn, path: str, node: Node) -> bool:
    if node.condition is None:
        return True
    scope = RunScope(turn, path)
    try:
        if node.condition.truth(scope):
            return True
        operands = node.condition.operands(scope)
    except ExpressionError as error:
        fail(turn, path, _final(ErrorClass.STEP_ERROR, str(error)))
        return False
    reason = f"its condition does not hold: {node.condition.source}"
    settle(turn, path, NodeStatus.SKIPPED, reason=reason[:500], detail=bounded(operands))
    return False


def _final(error_class: ErrorClass, message: str) -> Failure:
    return Failure(error_class=error_class, message=message, retryable=False)


def _run(turn: Turn, path: str, node: Node) -> None:
    turn.starts += 1
    most = turn.definition.max_steps
    if turn.starts > most and turn.record.phase is Phase.MAIN:
        message = f"the run started more than {most} steps (max_steps)"
        fail(turn, path, _final(ErrorClass.EXHAUSTED, message))
    else:
        _begin(turn, path, node)


def _begin(turn: Turn, path: str, node: Node) -> None:
    if turn.node(path).goes_on:
        if go_on(turn, path):
            return
        if not isinstance(node.primitive, Loop) and not forget_children(turn, path):
            turn.move(path, turn.node(path)._replace(status=NodeStatus.READY))
            turn.push("again", path)
            return
    match node.primitive:
        case Ask():
            ask(turn, path)
        case Compute():
            compute(turn, path)
        case Wait():
            wait(turn, path)
        case Map() as each:
            begin_items(turn, path, each, begun(turn, turn.node(path)))
        case _:
            begin_container(turn, path)


def again(turn: Turn, path: str) -> None:
    """Another attempt of a node that is ready for it; a container begins from its first step, its
    old steps forgotten, once what it kept is cancelled. While the run is paused the node stays
    ready.
    """
    node, state = turn.define(path), turn.node(path)
    if state.status is not NodeStatus.READY:
        return
    if turn.record.paused_ms:
        turn.note(path, state._replace(reason="the run is paused"))
        return
    if shut_kept(turn, path):
        turn.push("again", path)
        return
    begins_over = isinstance(node.primitive, CONTAINERS) and not isinstance(node.primitive, Loop)
    is_clean = not begins_over and turn.scope(f"{path}/fallback") is None
    if is_clean or forget_children(turn, path):
        _begin(turn, path, node)
    else:
        turn.push("again", path)


def on_settled(turn: Turn, path: str, begin: int) -> None:
    """Tell those who depend on the node, some at a time, and then its container."""
    node, state = turn.define(path), turn.node(path)
    scope = parent_scope(path)
    graph = turn.graph(scope)
    for step in node.dependents[begin : begin + CHUNK]:
        if graph is not None:
            _tell_dependent(turn, child_path(scope, step), graph.nodes[step], state)
    if begin + CHUNK < len(node.dependents):
        turn.push("settled", path, str(begin + CHUNK))
    else:
        _tally(turn, scope, path, state)


def _tell_dependent(turn: Turn, path: str, node: Node, ended: NodeState) -> None:
    known = turn.find(path)
    state = known or NodeState(unsettled=len(node.dependencies))
    if state.status is not NodeStatus.PENDING:
        return
    state = state._replace(
        unsettled=state.unsettled - 1,
        succeeded=state.succeeded + ended.has_succeeded,
        failed=state.failed + (ended.has_failed or ended.status is NodeStatus.CANCELLED),
        failed_ones=state.failed_ones + (ended.status is NodeStatus.FAILED),
    )
    turn.note(path, state)
    if state.unsettled == 0:
        turn.push("start", path)


def _tally(turn: Turn, scope: str, path: str, ended: NodeState) -> None:
    before = turn.scope(scope)
    if before is None:
        return
    after = before._replace(
        unsettled=before.unsettled - 1,
        succeeded=before.succeeded + ended.has_succeeded,
        failed=before.failed + ended.has_failed,
        skipped=before.skipped + (ended.status is NodeStatus.SKIPPED),
        cancelled=before.cancelled + (ended.status is NodeStatus.CANCELLED),
        passes=before.passes + (ended.verdict == "pass"),
        fails=before.fails + (ended.verdict == "fail"),
        unknowns=before.unknowns + (ended.verdict == "unknown"),
    )
    turn.scopes[scope] = after
    if ended.has_failed and not before.is_kept:
        _on_branch_failed(turn, scope, path, ended)
    shut_when_decided(turn, scope, after)
    if after.unsettled == 0 and not (is_of_phase(scope) and after.kept):
        turn.push("complete", scope)


def _on_branch_failed(turn: Turn, scope: str, path: str, ended: NodeState) -> None:
    error = ended.error or {}
    told = error_of(
        str(error.get("class", ErrorClass.STEP_ERROR)),
        str(error.get("message", "")),
        str(error.get("node") or path),
    )
    if scope == "":
        doom(turn, told)
        return
    if scope in PHASE_SCOPES or scope.endswith("/undo"):
        return
    owner = owner_of(scope)
    state = turn.node(owner)
    if state.error is None:
        turn.note(owner, state._replace(error=told))


# Ending what runs


def cancel_children(turn: Turn, scope: str, begin: int) -> None:
    """Cancel what the scope has in flight, some at a time; what never started hears
    through edges.
    """
    graph = turn.graph(scope)
    if graph is None:
        return
    if _is_of_items(turn, scope):
        cancel_items(turn, scope, begin)
        return
    for step in islice(graph.nodes, begin, begin + CHUNK):
        if is_shut(turn, scope, graph.nodes[step]):
            cancel_node(turn, child_path(scope, step))
    if begin + CHUNK < len(graph.nodes):
        turn.push("cancel", scope, str(begin + CHUNK))


def _is_of_items(turn: Turn, scope: str) -> bool:
    """Whether it is a map's own scope, which counts items and not steps."""
    if scope in PHASE_SCOPES or owner_of(scope) != scope:
        return False
    return isinstance(turn.define(scope).primitive, Map)


def cancel_node(turn: Turn, path: str) -> None:
    """End the node if it has begun and not settled, and what it kept in any case."""
    state = turn.find(path)
    if state is None or state.status is NodeStatus.PENDING:
        return
    if state.status.is_settled:
        shut_kept(turn, path)
    elif stop_node(turn, path):
        settle(turn, path, NodeStatus.CANCELLED, reason="cancelled")


def stop_node(turn: Turn, path: str, *, then: str = "") -> bool:
    """Take back what the node has outside; whether it is still, so that the caller may go on.

    Otherwise steps inside it are being cancelled, and with the last of them it is cancelled too, or
    what `then` says.
    """
    shut_kept(turn, path)
    state = turn.node(path)
    if state.status is NodeStatus.RUNNING and _shut_inside(turn, path, state, then):
        return False
    if state.status is not NodeStatus.RUNNING or isinstance(turn.define(path).primitive, Ask):
        end_attempt(turn, path, stop=True)
    return True


def _shut_inside(turn: Turn, path: str, state: NodeState, then: str) -> bool:
    """Shut what runs inside the node; whether the node's own end follows from that."""
    if is_landing(turn, path):
        end_attempt(turn, path + LAND, stop=True)
        turn.note(path + LAND, anew(turn.node(path + LAND), 0))
        return False
    primitive = turn.define(path).primitive
    if state.is_handed_on:
        inside = f"{path}/fallback"
    elif isinstance(primitive, Ask):
        return False
    else:
        inside = f"{path}#{state.iteration}" if isinstance(primitive, Loop) else path
    scope = turn.scope(inside)
    if scope is None or scope.unsettled == 0:
        return False
    turn.note(path, state._replace(is_cancelling=True, then=then))
    shut(turn, inside)
    return True
