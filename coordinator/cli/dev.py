"""`coordinator dev`: everything on one machine, over a folder, reloading on change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli.commands import Leaf, env_option, redis_option
from coordinator.cli.connection import run_async, stop_on_signals
from coordinator.cli.errors import NotFoundError
from coordinator.cli.session import Session, say

if TYPE_CHECKING:
    from coordinator.gitops import SyncStatus


@click.command(cls=Leaf)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=Path(), show_default="here",
    help="The folder with workflows/ and personas/.",
)  # fmt: skip
@env_option
@redis_option
@click.pass_obj
def dev(session: Session, folder: Path) -> None:
    """Run bus, coordinator and workers over a folder; saved files count at once. Ctrl-C ends it.

    Every program that a persona names may run: the files are yours.

    \b
    Example:
      coordinator dev --dir my-project
    """
    from coordinator.cli.local import local_settings, serving
    from coordinator.telemetry import open_log

    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder; correct the path, or coordinator init it")
    settings = local_settings(session.settings(), [folder.resolve()])
    log = open_log(settings.log.level, settings.log.format)

    async def work() -> None:
        shown: dict[str, object] = {}
        async with serving(settings, (), log) as local:
            bus = local.connection.bus
            where = f"{bus.kind}" if bus else "the server named"
            say(f"coordinator dev: {folder.resolve()} on {where}; Ctrl-C ends it")
            if bus is not None:
                say("in another terminal: COORDINATOR_REDIS_URL=embedded coordinator run WORKFLOW")
            stop = local.stop()
            stop_on_signals(stop)
            reloading = asyncio.create_task(
                local.reload_forever(folder.resolve(), lambda status: _tell(status, shown))
            )
            await stop.wait()
            local.leave()
            await reloading

    run_async(work())


def _tell(status: SyncStatus, shown: dict[str, object]) -> None:
    """Say what is new of the files: their faults, or that they are active."""
    news = (status.error, status.active, status.faults)
    if shown.get("news") == news:
        return
    shown["news"] = news
    if status.error:
        say(f"error: {status.error}")
    for fault in status.faults:
        say(str(fault))
    if not status.is_valid:
        say("the files have errors; the last good ones stay active")
