"""The one place where adapters meet the engine: what daemons, workers and clients are made of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from coordinator.bus import Bus, start_bus
from coordinator.config import Settings
from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest
from coordinator.definitions.compile import load_document
from coordinator.definitions.digest import TamperedDefinitionError, UnreadableDefinitionError
from coordinator.definitions.parameters import check_params
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.engine import WorkflowEngine
from coordinator.engine.catalogue import Catalogue, DefinitionUnusableError
from coordinator.engine.intake import Intake
from coordinator.engine.loops import (
    Decider,
    Stop,
    announce_forever,
    fire_timers_forever,
    forever,
)
from coordinator.engine.observe import Silent, Telemetry
from coordinator.engine.settler import Log, Settler
from coordinator.ports import DefinitionStore, Member, StoreUnavailableError
from coordinator.redis_store import (
    EXECUTORS,
    RedisDefinitionStore,
    RedisDesk,
    RedisEventSource,
    RedisRegistry,
    RedisRequestQueue,
    RedisRunStore,
    RedisTimers,
    Server,
)
from coordinator.telemetry import Metrics, serve_metrics
from coordinator.workers.checkout import GitCheckout
from coordinator.workers.executor import StepExecutor
from coordinator.workers.providers import Personas
from coordinator.workers.providers.command import CommandProvider, CommandSettings
from coordinator.workers.serve import Worker, WorkerSettings
from coordinator.workers.workspaces import Rooms
from steps.registry import executors, step_types

EMBEDDED: Final = "embedded"
"""As `redis.url`: the bus of the state directory, started for as long as somebody uses it."""
ROLES: Final = ("decide", "execute", "timers", "sync")
"""What a daemon does; each may run in processes of its own."""
_EXECUTORS_AT_ONCE: Final = 4
_SAMPLE_SECONDS: Final = 5.0
_UNHEALTHY_SECONDS: Final = 15.0
"""A coordinator that has not reached its store for so long is not healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything that looks at or talks to one store."""

    server: Server
    store: RedisRunStore
    desk: RedisDesk
    registry: RedisRegistry
    definitions: RedisDefinitionStore
    timers: RedisTimers
    bus: Bus | None


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the configured server, closed at the end.

    Raises:
        StoreUnavailableError: it cannot be reached.
        StoreUnsuitableError: it must not be used.
        BusError: an embedded bus could not be started.
    """
    bus = None
    url = settings.redis.connection_url()
    if url == EMBEDDED:
        bus = await asyncio.to_thread(start_bus, settings.state_dir)
        url = bus.url
    server = Server(
        url,
        name=instance_name(settings),
        allow_insecure=settings.redis.allow_insecure,
        require_aof=settings.redis.require_aof,
    )
    async with AsyncExitStack() as stack:
        if bus is not None:
            stack.callback(bus.stop)
        await server.connect()
        connection = Connection(
            server=server,
            store=RedisRunStore(server),
            desk=RedisDesk(server),
            registry=RedisRegistry(server),
            definitions=RedisDefinitionStore(server),
            timers=RedisTimers(server),
            bus=bus,
        )
        for part in (
            connection.store,
            connection.desk,
            connection.registry,
            connection.definitions,
            connection.timers,
        ):
            stack.push_async_callback(part.close)
        yield connection


def instance_name(settings: Settings) -> str:
    """The configured name of this process, else one of host and process id."""
    return settings.instance or f"{socket.gethostname()}-{os.getpid()}"


def load_workflow(digest: Digest, document: bytes) -> Workflow:
    """A stored definition, checked against its digest and compiled with the step types here.

    Raises:
        DefinitionUnusableError: it was tampered with, or needs what this program does not have.
    """
    return _load(digest, document)[0]


def _load(digest: Digest, document: bytes) -> tuple[Workflow, Mapping[str, Persona]]:
    try:
        return load_document(digest, document, step_types=step_types())
    except (TamperedDefinitionError, UnreadableDefinitionError) as error:
        raise DefinitionUnusableError(digest, str(error)) from error


class PersonaShelf:
    """Personas as the definitions of runs have them, each document read once."""

    def __init__(self, definitions: DefinitionStore) -> None:
        self._definitions = definitions
        self._known: dict[str, Mapping[str, Persona]] = {}

    async def __call__(self, digest: str, name: str) -> Persona | None:
        """The persona in that document; None when the document or the persona is missing."""
        if digest not in self._known:
            document = await self._definitions.get(Digest(digest))
            if document is None:
                return None
            self._known[digest] = _load(Digest(digest), document)[1]
        return self._known[digest].get(name)


# A daemon


async def run_daemon(
    settings: Settings,
    *,
    stop: Stop,
    log: Log,
    metrics: Metrics | None = None,
    roles: Sequence[str] = ROLES,
) -> None:
    """Coordinate until stopped. What is under way when it stops is taken over by others.

    Raises:
        StoreUnavailableError: the server could not be reached at the start.
        StoreUnsuitableError: it must not be used.
    """
    async with connect(settings) as connection, asyncio.TaskGroup() as group:
        name = instance_name(settings)
        member = Member(name=name, role="coordinator", host=socket.gethostname(), pid=os.getpid())
        if "decide" in roles:
            source = RedisEventSource(connection.server, consumer=name)
            settler = _settler(connection, source, metrics or Silent(), log)
            decider = Decider(source, settler, lease_seconds=settings.lease.total_seconds())
            group.create_task(_decide(decider, source, stop, log))
        if "timers" in roles:
            group.create_task(fire_timers_forever(connection.timers, stop, log=log))
        if "execute" in roles:
            group.create_task(_execute(connection, settings, stop, log))
        if metrics is not None:
            group.create_task(_sample_forever(connection, metrics, stop, log))
            group.create_task(_publish(settings, metrics, connection, stop))
        group.create_task(announce_forever(connection.registry, member, stop, log=log))
        log.info("coordinator_started", instance=name, roles=list(roles))


async def _sample_forever(connection: Connection, metrics: Metrics, stop: Stop, log: Log) -> None:
    """Look now and then at what cannot be counted as it happens."""

    async def turn() -> None:
        for depth in await connection.desk.depths():
            metrics.queue_depth(depth.name, lag=depth.lag, pending=depth.pending)
        metrics.open_runs(await connection.desk.open_count())
        metrics.waiting_on_humans(len(await connection.desk.questions()))
        active = await connection.definitions.active()
        metrics.active_revisions({bundle.bundle: bundle.revision for bundle in active})
        await stop.within(_SAMPLE_SECONDS)

    await forever(stop, turn, log=log, name="sample")


async def _publish(
    settings: Settings, metrics: Metrics, connection: Connection, stop: Stop
) -> None:
    """Serve `/metrics` and `/healthz` until stopped."""
    seen = {"at": time.monotonic()}

    def health() -> Mapping[str, object]:
        age = time.monotonic() - seen["at"]
        return {
            "healthy": age < _UNHEALTHY_SECONDS,
            "instance": instance_name(settings),
            "age": age,
        }

    endpoint = serve_metrics(
        metrics,
        settings.metrics.port,
        host=settings.metrics.host,
        allow_remote=settings.metrics.allow_remote,
        health=health,
    )
    try:
        while not await stop.within(2.0):
            with contextlib.suppress(StoreUnavailableError):
                await connection.desk.now_ms()
                seen["at"] = time.monotonic()
    finally:
        if endpoint is not None:
            endpoint.close()


def _settler(
    connection: Connection, source: RedisEventSource, telemetry: Telemetry, log: Log
) -> Settler:
    catalogue = Catalogue(connection.definitions, load_workflow)
    intake = Intake(catalogue, check_params, {})
    return Settler(connection.store, source, catalogue, intake, telemetry=telemetry, log=log)


async def _decide(decider: Decider, source: RedisEventSource, stop: Stop, log: Log) -> None:
    try:
        await forever(stop, decider.next, log=log, name="decide")
    finally:
        await source.close()


async def _execute(connection: Connection, settings: Settings, stop: Stop, log: Log) -> None:
    name = instance_name(settings)
    queue = RedisRequestQueue(connection.server, targets=(), consumer=name, group=EXECUTORS)
    executor = StepExecutor(
        executors(step_types()),
        state_dir=str(settings.state_dir / "mirrors"),
        settings={"allow_local": [str(root) for root in settings.repo_roots]},
    )
    worker = Worker(
        queue,
        executor.answer,
        WorkerSettings(
            name=name,
            concurrency=_EXECUTORS_AT_ONCE,
            lease_seconds=settings.lease.total_seconds(),
            drain_seconds=8.0,
        ),
        log=log,
    )
    await _serve(worker, stop)


async def _serve(worker: Worker, stop: Stop) -> None:
    serving = asyncio.create_task(worker.serve())
    told = asyncio.create_task(_tell(worker, stop))
    try:
        await serving
    finally:
        told.cancel()


async def _tell(worker: Worker, stop: Stop) -> None:
    await stop.wait()
    worker.stop()
    await stop.wait_twice()
    worker.stop()


# A worker


async def run_worker(
    settings: Settings,
    personas: Sequence[str],
    *,
    stop: Stop,
    log: Log,
    concurrency: int | None = None,
    allow: frozenset[str] | None = None,
) -> None:
    """Serve these personas until stopped; stopped twice, leave at once.

    Raises:
        StoreUnavailableError: the server could not be reached at the start.
        StoreUnsuitableError: it must not be used.
    """
    name = f"{instance_name(settings)}-worker"
    async with connect(settings) as connection, asyncio.TaskGroup() as group:
        queue = RedisRequestQueue(connection.server, targets=personas, consumer=name)
        worker = Worker(
            queue,
            _answers(settings, connection, allow).answer,
            WorkerSettings(
                name=name,
                concurrency=concurrency or settings.worker.concurrency,
                lease_seconds=settings.worker.lease.total_seconds(),
                drain_seconds=settings.worker.drain.total_seconds(),
            ),
            log=log,
        )
        member = Member(
            name=name,
            role="worker",
            personas=tuple(personas),
            concurrency=concurrency or settings.worker.concurrency,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        group.create_task(announce_forever(connection.registry, member, stop, log=log))
        log.info("worker_started", instance=name, personas=list(personas))
        await _serve(worker, stop)
        stop.now()


def _answers(settings: Settings, connection: Connection, allow: frozenset[str] | None) -> Personas:
    folder = settings.state_dir / "worker"
    command = CommandProvider(
        CommandSettings(allow=allow or frozenset(settings.worker.allow_commands)),
        Rooms(folder / "rooms"),
        GitCheckout(folder / "mirrors", allow_local=list(settings.repo_roots)),
    )
    return Personas({PersonaKind.COMMAND: command}, PersonaShelf(connection.definitions))


# Libraries


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[WorkflowEngine]:
    """A `WorkflowEngine` on the configured server."""
    async with connect(settings) as connection:
        yield WorkflowEngine(
            connection.store, connection.desk, connection.definitions, load_definition_file
        )


def load_definition_file(path: str) -> tuple[Workflow, bytes]:
    """The workflow in a file, with the personas beside or above it, and its canonical document.

    Raises:
        DefinitionError: with all faults.
    """
    raise NotImplementedError
