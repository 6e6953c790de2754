"""The whole result of a node, wherever it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordinator.cli.connection import definition_of, load_run
from coordinator.cli.errors import NotFoundError
from coordinator.core.jsontext import parse
from coordinator.core.report import result_in
from coordinator.core.state import NodeStatus, RunState
from coordinator.definitions.faults import nearest

if TYPE_CHECKING:
    from coordinator.wiring import Connection


async def whole_result(connection: Connection, run: str, node: str) -> object:
    """What the node returned, as JSON data.

    Raises:
        NotFoundError: there is no such node, or it has returned nothing.
    """
    stored = await load_run(connection.store, connection.desk, run)
    state = stored.state
    found = state.nodes.get(node)
    if found is None or "@" in node:
        raise NotFoundError(_unknown(state, node))
    kept = state.results.get(node)
    if found.is_referenced and isinstance(kept, dict):
        content = await connection.store.blob(str(kept.get("sha256")))
        if content is None:
            raise NotFoundError(f"the result of {node} ({kept.get('ref')}) is not there any more")
        return parse(content)
    definition = await definition_of(connection.definitions, state.head.digest)
    if kept is None and found.status is not NodeStatus.SUCCEEDED:
        raise NotFoundError(f"{node} has returned nothing; it is {found.status.value}")
    return result_in(definition, state, node) if definition else kept


def _unknown(state: RunState, node: str) -> str:
    known = [path for path in state.nodes if "@" not in path]
    near = nearest(node, known)
    return f"run {state.id} has no node {node!r}" + (f"; did you mean {near!r}?" if near else "")
