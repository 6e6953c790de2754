"""How a node comes to its end, and how what it has in flight is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.core import signals
from coordinator.core.commands import SettleRequest, WithdrawQuestion
from coordinator.core.definition import Channel, Join, Node, Wait, ask_of
from coordinator.core.events import TimerKind
from coordinator.core.places import OUTPUTS
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.turn import LAND, PATCH, TERMINATED, Turn, parent_scope

_LANDING: Final = (NodeStatus.READY, NodeStatus.RUNNING, NodeStatus.BACKING_OFF)


def settle(
    turn: Turn,
    path: str,
    status: NodeStatus,
    *,
    reason: str = "",
    detail: object = None,
) -> None:
    """Bring the node to its end, with the verdict and error its state already has.

    Whoever depends on it hears of it through the agenda.
    """
    state = turn.node(path)
    end(
        turn,
        path,
        state._replace(
            status=status,
            reason=reason or state.reason,
            detail=detail if detail is not None else state.detail,
            is_handed_on=False,
            ended_ms=turn.at_ms,
            started_ms=state.started_ms or turn.at_ms,
            settled=turn.settled + 1,
        ),
    )


def leave_out(turn: Turn, path: str, *, by: str, reason: str = "") -> None:
    """Bring the node to its end as skipped by a person: it concluded and returned nothing."""
    turn.note(path, turn.node(path)._replace(verdict=None, is_escalated=False))
    turn.put_result(path, None)
    turn.put_result(path + OUTPUTS, None)
    settle(turn, path, NodeStatus.SKIPPED, reason=reason, detail={"skipped_by": by})


def end(turn: Turn, path: str, ended: NodeState) -> None:
    """Write the state that the node ends with, and let those who wait for it know."""
    turn.settled += 1
    turn.move(path, ended)
    if turn.result(path + PATCH) is not None:
        turn.results[path + PATCH] = None
    turn.push("settled", path, "0")
    leave_patchers(turn, path)


def asked_target(node: Node, state: NodeState) -> tuple[Channel, str]:
    """Who holds the attempt in flight: the step's own target, or the fallback persona."""
    primitive = ask_of(node)
    if state.persona:
        return Channel.PERSONA, state.persona
    return primitive.channel, primitive.target


def end_attempt(turn: Turn, path: str, *, stop: bool) -> None:
    """Take back what the node's attempt has outside: its request, question and timers.

    With `stop`, a worker that is busy with it is told to stop. The node's status is the caller's to
    change.
    """
    state = turn.node(path)
    match state.status:
        case NodeStatus.RUNNING if not state.is_handed_on:
            channel, target = asked_target(turn.define(path), state)
            turn.command(
                SettleRequest(
                    channel=channel,
                    target=target,
                    node=path,
                    attempt=state.attempt,
                    stop=stop,
                    child=state.child,
                    at_once=turn.record.outcome == TERMINATED,
                )
            )
            turn.clear_timer(path, state.attempt, TimerKind.TIMEOUT)
            turn.count(running=-1)
        case NodeStatus.WAITING if not state.asks_a_human:
            _end_wait(turn, path, state)
            turn.count(waiting=-1)
        case NodeStatus.WAITING:
            turn.command(WithdrawQuestion(node=path))
            turn.clear_timer(path, state.attempt, TimerKind.DEADLINE)
            turn.count(waiting=-1)
        case NodeStatus.AWAITING_REVIEW:
            turn.command(WithdrawQuestion(node=path))
            turn.count(waiting=-1)
        case NodeStatus.READY if state.is_held:
            turn.note(path, state._replace(is_held=False))
            turn.count(waiting=-1)
        case NodeStatus.BACKING_OFF:
            turn.clear_timer(path, state.attempt, TimerKind.RETRY)
            turn.count(waiting=-1)
        case _:
            pass


def _end_wait(turn: Turn, path: str, state: NodeState) -> None:
    primitive = turn.define(path).primitive
    if not isinstance(primitive, Wait):
        return
    if primitive.signal is None:
        turn.clear_timer(path, state.attempt, TimerKind.WAIT)
    else:
        signals.leave(turn, primitive.signal, path)
        if primitive.timeout is not None:
            turn.clear_timer(path, state.attempt, TimerKind.TIMEOUT)
    turn.note(path, state._replace(reason="", detail=None))


def another_round(turn: Turn, path: str) -> None:
    """Have the node begin again as a person wants it; what it tried so far counts no more."""
    state = turn.node(path)
    turn.note(path, state._replace(spent=state.attempt, is_handed_on=False, persona=""))
    if turn.result(path + PATCH) is not None:
        turn.results[path + PATCH] = None
    try_again(turn, path)


def try_again(turn: Turn, path: str) -> None:
    """Have another attempt of the node; what the last one had outside was taken back already."""
    state = turn.node(path)
    again = state._replace(status=NodeStatus.READY, is_escalated=False, is_done=False)
    turn.move(path, again)
    turn.push("again", path)


def error_of(error_class: str, message: str, node: str = "") -> Mapping[str, object]:
    """An error as the state keeps it."""
    error: dict[str, object] = {"class": error_class, "message": message[:4_000]}
    if node:
        error["node"] = node
    return error


def join_patchers(turn: Turn, path: str, node: Node) -> None:
    """Note that the node is in flight and may change files; patches land in step order."""
    parent = parent_scope(path)
    scope = turn.scope(parent)
    graph = turn.graph(parent)
    if scope is None or graph is None or path in scope.patchers:
        return
    by_index = sorted(
        (*scope.patchers, path), key=lambda one: graph.nodes[one.rpartition("/")[2]].index
    )
    turn.scopes[parent] = scope._replace(patchers=tuple(by_index))


def leave_patchers(turn: Turn, path: str) -> None:
    """The node changes no files any more; the next one in step order may."""
    parent = parent_scope(path)
    scope = turn.scope(parent)
    if scope is None or path not in scope.patchers:
        return
    rest = tuple(one for one in scope.patchers if one != path)
    turn.scopes[parent] = scope._replace(patchers=rest)
    if rest and turn.result(rest[0] + PATCH) is not None:
        turn.push("land", rest[0])


def shut(turn: Turn, scope: str, *, anew: bool = False) -> None:
    """Nothing in the scope starts any more, and what is in flight is cancelled.

    With `anew` also where that was done before, and left some steps to run.
    """
    state = turn.scope(scope)
    if state is None or (state.is_closed and not (anew and (state.unsettled or state.kept))):
        return
    turn.scopes[scope] = state._replace(is_closed=True)
    turn.push("cancel", scope, "0")


def is_shut(turn: Turn, scope: str, node: Node) -> bool:
    """Whether the node may not start, or go on, because the scope it is in was ended.

    After a failure at the top level, those go on whose join asks for it.
    """
    state = turn.scope(scope)
    if state is None or not state.is_closed:
        return False
    after_failure = scope == "" and turn.record.outcome == "failed"
    return not (after_failure and node.join in (Join.ALL_SETTLED, Join.ANY_FAILED))


def is_landing(turn: Turn, path: str) -> bool:
    """Whether the patch of the node's reply is being applied now, or once the run goes on."""
    state = turn.find(path + LAND)
    return state is not None and state.status in _LANDING


def anew(state: NodeState, dependencies: int) -> NodeState:
    """The state of a node that begins again; its attempts go on counting, so that a late reply to
    an earlier one is not mistaken for a reply to a later one.
    """
    return NodeState(
        unsettled=dependencies,
        attempt=state.attempt,
        spent=state.attempt,
        answered=state.answered,
        iteration=state.iteration,
        changed=state.changed,
    )


def is_first_to_land(turn: Turn, path: str) -> bool:
    """Whether every concurrent node before it in step order is done with its files."""
    scope = turn.scope(parent_scope(path))
    return scope is None or not scope.patchers or scope.patchers[0] == path
