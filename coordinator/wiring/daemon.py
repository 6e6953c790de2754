"""What a coordinator is made of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from coordinator.config import Settings
from coordinator.definitions.parameters import check_params
from coordinator.engine.catalogue import Catalogue
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
from coordinator.gitops import GitOrigin, Source, Sync, SyncStatus, sync_forever
from coordinator.ports import Member, StoreUnavailableError
from coordinator.redis_store import EXECUTORS, RedisEventSource, RedisRequestQueue
from coordinator.telemetry import Metrics, serve_metrics
from coordinator.wiring.connection import (
    Connection,
    compile_files,
    connect,
    instance_name,
    load_workflow,
)
from coordinator.wiring.worker import serve
from coordinator.workers.executor import StepExecutor
from coordinator.workers.serve import Worker, WorkerSettings
from steps.registry import executors, step_types

ROLES: Final = ("decide", "execute", "timers", "sync")
"""What a daemon does; each may run in processes of its own."""
_EXECUTORS_AT_ONCE: Final = 4
_DRAIN_SECONDS: Final = 7.0
"""A coordinator told to stop is gone within ten seconds, with what is taken and what is read."""
_SAMPLE_SECONDS: Final = 5.0
_UNHEALTHY_SECONDS: Final = 15.0
"""A coordinator that has not reached its store for so long is not healthy."""


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
        if "sync" in roles and settings.source.url:
            group.create_task(_sync(connection, settings, metrics, stop, log))
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
    intake = Intake(catalogue, check_params)
    return Settler(connection.store, source, intake, telemetry=telemetry, log=log)


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
            drain_seconds=_DRAIN_SECONDS,
        ),
        log=log,
    )
    await serve(worker, stop)


async def _sync(
    connection: Connection, settings: Settings, metrics: Metrics | None, stop: Stop, log: Log
) -> None:
    source = Source(
        url=settings.source.url,
        ref=settings.source.ref,
        interval=settings.source.interval,
        paths=settings.folders.paths,
    )

    def tell(status: SyncStatus) -> None:
        if metrics is not None and status.error is None:
            metrics.source_synced()

    sync = Sync(
        origin=GitOrigin(source, settings.state_dir),
        definitions=connection.definitions,
        compile=partial(compile_files, settings=settings),
        log=log,
        tell=tell,
    )
    await sync_forever(sync, interval=source.interval, stop=stop)
