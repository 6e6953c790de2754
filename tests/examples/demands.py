"""What the scenarios of a workflow have to show: each step run, failed, skipped, each answer given.

What a step can do follows from its definition, so a step that somebody adds asks for its scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coordinator.core.definition import (
    Ask,
    Channel,
    Choose,
    Graph,
    Loop,
    Node,
    OnErrorAction,
    Workflow,
)
from coordinator.core.events import Answered, TimerFired, TimerKind
from coordinator.core.ids import static_path
from coordinator.core.report import NodeRow, rows
from coordinator.simulation import Simulation

Demand = tuple[str, str]
"""The static path of a step, and what it has to be seen doing."""

_ESCALATED = ("retry", "skip", "continue", "abort")
_UNMET = "its condition does not hold"


def demands(definition: Workflow) -> set[Demand]:
    """Everything that the steps of a workflow can do."""
    return {
        (path, what) for path, node in definition.nodes.items() for what in (*_of(node), "runs")
    } | {(path, "is not chosen") for path in _in_branches(definition)}


def _of(node: Node) -> Iterator[str]:
    primitive = node.primitive
    if isinstance(primitive, Ask):
        yield from ("succeeds", "fails")
        if primitive.channel is Channel.HUMAN:
            yield from ("approve", "reject")
        if primitive.channel is Channel.HUMAN and primitive.deadline is not None:
            yield "is decided by the deadline"
    if isinstance(primitive, Loop) and primitive.until is not None:
        yield from ("ends at once", "goes round again", "is exhausted")
    if isinstance(primitive, Choose) and primitive.otherwise is None:
        yield "chooses nothing"
    if node.condition is not None:
        yield "is skipped by its condition"
    if node.on_error.action is OnErrorAction.ESCALATE:
        yield from _ESCALATED
    if node.on_error.persona is not None:
        yield "is done by the fallback"


def _in_branches(definition: Workflow) -> Iterator[str]:
    for node in definition.nodes.values():
        if isinstance(node.primitive, Choose):
            for graph in _branches(node.primitive):
                yield from (inner.path for inner in graph.nodes.values())


def _branches(choice: Choose) -> Iterable[Graph]:
    chosen = [branch.graph for branch in choice.branches]
    return chosen if choice.otherwise is None else [*chosen, choice.otherwise]


def shown(simulation: Simulation) -> set[Demand]:
    """What the steps did in one simulation."""
    definition, state = simulation.definition, simulation.state
    found = {(static_path(path), "runs") for path in simulation.started}
    for row in rows(definition, state):
        place = static_path(row.path)
        node = definition.nodes[place]
        found |= {(place, what) for what in _done(row, node, simulation)}
    for event in simulation.events:
        if isinstance(event, Answered):
            found.add((static_path(event.node), event.answer))
        if isinstance(event, TimerFired) and event.kind is TimerKind.DEADLINE:
            found.add((static_path(event.node), "is decided by the deadline"))
    return found


def _done(row: NodeRow, node: Node, simulation: Simulation) -> Iterator[str]:
    if row.status in ("succeeded", "failed"):
        yield "succeeds" if row.status == "succeeded" else "fails"
    if row.status == "skipped" and row.reason.startswith(_UNMET):
        yield "is skipped by its condition"
    around = simulation.state.nodes.get(row.path.rpartition("/")[0])
    if row.status == "skipped" and around is not None and around.status.value == "succeeded":
        yield "is not chosen"
    if isinstance(node.primitive, Choose) and row.reason == "no branch was chosen":
        yield "chooses nothing"
    if isinstance(node.primitive, Ask) and row.persona == node.on_error.persona:
        yield "is done by the fallback"
    if isinstance(node.primitive, Loop):
        yield from _rounds(row, simulation)


def _rounds(row: NodeRow, simulation: Simulation) -> Iterator[str]:
    iterations = simulation.state.nodes[row.path].iteration if row.attempts else 0
    if iterations == 1 and row.status == "succeeded":
        yield "ends at once"
    if iterations > 1:
        yield "goes round again"
    loop = simulation.definition.nodes[static_path(row.path)].primitive
    if isinstance(loop, Loop) and iterations >= loop.max_iterations:
        yield "is exhausted"
