"""What a worker is made of."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from coordinator.config import Settings
from coordinator.definitions.persona import PersonaKind
from coordinator.engine.loops import Stop, announce_forever
from coordinator.engine.settler import Log
from coordinator.ports import Member
from coordinator.redis_store import RedisRequestQueue
from coordinator.wiring.connection import Connection, PersonaShelf, connect, instance_name
from coordinator.workers.checkout import GitCheckout
from coordinator.workers.providers import Personas
from coordinator.workers.providers.command import CommandProvider, CommandSettings
from coordinator.workers.serve import Worker, WorkerSettings
from coordinator.workers.workspaces import Rooms


async def run_worker(
    settings: Settings,
    personas: Sequence[str],
    *,
    stop: Stop,
    log: Log,
) -> None:
    """Serve these personas until stopped; stopped twice, leave at once.

    Raises:
        StoreUnavailableError: the server could not be reached at the start.
        StoreUnsuitableError: it must not be used.
    """
    name = f"{instance_name(settings)}-worker"
    folder = _rooms_folder() or settings.state_dir / "worker" / "rooms"
    async with connect(settings) as connection, asyncio.TaskGroup() as group:
        rooms = Rooms(folder)
        queue = RedisRequestQueue(connection.server, targets=personas, consumer=name)
        worker = Worker(
            queue,
            _answers(settings, connection, rooms).answer,
            WorkerSettings(
                name=name,
                concurrency=settings.worker.concurrency,
                lease_seconds=settings.worker.lease.total_seconds(),
                drain_seconds=settings.worker.drain.total_seconds(),
            ),
            log=log,
        )
        member = Member(
            name=name,
            role="worker",
            personas=tuple(personas),
            concurrency=settings.worker.concurrency,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        group.create_task(announce_forever(connection.registry, member, stop, log=log))
        log.info("worker_started", instance=name, personas=list(personas))
        try:
            await serve(worker, stop)
        finally:
            rooms.close()
        stop.now()


def _answers(settings: Settings, connection: Connection, rooms: Rooms) -> Personas:
    command = CommandProvider(
        CommandSettings(allow=frozenset(settings.worker.allow_commands)),
        rooms,
        GitCheckout(
            settings.state_dir / "worker" / "mirrors", allow_local=list(settings.repo_roots)
        ),
    )
    return Personas({PersonaKind.COMMAND: command}, PersonaShelf(connection.definitions))


def _rooms_folder() -> Path | None:
    """Where throwaway workspaces are made: below the system's temporary folder, and not below the
    state folder, because tools look for their settings in every folder above the files they check.

    None when that folder is somebody else's.
    """
    folder = Path(tempfile.gettempdir()) / f"coordinator-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if is_ours and not found.st_mode & 0o077 else None


async def serve(worker: Worker, stop: Stop) -> None:
    """Serve until stopped; stopped twice, leave at once."""
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
