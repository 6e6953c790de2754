"""A map's items: begun in order, a bounded number at a time, each with a scope of its own.

What the map has to know of an item once it is over is a few counts in the map's own scope, so that
its cost stays the same however many items there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.core.containers import open_scope, shut_when_decided
from coordinator.core.context import RunScope
from coordinator.core.definition import ErrorClass, Map
from coordinator.core.events import Failure
from coordinator.core.failures import fail
from coordinator.core.places import ITEMS
from coordinator.core.settle import shut
from coordinator.core.state import NodeState, NodeStatus, ScopeState
from coordinator.core.templates import TemplateError
from coordinator.core.turn import CHUNK, Turn, owner_of


def begin_items(turn: Turn, path: str, each: Map, state: NodeState) -> None:
    """Begin an attempt of the map: find its items, and start the first of them."""
    turn.move(path, state._replace(iteration=0))
    try:
        items = each.items.render(RunScope(turn, path))
    except TemplateError as error:
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=str(error)))
        return
    if not isinstance(items, list | tuple):
        message = f"items has to be a list, not {_kind_of(items)}"
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=message))
        return
    turn.results[path + ITEMS] = list(items)
    turn.scopes[path] = ScopeState(unsettled=len(items))
    if items:
        start_items(turn, path)
    else:
        turn.push("complete", path)


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def start_items(turn: Turn, path: str) -> None:
    """Begin items while the map has some left and room for them, some at a time."""
    state, tally = turn.node(path), turn.scope(path)
    if tally is None or tally.is_closed or state.status is not NodeStatus.RUNNING:
        return
    each = turn.define(path).primitive
    under_way = _in_flight(state, tally) - tally.left
    room = each.max_concurrent - under_way if isinstance(each, Map) else 0
    if room > 0 and tally.left:
        _begin_again(turn, path, state, tally)
        return
    count = min(tally.unsettled - _in_flight(state, tally), room, CHUNK)
    if count <= 0:
        return
    turn.note(path, state._replace(iteration=state.iteration + count))
    for index in range(state.iteration, state.iteration + count):
        open_scope(turn, f"{path}[{index}]")
    turn.push("items", path)


def _begin_again(turn: Turn, path: str, state: NodeState, tally: ScopeState) -> None:
    """Let the next item go on that an earlier round of the run left unfinished."""
    items = range(tally.again, state.iteration)
    index = next(at for at in items if turn.scope(f"{path}[{at}]") is not None)
    turn.scopes[path] = tally._replace(again=index + 1, left=tally.left - 1)
    turn.push("restart", f"{path}[{index}]", "0")
    turn.push("items", path)


def is_left(turn: Turn, scope: str) -> bool:
    """Whether the scope is an item that an earlier round left, and whose turn has not come yet."""
    tally = turn.scope(owner_of(scope)) if scope.endswith("]") else None
    if tally is None or not tally.left:
        return False
    return int(scope[scope.rindex("[") + 1 : -1]) >= tally.again


def _in_flight(state: NodeState, tally: ScopeState) -> int:
    return state.iteration - tally.succeeded - tally.failed - tally.cancelled


def end_item(turn: Turn, scope: str) -> None:
    """Every step of an item has settled: count it, and begin the next one."""
    path = owner_of(scope)
    before, tally = turn.scope(path), turn.scope(scope)
    if before is None or tally is None:
        return
    is_cancelled = before.is_closed and tally.cancelled > 0 and not tally.failed
    after = before._replace(
        unsettled=before.unsettled - 1,
        succeeded=before.succeeded + (not tally.failed and not is_cancelled),
        failed=before.failed + (tally.failed > 0),
        cancelled=before.cancelled + is_cancelled,
        passes=before.passes + tally.passes,
        fails=before.fails + tally.fails,
        unknowns=before.unknowns + tally.unknowns,
    )
    turn.scopes[path] = after
    if not tally.kept:
        turn.scopes[scope] = None
    elif tally.failed:
        shut(turn, scope, anew=True)
    shut_when_decided(turn, path, after)
    if after.unsettled == 0:
        turn.push("complete", path)
    else:
        start_items(turn, path)


def cancel_items(turn: Turn, path: str, begin: int) -> None:
    """Cancel the items that are under way, some at a time, and give up those not yet begun."""
    state, tally = turn.node(path), turn.scope(path)
    if tally is None or not tally.is_closed or tally.unsettled == 0:
        return
    in_flight = _in_flight(state, tally) - tally.left
    given_up = tally.cancelled + tally.left
    turn.scopes[path] = tally._replace(unsettled=in_flight, cancelled=given_up, left=0)
    if in_flight == 0:
        turn.push("complete", path)
        return
    for index in range(begin, min(begin + CHUNK, state.iteration)):
        shut(turn, f"{path}[{index}]")
    if begin + CHUNK < state.iteration:
        turn.push("cancel", path, str(begin + CHUNK))
