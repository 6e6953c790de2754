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
    Map,
    Node,
    OnErrorAction,
    Wait,
    Workflow,
)
from coordinator.core.events import (
    Answered,
    ContinueRequested,
    RetryRequested,
    SkipRequested,
    TimerFired,
    TimerKind,
)
from coordinator.core.ids import static_path
from coordinator.core.report import NodeRow, rows
from coordinator.simulation import Simulation

Demand = tuple[str, str]
"""The static path of a step, and what it has to be seen doing."""

_BY_HAND = {RetryRequested: "retry", SkipRequested: "skip", ContinueRequested: "continue"}
_ESCALATED = ("retry", "skip", "continue", "abort")
_UNMET = "its condition does not hold"


def demands(definition: Workflow) -> set[Demand]:
    """Everything that the steps of a workflow can do."""
    return {
        (path, what) for path, node in definition.nodes.items() for what in (*_of(node), "runs")
    } | {(path, "is not chosen") for path in _in_branches(definition)}


def _of(node: Node) -> Iterator[str]:
    yield from _of_kind(node)
    if node.condition is not None:
        yield "is skipped by its condition"
    if node.on_error.action is OnErrorAction.ESCALATE:
        yield from _ESCALATED
    if node.on_error.persona is not None:
        yield "is done by the fallback"


def _of_kind(node: Node) -> Iterator[str]:
    match node.primitive:
        case Ask():
            yield from _of_ask(node, node.primitive)
        case Map():
            yield from ("has no items", "has several items", "has an item that fails")
        case Loop(until=until) if until is not None:
            yield from ("ends at once", "goes round again", "is exhausted")
        case Choose(otherwise=None):
            yield "chooses nothing"
        case Wait(timeout=timeout):
            yield from ("succeeds",) if timeout is None else ("succeeds", "fails")
        case _:
            pass


def _of_ask(node: Node, ask: Ask) -> Iterator[str]:
    is_human = ask.channel is Channel.HUMAN
    yield "succeeds"
    if node.gate is not None or not _is_sure(ask):
        yield "fails"
    if is_human:
        yield from ("approve", "reject")
    if is_human and ask.deadline is not None:
        yield "is decided by the deadline"


def _is_sure(ask: Ask) -> bool:
    """Whether it is a human whose silence has a meaning: without a gate that cannot fail."""
    is_decided = ask.deadline is None or ask.on_deadline is not None
    return ask.channel is Channel.HUMAN and is_decided


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
        if isinstance(event, RetryRequested | SkipRequested | ContinueRequested):
            found.add((static_path(event.node), _BY_HAND[type(event)]))
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
    if isinstance(node.primitive, Map) and row.status in ("succeeded", "failed"):
        yield from _items(row, simulation)


def _rounds(row: NodeRow, simulation: Simulation) -> Iterator[str]:
    iterations = simulation.state.nodes[row.path].iteration if row.attempts else 0
    if iterations == 1 and row.status == "succeeded":
        yield "ends at once"
    if iterations > 1:
        yield "goes round again"
    loop = simulation.definition.nodes[static_path(row.path)].primitive
    if isinstance(loop, Loop) and iterations >= loop.max_iterations:
        yield "is exhausted"


def _items(row: NodeRow, simulation: Simulation) -> Iterator[str]:
    count = simulation.state.nodes[row.path].iteration
    if count != 1:
        yield "has several items" if count else "has no items"
    inside = (
        node for path, node in simulation.state.nodes.items() if path.startswith(f"{row.path}[")
    )
    if any(node.status.value == "failed" for node in inside):
        yield "has an item that fails"
