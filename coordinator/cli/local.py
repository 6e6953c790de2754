"""A whole coordinator in this process: bus, daemon and workers, for `dev` and `run --local`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coordinator import wiring
from coordinator.engine.loops import Stop
from coordinator.gitops import FolderOrigin, Sync, SyncStatus, sync_forever, sync_once
from coordinator.telemetry import Logger

if TYPE_CHECKING:
    from coordinator.config import Settings

_EVERYTHING: Final = ("*",)
"""Programs that personas may run: whoever starts this runs files of their own."""
_LOOK_SECONDS: Final = 1.0
_ROLES: Final = tuple(role for role in wiring.ROLES if role != "sync")
"""Definitions come from the folder, whatever repository is configured."""


def local_settings(settings: Settings, repositories: Sequence[Path] = ()) -> Settings:
    """Settings for the bus of the state folder, unless an option named a server."""
    roots = tuple(dict.fromkeys((*settings.repo_roots, *repositories)))
    settings = replace(settings, repo_roots=roots)
    if settings.origins["redis.url"] == "flag":
        return settings
    redis = replace(settings.redis, url=wiring.EMBEDDED, password_file=None)
    return replace(settings, redis=redis)


@asynccontextmanager
async def serving(settings: Settings, personas: Sequence[str], log: Logger) -> AsyncIterator[Local]:
    """A coordinator and a worker for `personas`, until the block is left."""
    async with wiring.connect(settings) as connection:
        if connection.bus is not None:
            # Every further user has to find this very bus, one in this process included.
            redis = replace(settings.redis, url=connection.bus.url)
            settings = replace(settings, redis=redis)
        async with asyncio.TaskGroup() as group:
            local = Local(settings, connection, group, log)
            try:
                daemon = wiring.run_daemon(settings, stop=local.stop(), log=log, roles=_ROLES)
                group.create_task(daemon)
                local.serve(personas)
                yield local
            finally:
                local.leave()


class Local:
    """What runs in this process."""

    def __init__(
        self,
        settings: Settings,
        connection: wiring.Connection,
        group: asyncio.TaskGroup,
        log: Logger,
    ) -> None:
        self.settings = settings
        self.connection = connection
        self._group = group
        self._log = log
        self._stops: list[Stop] = []
        self._served: set[str] = set()

    def stop(self) -> Stop:
        """Something that `leave` stops."""
        self._stops.append(Stop())
        return self._stops[-1]

    def serve(self, personas: Sequence[str]) -> None:
        """Start a worker for those personas that have none yet."""
        new = [name for name in personas if name not in self._served]
        if not new:
            return
        name = f"{wiring.instance_name(self.settings)}-{len(self._stops)}"
        hands = replace(self.settings.worker, allow_commands=_EVERYTHING)
        settings = replace(self.settings, instance=name, worker=hands)
        worker = wiring.run_worker(settings, new, stop=self.stop(), log=self._log)
        self._group.create_task(worker)
        self._served |= set(new)

    def leave(self) -> None:
        """Stop everything; what a worker is busy with is handed back at once."""
        for stop in self._stops:
            stop.now()
            stop.now()

    def sync(self, folder: Path, tell: Callable[[SyncStatus], None]) -> Sync:
        """What makes the files of a folder the active definitions."""
        return Sync(
            origin=FolderOrigin(folder, paths=self.settings.folders.paths),
            definitions=self.connection.definitions,
            compile=partial(wiring.compile_files, settings=self.settings),
            log=self._log,
            tell=tell,
        )

    async def activate(self, folder: Path) -> SyncStatus:
        """Make the files of a folder the active definitions, once; and serve their personas."""
        status = await sync_once(self.sync(folder, lambda _: None))
        await self.serve_active()
        return status

    async def serve_active(self) -> None:
        """Serve every persona of the active definitions."""
        for bundle in await self.connection.definitions.active():
            self.serve([*bundle.personas, "run"])

    async def reload_forever(self, folder: Path, tell: Callable[[SyncStatus], None]) -> None:
        """Follow the files of a folder until stopped."""
        stop = self.stop()
        interval = timedelta(seconds=_LOOK_SECONDS)
        self._group.create_task(sync_forever(self.sync(folder, tell), interval=interval, stop=stop))
        while not await stop.within(_LOOK_SECONDS / 2):
            await self.serve_active()
