"""A run as people look at it: one row per node, in the order in which things happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from coordinator.core.context import result_of
from coordinator.core.definition import (
    Ask,
    Graph,
    Node,
    Workflow,
)
from coordinator.core.places import graphs_inside
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
    child: str = ""
    """The run that does, or did, its last attempt, of a step that runs another workflow."""


def rows(definition: Workflow, state: RunState) -> list[NodeRow]:
    """Every node of the run, the coordinator's own work left out.

    Nodes that were never reached come where the definition has them: `skipped` once the run has
    ended, `pending` before. Inside a loop or map only what was reached is listed.
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
    for scope, graph in graphs_inside(path, node.primitive, known):
        yield from _below(graph, scope, state)
    for name, extra in (("fallback", node.on_error.graph), ("undo", node.undo)):
        if extra is not None and state.scopes.get(f"{path}/{name}") is not None:
            yield from _below(extra, f"{path}/{name}", state)


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
        child=state.child,
    )


def result_in(definition: Workflow, state: RunState, path: str) -> object:
    """What the node returned; of a container what its steps did, as its dependents would see it."""
    return result_of(Stored(definition, state), path)


class Stored:
    """A run as it is stored, for views to read."""

    def __init__(self, definition: Workflow, state: RunState) -> None:
        self.definition = definition
        self.head = state.head
        self.record = state.record
        self._state = state

    def find(self, path: str) -> NodeState | None:
        """The node's state, if it has one."""
        return self._state.nodes.get(path)

    def result(self, path: str) -> object:
        """What the node returned."""
        return self._state.results.get(path)

    def value(self, name: str) -> object:
        """A value of the workflow's own state."""
        return self._state.values.get(name)

    def value_names(self) -> frozenset[str]:
        """Names of the workflow's own state."""
        return frozenset(self._state.values)
