"""Why a run is where it is: what unfinished nodes wait for, why others ended as they did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from coordinator.core.definition import Ask, Channel, Choose, Node, Workflow
from coordinator.core.places import container_graph
from coordinator.core.report import NodeRow, Stored, rows
from coordinator.core.slots import waits_for_slot
from coordinator.core.state import SETTLED, NodeState, NodeStatus, RunState, RunStatus
from coordinator.core.turn import LAND, OWN_NODES, PREPARE, child_path, parent_scope

_S = NodeStatus
_MOST_NAMED: Final = 5
"""Runs named in one sentence."""


class Wait(NamedTuple):
    """A node waits. `path` is empty for the run itself."""

    path: str
    kind: str
    """`persona`, `human`, `timer`, `signal`, `run`, `dependency`, `coordinator`, `concurrency`,
    `review`, `held` or `paused`.
    """
    detail: str


class Ending(NamedTuple):
    """A node that did not succeed, and why."""

    path: str
    status: str
    reason: str
    error: Mapping[str, object] | None
    operands: object
    """Of a condition that did not hold: what it read, by name."""


class Serving(NamedTuple):
    """Who is alive, and who else is there."""

    personas: Collection[str] = ()
    """Personas that some worker serves."""
    has_coordinator: bool = True
    holders: Sequence[str] = ()
    """Runs that hold the run's concurrency key."""
    waiting: Sequence[str] = ()
    """Runs that wait for it, the next one first."""


def waits(definition: Workflow, state: RunState, serving: Serving) -> list[Wait]:
    """What every unfinished node waits for; what can be done something about comes first."""
    if state.record.status.is_final:
        return []
    found = list(_of_the_run(state, serving))
    found += _own_work(state)
    for row in rows(definition, state):
        node = definition.node(row.path)
        known = state.nodes.get(row.path)
        is_settled = NodeStatus(row.status).is_settled
        if (
            node is not None
            and not is_settled
            and _is_on_the_way(definition, state, node, row.path)
        ):
            wait = _of_node(row.path, node, known or NodeState(), state, serving)
            found += [wait] if wait else []
    return sorted(found, key=lambda wait: wait.kind == "dependency")


def endings(definition: Workflow, state: RunState) -> list[Ending]:
    """The nodes that failed, were skipped or were cancelled, in the order of the workflow."""
    unhappy = {_S.FAILED.value, _S.SKIPPED.value, _S.CANCELLED.value}
    return [_ending(row) for row in rows(definition, state) if row.status in unhappy]


def _ending(row: NodeRow) -> Ending:
    operands = row.detail if row.status == _S.SKIPPED else None
    return Ending(row.path, row.status, row.reason, row.error, operands)


def _of_the_run(state: RunState, serving: Serving) -> Iterator[Wait]:
    if not serving.has_coordinator:
        yield Wait("", "coordinator", "no coordinator runs, so nothing that happens is noticed")
    if state.record.status is RunStatus.PAUSED:
        yield Wait("", "paused", "the run is paused: nothing starts until somebody resumes it")
    if waits_for_slot(state.record):
        yield Wait("", "concurrency", _of_queue(state, serving))


def _of_queue(state: RunState, serving: Serving) -> str:
    held = ", ".join(serving.holders[:_MOST_NAMED]) or "another run"
    said = f"it needs {state.record.slot}, which {held} holds"
    if state.id not in serving.waiting:
        return said
    before = list(serving.waiting).index(state.id)
    return f"{said}; it is number {before + 1} of {len(serving.waiting)} in the queue"


def _own_work(state: RunState) -> Iterator[Wait]:
    for path, known in state.nodes.items():
        name = path[path.rfind("@") :] if "@" in path else ""
        is_under_way = known.status not in (_S.PENDING, *SETTLED)
        if name not in OWN_NODES or not is_under_way:
            continue
        shown = path.removesuffix(name)
        what = {PREPARE: "getting the repository ready", LAND: "applying its changes"}
        doing = what.get(name, "cleaning up")
        if known.status is _S.READY:
            yield Wait(shown, "paused", f"{doing} comes when the run goes on")
        elif known.status is _S.BACKING_OFF:
            again = f"{doing} is tried again after a pause{_after(known)}"
            yield Wait(shown, "timer", again)
        else:
            yield Wait(shown, "coordinator", f"{doing}, in git")


def _of_node(
    path: str, node: Node, known: NodeState, state: RunState, serving: Serving
) -> Wait | None:
    match known.status:
        case _S.RUNNING if isinstance(node.primitive, Ask):
            return _of_request(path, node.primitive, known, serving)
        case _S.WAITING if known.asks_a_human:
            return Wait(path, "human", _question(node, known))
        case _S.WAITING:
            return _of_wait(path, known, state)
        case _S.BACKING_OFF:
            most = node.retry.max_attempts
            detail = f"attempt {known.attempt + 1} of {most} comes after a pause{_after(known)}"
            return Wait(path, "timer", detail)
        case _S.AWAITING_REVIEW:
            said = f"{state.id} {path}"
            detail = f"it is done: coordinator runs continue {said}, or runs retry {said}"
            return Wait(path, "review", detail)
        case _S.READY if known.is_held:
            return Wait(
                path, "held", f"{known.reason}: coordinator runs continue {state.id} {path}"
            )
        case _S.READY:
            return Wait(path, "paused", known.reason or "it may start and is held back")
        case _S.PENDING:
            return _of_dependencies(path, node, state)
        case _:
            return None


def _of_request(path: str, asked: Ask, known: NodeState, serving: Serving) -> Wait | None:
    if known.is_handed_on:
        return Wait(path, "coordinator", "its reply is there and its changes wait to be applied")
    if asked.channel is Channel.WORK and not known.persona:
        return Wait(path, "coordinator", f"{asked.target} is under way (attempt {known.attempt})")
    if asked.channel is Channel.CHILD and not known.persona:
        return Wait(path, "run", f"waits for run {known.child} of {asked.target}")
    persona = known.persona or asked.target
    if persona in serving.personas:
        return Wait(path, "persona", f"{persona} was asked (attempt {known.attempt})")
    return Wait(
        path, "persona", f"no worker serves {persona}: coordinator worker --persona {persona}"
    )


def _of_wait(path: str, known: NodeState, state: RunState) -> Wait:
    about = known.detail if isinstance(known.detail, Mapping) else {}
    name, until = known.awaited_signal, about.get("until")
    if not name:
        return Wait(path, "timer", f"waits until {until}")
    limit = f", until {until}" if until else ""
    send = f"coordinator runs signal {state.id} {name}"
    return Wait(path, "signal", f"waits for the signal {name}{limit}: {send}")


def _question(node: Node, known: NodeState) -> str:
    if known.is_escalated or not isinstance(node.primitive, Ask):
        return f"it failed; answer retry, skip, continue or abort{_after(known)}"
    who = ", ".join(node.primitive.assignees) or "somebody"
    return f"{who} has to approve or reject"


def _is_on_the_way(definition: Workflow, state: RunState, node: Node, path: str) -> bool:
    """Whether no choice above the node took another branch."""
    owner = definition.node(parent_scope(path))
    if owner is None or not isinstance(owner.primitive, Choose):
        return True
    graph = container_graph(Stored(definition, state), parent_scope(path), owner)
    return graph is not None and graph.nodes.get(node.id) is node


def _of_dependencies(path: str, node: Node, state: RunState) -> Wait | None:
    scope = parent_scope(path)
    if state.scopes.get(scope) is None:
        return None
    open_ = [step for step in node.dependencies if not _is_settled(state, child_path(scope, step))]
    return Wait(path, "dependency", f"waits for {', '.join(open_)}") if open_ else None


def _is_settled(state: RunState, path: str) -> bool:
    known = state.nodes.get(path)
    return known is not None and known.status.is_settled


def _after(known: NodeState) -> str:
    if not known.error:
        return ""
    return f"; last error: {known.error.get('class', '')}: {known.error.get('message', '')}"
