"""A run as people look at it: one row per node, in the order in which things happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from coordinator.core.definition import Ask, Choose, Graph, Loop, Node, Workflow
from coordinator.core.state import NodeState, NodeStatus, RunState


class NodeRow(NamedTuple):
    """One node of a run."""

    path: str
    type: str
    persona: str | None
    status: str
    verdict: str | None
    attempts: int
    started_ms: int
    ended_ms: int
    error: Mapping[str, object] | None
    reason: str
    detail: object


def rows(definition: Workflow, state: RunState) -> list[NodeRow]:
    """Every node of the run, the coordinator's own work left out.

    Nodes that were never reached come where the definition has them: `skipped` once the run has
    ended, `pending` before. Inside a loop only what was reached is listed.
    """
    found = list(_below(definition.graph, "", state))
    for scope, graph in (("on_failure", definition.on_failure), ("finally", definition.finally_)):
        if graph is not None and state.scopes.get(scope) is not None:
            found.extend(_below(graph, scope, state))
    return found


def _below(graph: Graph, scope: str, state: RunState) -> Iterator[NodeRow]:
    for step, node in graph.nodes.items():
        path = f"{scope}/{step}" if scope else step
        known = state.nodes.get(path)
        yield _row(path, node, _shown(known, state))
        yield from _inside(path, node, known, state)


def _inside(path: str, node: Node, known: NodeState | None, state: RunState) -> Iterator[NodeRow]:
    primitive = node.primitive
    match primitive:
        case Loop():
            for iteration in range(1, (known.iteration if known else 0) + 1):
                yield from _below(primitive.graph, f"{path}#{iteration}", state)
        case Choose():
            for branch in primitive.branches:
                yield from _below(branch.graph, path, state)
            if primitive.otherwise:
                yield from _below(primitive.otherwise, path, state)
        case Ask():
            pass
        case _:
            yield from _below(primitive.graph, path, state)
    for name, graph in (("fallback", node.on_error.graph), ("undo", node.undo)):
        if graph is not None and state.scopes.get(f"{path}/{name}") is not None:
            yield from _below(graph, f"{path}/{name}", state)


def _shown(known: NodeState | None, state: RunState) -> NodeState:
    is_over = state.record.status.is_final
    if known is not None and not (is_over and known.status is NodeStatus.PENDING):
        return known
    if not is_over:
        return NodeState()
    return NodeState(status=NodeStatus.SKIPPED, reason="it was never reached")


def _row(path: str, node: Node, state: NodeState) -> NodeRow:
    primitive = node.primitive
    persona = None
    if isinstance(primitive, Ask):
        persona = state.persona or primitive.target
    return NodeRow(
        path=path,
        type=node.type,
        persona=persona,
        status=state.status.value,
        verdict=state.verdict,
        attempts=state.attempt,
        started_ms=state.started_ms,
        ended_ms=state.ended_ms,
        error=state.error,
        reason=state.reason,
        detail=state.detail,
    )
