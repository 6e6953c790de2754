"""A run that has ended goes on: what did not succeed runs again, what did stays and is used.

First every node that is to run again is marked as pending, and counts anew how its dependencies
stand; nothing starts meanwhile, for the run is still being prepared. Containers are not begun over:
they are marked to go on where they were left, and do so when their own turn comes. Then what the
earlier round did at its end (`undo`, `on_failure`, `finally`) is forgotten, so that it may come
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Set
from typing import Final

from coordinator.core.commands import ReopenRun
from coordinator.core.definition import CONTAINERS, Ask, Graph, Loop, Map, Node
from coordinator.core.events import RetryRequested, TimerKind
from coordinator.core.phases import run_timer
from coordinator.core.places import ITEMS, OUTPUTS, inside_of, item_scopes
from coordinator.core.questions import asked_changes, changes_problem, with_changes
from coordinator.core.settle import anew
from coordinator.core.state import NodeState, NodeStatus, Phase, RunStatus, ScopeState
from coordinator.core.turn import (
    CHUNK,
    PHASE_SCOPES,
    PREPARE,
    RELEASE,
    ROLLBACK,
    Turn,
    child_path,
    owner_of,
    parent_scope,
)

_LATER: Final = frozenset({"undo", "fallback"})
"""Parts of a path inside of which steps come again by themselves."""


def reopen(turn: Turn, event: RetryRequested) -> None:
    """Begin another round of a run that has ended; or say in the turn why there can be none."""
    turn.refused = _problem(turn) or (
        _node_problem(turn, event) if event.node else _run_problem(turn, event)
    )
    if turn.refused:
        return
    turn.record = turn.record._replace(
        status=RunStatus.RUNNING,
        phase=Phase.PREPARING,
        round=turn.record.round + 1,
        begun_by=event.id,
        outcome="",
        error=None,
        outputs=None,
        rolls_back=False,
        undoing=(),
        ended_ms=0,
    )
    turn.starts = 0
    turn.command(ReopenRun())
    if turn.definition.timeout_ms is not None:
        turn.set_timer("", run_timer(turn), TimerKind.RUN_TIMEOUT, turn.definition.timeout_ms)
    if event.node:
        state = turn.node(event.node)
        changed = with_changes(state, asked_changes(event), by=event.by, comment=event.comment)
        turn.note(event.node, changed)
    for own in (PREPARE, RELEASE):
        if turn.find(own) is not None:
            turn.nodes[own] = anew(turn.node(own), 0)
    if turn.scope("") is not None:
        turn.push("mark", "", "0", event.node)
    turn.push("forget")
    turn.push("reopened")


# What speaks against it


def _problem(turn: Turn) -> str:
    parent = turn.head.parent
    if parent is not None:
        return f"the run is a step of run {parent.run}; retry {parent.node} there"
    if turn.node(ROLLBACK).attempt:
        return "what the run had brought to its base branch was rolled back; submit its task again"
    if turn.scope("") is None and turn.find(PREPARE) is None:
        return "the run ended before anything of it had begun; submit its task again"
    return ""


def _run_problem(turn: Turn, event: RetryRequested) -> str:
    if asked_changes(event):
        return "params and a prompt are for one node; name it"
    if turn.record.status is RunStatus.SUCCEEDED:
        return "the run succeeded; name the node that is to run again"
    if turn.scope("") is None or _undone(turn):
        return ""
    states = (turn.node(step) for step in turn.definition.graph.nodes)
    if any(_is_unfinished(state) for state in states):
        return ""
    return "nothing in the run failed or was cancelled; name the node that is to run again"


def _node_problem(turn: Turn, event: RetryRequested) -> str:
    path = event.node
    if "@" in path or not turn.is_known(path):
        return f"the run has no node {path!r}"
    if not turn.node(path).status.is_settled:
        return f"{path} was never reached; retry the run without naming a node"
    *around, _ = path.split("/")
    if _LATER.intersection(around) or around[:1] in (["finally"], ["on_failure"]):
        return f"{path} runs again by itself when it is its turn; name the step that it belongs to"
    if not _is_in_sight(turn, path):
        return f"{path} is in an earlier iteration; only the last one can be retried"
    return changes_problem(turn.define(path), asked_changes(event))


def _is_in_sight(turn: Turn, path: str) -> bool:
    """Whether every loop around the node is still in the iteration that the path names."""
    scope = parent_scope(path)
    while scope:
        owner = owner_of(scope)
        if "#" in scope[len(owner) :] and scope != f"{owner}#{turn.node(owner).iteration}":
            return False
        scope = parent_scope(owner)
    return True


# Marking what runs again


def mark(turn: Turn, scope: str, begin: int, named: str) -> None:
    """Mark what runs again of the steps in the scope, some at a time; dependencies come first."""
    graph = turn.graph(scope)
    if graph is None:
        return
    undone, forced = _undone(turn), _forced(graph, scope, named)
    order = _in_order(graph)
    if begin + CHUNK < len(order):
        turn.push_next("mark", scope, str(begin + CHUNK), named)
    else:
        turn.push_next("marked", scope)
    for step in order[begin : begin + CHUNK]:
        path, node = child_path(scope, step), graph.nodes[step]
        leads = named.startswith((f"{path}/", f"{path}#", f"{path}["))
        if leads or (step not in forced and _goes_on(turn, path, node, undone)):
            _mark_within(turn, path, node, named)
        elif step in forced or _runs_again(turn, scope, node, undone):
            _mark_anew(turn, path, node)


def marked(turn: Turn, scope: str) -> None:
    """Every step of the scope is marked, or stays: count how it stands now."""
    tally = _counted(_states(turn, scope))
    is_done = scope.endswith("]") and not tally.unsettled
    turn.scopes[scope] = None if is_done else tally


def _states(turn: Turn, scope: str) -> list[NodeState]:
    graph = turn.graph(scope)
    return [turn.node(child_path(scope, step)) for step in graph.nodes] if graph else []


def _counted(states: Iterable[NodeState]) -> ScopeState:
    found = list(states)
    settled = [state for state in found if state.status.is_settled]
    return ScopeState(
        unsettled=len(found) - len(settled),
        succeeded=sum(state.has_succeeded for state in settled),
        failed=sum(state.has_failed for state in settled),
        skipped=sum(state.status is NodeStatus.SKIPPED for state in settled),
        cancelled=sum(state.status is NodeStatus.CANCELLED for state in settled),
        passes=sum(state.verdict == "pass" for state in settled),
        fails=sum(state.verdict == "fail" for state in settled),
        unknowns=sum(state.verdict == "unknown" for state in settled),
    )


def _in_order(graph: Graph) -> list[str]:
    """The steps of the graph, each after those that it depends on."""
    left = {step: len(node.dependencies) for step, node in graph.nodes.items()}
    ready, order = deque(graph.roots), list[str]()
    while ready:
        step = ready.popleft()
        order.append(step)
        for following in graph.nodes[step].dependents:
            left[following] -= 1
            if left[following] == 0:
                ready.append(following)
    return order


def _forced(graph: Graph, scope: str, named: str) -> Set[str]:
    """The step of this graph that is named, or that the named one is in, and all that follow."""
    inside = f"{scope}/" if scope else ""
    if not named or not named.startswith(inside):
        return frozenset()
    first = named[len(inside) :].partition("/")[0].partition("#")[0].partition("[")[0]
    found, ahead = {first}, [first]
    while ahead:
        following = [step for step in graph.nodes[ahead.pop()].dependents if step not in found]
        found.update(following)
        ahead.extend(following)
    return found


def _undone(turn: Turn) -> Set[str]:
    """The nodes whose `undo` ran, and the containers and scopes that they are in."""
    if turn.undone is None:
        turn.undone = _found_undone(turn)
    return turn.undone


def _found_undone(turn: Turn) -> Set[str]:
    nodes: set[str] = set()
    scopes: set[str] = set()
    for scope, state in turn.state.scopes.items():
        path = scope.removesuffix("/undo")
        if path == scope or state is None:
            continue
        while path and path not in nodes:
            nodes.add(path)
            around = parent_scope(path)
            scopes.add(around)
            path = owner_of(around) if around else ""
    return nodes | scopes


def _is_unfinished(state: NodeState) -> bool:
    return not state.status.is_settled or state.has_failed or state.status is NodeStatus.CANCELLED


def _goes_on(turn: Turn, path: str, node: Node, undone: Set[str]) -> bool:
    """Whether it is a container that did not come to a good end, and can go on where it was."""
    state = turn.node(path)
    if not isinstance(node.primitive, CONTAINERS):
        return False
    if not (state.status.is_settled or state.goes_on):
        return False
    inside = inside_of(turn, path)
    if turn.scope(inside) is None or turn.scope(f"{path}/undo") is not None:
        return False
    if isinstance(node.primitive, Loop) and _undone_before(path, state, undone):
        return False
    return _is_unfinished(state) or inside in undone


def _undone_before(path: str, loop: NodeState, undone: Set[str]) -> bool:
    return any(f"{path}#{iteration}" in undone for iteration in range(1, loop.iteration))


def _runs_again(turn: Turn, scope: str, node: Node, undone: Set[str]) -> bool:
    path = child_path(scope, node.id)
    state = turn.node(path)
    if _is_unfinished(state) or path in undone:
        return True
    if state.status is not NodeStatus.SKIPPED or _is_left_out(state):
        return False
    after = (turn.node(child_path(scope, step)) for step in node.dependencies)
    return any(not one.status.is_settled for one in after)


def _is_left_out(state: NodeState) -> bool:
    """Whether a person skipped it."""
    return isinstance(state.detail, dict) and "skipped_by" in state.detail


def _mark_anew(turn: Turn, path: str, node: Node) -> None:
    before = turn.node(path)
    after = anew(before, len(node.dependencies))
    if isinstance(node.primitive, Ask) and before.has_failed:
        after = after._replace(error=before.error)  # who is asked again is told of it
    _mark(turn, path, node, after)


def _mark_within(turn: Turn, path: str, node: Node, named: str) -> None:
    before = turn.node(path)
    after = anew(before, len(node.dependencies))._replace(
        branch=before.branch,
        iterations_before=before.iterations_before,
        goes_on=True,
        is_done=before.is_done if before.goes_on else before.status is NodeStatus.CANCELLED,
    )
    _mark(turn, path, node, after)
    if isinstance(node.primitive, Map):
        turn.push_next("mark items", path, "0", named)
    else:
        turn.push_next("mark", inside_of(turn, path), "0", named)


def mark_items(turn: Turn, path: str, begin: int, named: str) -> None:
    """Mark what runs again of a map's items, some at a time; those never begun come then."""
    begun = turn.node(path).iteration
    if begin < begun:
        turn.push_next("mark items", path, str(begin + CHUNK), named)
        for index in range(begin, min(begin + CHUNK, begun)):
            turn.push_next("mark", f"{path}[{index}]", "0", named)
        return
    items = turn.result(path + ITEMS)
    counted = [_counted(_states(turn, scope)) for scope in item_scopes(turn, path)]
    done = [item for item in counted if not item.unsettled]
    turn.scopes[path] = ScopeState(
        unsettled=(len(items) if isinstance(items, list | tuple) else begun) - len(done),
        succeeded=len(done),
        passes=sum(item.passes for item in done),
        fails=sum(item.fails for item in done),
        unknowns=sum(item.unknowns for item in done),
        left=begun - len(done),
    )


def _mark(turn: Turn, path: str, node: Node, after: NodeState) -> None:
    scope = parent_scope(path)
    deps = _counted(turn.node(child_path(scope, step)) for step in node.dependencies)
    failed_ones = sum(
        turn.node(child_path(scope, step)).status is NodeStatus.FAILED for step in node.dependencies
    )
    turn.nodes[path] = after._replace(
        unsettled=deps.unsettled,
        succeeded=deps.succeeded,
        failed=deps.failed + deps.cancelled,
        failed_ones=failed_ones,
    )
    turn.put_result(path, None)
    turn.put_result(path + OUTPUTS, None)
    turn.moves.append((path, after.status.value, after.attempt))


# Forgetting how it ended


def forget(turn: Turn) -> None:
    """Forget what ran at the end of the earlier round, and inside of what begins over."""
    scopes = {**turn.state.scopes, **turn.scopes}
    gone = {scope for scope, state in scopes.items() if state and _is_forgotten(turn, scope)}
    for known in {**turn.state.nodes, **turn.nodes}:
        if (scope := _first_of(known, gone)) is not None:
            turn.nodes[known] = _forgotten(turn, known, known[len(scope) :])
            turn.put_result(known, None)
            turn.put_result(known + OUTPUTS, None)
    for scope in scopes:
        if scope in gone or _first_of(scope, gone) is not None:
            turn.scopes[scope] = None


def _is_forgotten(turn: Turn, scope: str) -> bool:
    if scope in PHASE_SCOPES:
        return scope != ""
    owner = owner_of(scope)
    state = turn.node(owner)
    if state.status.is_settled:
        return False
    is_later = scope.endswith(("/undo", "/fallback"))
    return is_later or ("#" not in scope[len(owner) :] and not state.goes_on)


def _first_of(path: str, gone: Set[str]) -> str | None:
    """The outermost of the scopes that the path is inside of."""
    return next((scope for scope in _scopes_around(path) if scope in gone), None)


def _scopes_around(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        scope = path[:at]
        if scope.endswith("]"):
            yield owner_of(scope)
        yield scope
        at = path.find("/", at + 1)


def _forgotten(turn: Turn, path: str, inside: str) -> NodeState | None:
    """Attempts number on; iterations do too, so that nothing below one comes again."""
    state = turn.node(path)
    if "#" in inside or not state.attempt:
        return None
    return anew(state, len(turn.define(path).dependencies))
