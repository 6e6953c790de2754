"""Branches that go on when their container has had enough (`on_rest: keep`).

The container succeeds, its scope stays open and is marked as kept, and every scope around it
counts it. A phase is over when its steps have settled and its count is zero; whoever ends a scope
finds what is kept below it without looking at the whole run.
"""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.core.definition import Loop, Map
from coordinator.core.places import item_scopes
from coordinator.core.settle import shut
from coordinator.core.turn import PHASE_SCOPES, Turn, owner_of, parent_scope


def is_of_phase(scope: str) -> bool:
    """Whether the scope is a part of the run rather than of a container."""
    return scope in PHASE_SCOPES or scope.endswith("/undo")


def keep(turn: Turn, scope: str) -> None:
    """Let what is left in the scope run to its own end, whatever becomes of its container."""
    state = turn.scope(scope)
    if state is not None:
        turn.scopes[scope] = state._replace(is_kept=True)
        _count(turn, scope, 1)


def is_kept(turn: Turn, scope: str) -> bool:
    """Whether the scope goes on although its container has succeeded."""
    state = turn.scope(scope)
    return state is not None and state.is_kept


def let_go(turn: Turn, scope: str) -> None:
    """The last step of a kept scope has settled; a phase that waited for nothing else is over."""
    state = turn.scope(scope)
    if state is None:
        return
    turn.scopes[scope] = state._replace(is_kept=False)
    _count(turn, scope, -1)
    *_, root = _around(scope)
    phase = turn.scope(root)
    if phase is not None and not phase.unsettled and not phase.kept:
        turn.push("complete", root)


def shut_kept(turn: Turn, path: str) -> bool:
    """Cancel what is kept in and below the node; whether there was any."""
    around = turn.scope(parent_scope(path))
    if around is None or not around.kept:
        return False
    found = [scope for scope in _inside(turn, path) if _keeps(turn, scope)]
    for scope in found:
        shut(turn, scope, anew=True)
    return bool(found)


def _keeps(turn: Turn, scope: str) -> bool:
    state = turn.scope(scope)
    return state is not None and (state.is_kept or state.kept > 0)


def _inside(turn: Turn, path: str) -> Iterator[str]:
    yield path
    yield f"{path}/fallback"
    primitive = turn.define(path).primitive
    if isinstance(primitive, Loop):
        for iteration in range(1, turn.node(path).iteration + 1):
            yield f"{path}#{iteration}"
    elif isinstance(primitive, Map):
        yield from item_scopes(turn, path)


def _around(scope: str) -> Iterator[str]:
    """The scopes around a container's scope, from the inside to that of the phase."""
    while not is_of_phase(scope):
        scope = parent_scope(owner_of(scope))
        yield scope


def _count(turn: Turn, scope: str, change: int) -> None:
    for outer in _around(scope):
        state = turn.scope(outer)
        if state is not None:
            turn.scopes[outer] = state._replace(kept=state.kept + change)
