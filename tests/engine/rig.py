"""A whole system in one process: real loops over a store, with scripted workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from coordinator.core.decide import decide
from coordinator.core.definition import Workflow
from coordinator.core.events import Failure, ReplyStatus
from coordinator.core.ids import Digest, RunId
from coordinator.core.state import RunState
from coordinator.definitions.compile import compile_bundle
from coordinator.definitions.parameters import check_params
from coordinator.engine import WorkflowEngine
from coordinator.engine.catalogue import Catalogue
from coordinator.engine.intake import Intake
from coordinator.engine.loops import Decider, Stop, fire_timers_forever, forever
from coordinator.engine.observe import Silent
from coordinator.engine.settler import Settler
from coordinator.ports import ActiveBundle, Reply, Request
from coordinator.wiring import load_definition_file, load_workflow
from steps.registry import step_types
from tests.contracts.worlds import World

Answer = Callable[[Request], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]


class Remembering:
    """A log that a test can read."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    warning = exception = info

    def names(self) -> list[str]:
        """The events, in order."""
        return [name for name, _ in self.events]


def settler_of(world: World, consumer: str, log: Remembering) -> tuple[Settler, Any]:
    """A settler with its own connections, and its source."""
    source = world.source(consumer)
    catalogue = Catalogue(world.definitions(), load_workflow, refresh_seconds=0.0)
    intake = Intake(catalogue, check_params)
    store = world.store()
    return Settler(store, source, intake, telemetry=Silent(), log=log), source


class Rig:
    """Coordinators and a worker around one world."""

    def __init__(self, world: World, *, coordinators: int = 1) -> None:
        self.world = world
        self.log = Remembering()
        self.coordinators = coordinators
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, int]] = []
        self.engine = WorkflowEngine(
            world.store(), world.desk(), world.definitions(), load_definition_file
        )
        self._stop = Stop()
        self._tasks: list[asyncio.Task[Any]] = []

    async def activate(self, *texts: str) -> dict[str, Workflow]:
        """Compile workflows from YAML and make them the active ones."""
        files = {f"workflows/w{at}.yml": text for at, text in enumerate(texts)}
        bundle = compile_bundle(files, step_types=step_types())
        errors = [fault for fault in bundle.faults if fault.severity == "error"]
        assert not errors, errors
        store = self.world.definitions()
        compiled = bundle.workflows
        for one in compiled.values():
            await store.put(one.documents)
        active = await store.active()
        digests = {name: Digest(one.workflow.digest) for name, one in compiled.items()}
        await store.activate(
            ActiveBundle(bundle="default", digests=digests, revision="test"),
            replaces=active[0].revision if active else None,
        )
        return {name: one.workflow for name, one in compiled.items()}

    async def __aenter__(self) -> Rig:
        for number in range(self.coordinators):
            settler, source = settler_of(self.world, f"c{number}", self.log)
            decider = Decider(source, settler, lease_seconds=5.0, read_ms=100)
            self._begin(forever(self._stop, decider.next, log=self.log, name="decide"))
        self._begin(fire_timers_forever(self.world.timers(), self._stop, log=self.log))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.now()
        await asyncio.gather(*self._tasks)

    def serve(self, *personas: str, answer: Answer | None = None) -> None:
        """A worker for these personas; without an answer they pass at once."""
        queue = self.world.queue(*personas, consumer=f"w-{personas[0]}")

        async def turn() -> None:
            for request in await queue.take(wait_ms=200, count=16):
                self.asked.append((request.node, request.attempt))
                given = answer(request) if answer else {"verdict": "pass"}
                said = await given if isinstance(given, Awaitable) else given
                await queue.reply(request, reply_to(request, said))

        self._begin(forever(self._stop, turn, log=self.log, name="worker"))

    def _begin(self, loop: Any) -> None:
        self._tasks.append(asyncio.create_task(loop))

    async def replayed(self, workflow: Workflow, run: RunId) -> RunState:
        """The state that the run's journal gives when it is decided again."""
        state: RunState | None = None
        for record in await self.world.desk().journal(run, count=5_000):
            state = decide(workflow, state, record.entry.event).state
        assert state is not None
        return state


def reply_to(request: Request, said: Mapping[str, Any]) -> Reply:
    """The reply that says it."""
    failure = None
    if "error" in said:
        failure = Failure(error_class=said["error"], message=said.get("message", "it failed"))
    return Reply(
        msg_id=request.msg_id,
        token=said.get("token", request.token),
        status=ReplyStatus.ERROR if failure else ReplyStatus.DONE,
        verdict=said.get("verdict"),
        result=said.get("result"),
        failure=failure,
        worker="test",
    )


def facts(state: RunState) -> tuple[Any, ...]:
    """Everything of a state, comparable."""
    return (
        state.id,
        state.head,
        state.record,
        dict(sorted(state.nodes.items())),
        dict(sorted(state.scopes.items())),
        dict(sorted(state.results.items())),
        dict(sorted(state.values.items())),
    )
