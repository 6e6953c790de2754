"""One run on a virtual clock, and the runs that its steps start.

Nothing here decides anything: `decide` is called in a loop, its commands are carried out by a
script of replies, and time jumps from one event to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coordinator.core.definition import Workflow
from coordinator.core.events import Event
from coordinator.core.report import NodeRow, rows
from coordinator.core.state import RunState, RunStatus
from coordinator.simulation.script import Script
from coordinator.simulation.world import Played, SimulatedRequest, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What became of the run."""

    definition: Workflow
    state: RunState
    status: str
    virtual_ms: int
    requests: tuple[SimulatedRequest, ...]
    events: tuple[Event, ...]
    refusals: tuple[str, ...] = ()
    """Signals that could not apply, in words."""
    started: tuple[str, ...] = ()
    """Every node that ran, in the order of their first starts."""
    children: Mapping[str, Played] = field(default_factory=dict)
    """The last child run of each step that runs a workflow, by the path of the step."""

    def rows(self) -> list[NodeRow]:
        """Every node of the run; those of a child run come after the step that runs it."""
        return list(_rows("", self.definition, self.state, self.children))

    def to_json(self) -> dict[str, object]:
        """The shape that `coordinator simulate` prints."""
        error = self.state.record.error
        return {
            "status": self.status,
            "virtual_seconds": _seconds(self.virtual_ms),
            "nodes": [
                {
                    "path": row.path,
                    "type": row.type,
                    "status": row.status,
                    "verdict": row.verdict,
                    "attempts": row.attempts,
                    "reason": row.reason,
                }
                for row in self.rows()
            ],
            "requests": [
                {
                    "at_seconds": _seconds(request.at_ms),
                    "path": request.path,
                    "attempt": request.attempt,
                    "persona": request.persona,
                    "payload": request.payload,
                }
                for request in self.requests
            ],
            "outputs": self.state.record.outputs,
            "error": dict(error) if error is not None else None,
            "refused": list(self.refusals),
        }


def _rows(
    prefix: str, definition: Workflow, state: RunState, children: Mapping[str, Played]
) -> Iterator[NodeRow]:
    for row in rows(definition, state):
        path = prefix + row.path
        yield row._replace(path=path)
        below = children.get(path)
        if below is not None and below.state is not None:
            yield from _rows(f"{path}/", below.definition, below.state, children)


def _seconds(milliseconds: int) -> int | float:
    return milliseconds // 1_000 if milliseconds % 1_000 == 0 else milliseconds / 1_000


def simulate(
    workflow: Workflow,
    *,
    task: Mapping[str, object] | None = None,
    params: Mapping[str, object] | None = None,
    script: Script | None = None,
    until_ms: int | None = None,
) -> Simulation:
    """Run `workflow` for a (normalised) task with checked params until it ends or cannot move.

    The same arguments always give the same simulation.
    """
    world = World(workflow, script or Script())
    world.begin(task or {}, params or {})
    world.play(until_ms)
    return _report(world)


def _report(world: World) -> Simulation:
    state = world.state
    status = state.record.status
    is_stuck = not status.is_final and status is not RunStatus.PAUSED
    return Simulation(
        definition=world.definition,
        state=state,
        status="waiting" if is_stuck else status.value,
        virtual_ms=world.virtual_ms,
        requests=tuple(world.requests),
        events=tuple(world.events),
        refusals=tuple(world.refusals),
        started=tuple(world.started),
        children=dict(world.children),
    )
