"""What a run forgets of a node that begins again: what ran inside of it.

It is found from the definition and the numbers of items and iterations that have begun, so that the
cost is that of the node, however large the run around it is.
"""

from __future__ import annotations

from coordinator.core.definition import Graph, Loop, Map, Node
from coordinator.core.places import ITEMS, OUTPUTS, graphs_inside
from coordinator.core.settle import anew
from coordinator.core.state import NodeState
from coordinator.core.turn import CHUNK, LAND, PATCH, Turn, child_path


def forget_children(turn: Turn, path: str) -> bool:
    """Forget what ran inside the node, its fallback too; iterations of a loop stay to be seen.

    Whether that was all: of a map only some items are forgotten at a time.
    """
    node = turn.define(path)
    if isinstance(node.primitive, Map) and not _forget_items(turn, path, node.primitive.graph):
        return False
    if not isinstance(node.primitive, Loop):
        _forget_within(turn, path, node, is_gone=False)
    _forget_aside(turn, path, node, is_gone=False)
    return True


def _forget_items(turn: Turn, path: str, graph: Graph) -> bool:
    """Forget the last of the items that have begun; whether none is left."""
    state = turn.node(path)
    left = max(state.iteration - CHUNK, 0)
    for index in range(left, state.iteration):
        _forget_scope(turn, f"{path}[{index}]", graph, is_gone=False)
    turn.note(path, state._replace(iteration=left))
    return left == 0


def _forget_within(turn: Turn, path: str, node: Node, *, is_gone: bool) -> None:
    numbered = isinstance(node.primitive, Loop)
    for scope, graph in graphs_inside(path, node.primitive, turn.find(path)):
        _forget_scope(turn, scope, graph, is_gone=is_gone or numbered)
    if turn.scope(path) is not None:
        turn.scopes[path] = None


def _forget_aside(turn: Turn, path: str, node: Node, *, is_gone: bool) -> None:
    for name, graph in (("fallback", node.on_error.graph), ("undo", node.undo)):
        if graph is not None and turn.scope(f"{path}/{name}") is not None:
            _forget_scope(turn, f"{path}/{name}", graph, is_gone=is_gone)


def _forget_scope(turn: Turn, scope: str, graph: Graph, *, is_gone: bool) -> None:
    for step, node in graph.nodes.items():
        path = child_path(scope, step)
        if turn.find(path) is not None:
            _forget_within(turn, path, node, is_gone=is_gone)
            _forget_aside(turn, path, node, is_gone=is_gone)
            _forget(turn, path, node, is_gone=is_gone)
    if turn.scope(scope) is not None:
        turn.scopes[scope] = None


def _forget(turn: Turn, path: str, node: Node, *, is_gone: bool) -> None:
    landed = turn.find(path + LAND)
    if landed is not None:
        turn.nodes[path + LAND] = _begun_anew(landed, 0, is_gone=is_gone)
    turn.nodes[path] = _begun_anew(turn.node(path), len(node.dependencies), is_gone=is_gone)
    for key in (path, path + OUTPUTS, path + ITEMS, path + PATCH):
        turn.put_result(key, None)


def _begun_anew(state: NodeState, dependencies: int, *, is_gone: bool) -> NodeState | None:
    """Iterations are numbered on, so that nothing inside of one comes again."""
    return None if is_gone or not state.attempt else anew(state, dependencies)
