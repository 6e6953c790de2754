"""`coordinator worker`: serve personas."""

from __future__ import annotations

import click

from coordinator.cli.commands import Leaf, redis_option, setting
from coordinator.cli.connection import run_async, shown_url, stop_on_signals
from coordinator.cli.errors import BadUsageError
from coordinator.cli.session import Session, say


@click.command(cls=Leaf)
@click.option("--persona", "named", multiple=True, metavar="NAME", help="Repeatable.")
@click.argument("more", nargs=-1, metavar="[NAME]...")
@setting("worker.concurrency", "--concurrency", type=int, metavar="N", help="Requests at a time.")
@setting(
    "worker.allow_commands",
    "--allow-commands",
    metavar="LIST",
    help="Programs that command personas may run here; * for all.",
)
@redis_option
@click.pass_obj
def worker(session: Session, named: tuple[str, ...], more: tuple[str, ...]) -> None:
    """Serve personas until SIGTERM or Ctrl-C; a second one ends at once.

    \b
    Example:
      coordinator worker --persona tester-qa code-reviewer --allow-commands pytest,ruff
    """
    from coordinator import wiring
    from coordinator.engine.loops import Stop
    from coordinator.telemetry import open_log

    personas = list(dict.fromkeys(" ".join((*named, *more)).replace(",", " ").split()))
    if not personas:
        raise BadUsageError("name the personas to serve: --persona NAME")
    settings = session.settings()
    if not settings.worker.allow_commands:
        say("warning: worker.allow_commands is empty, so no command persona can run here")

    async def work() -> None:
        stop = Stop()
        stop_on_signals(stop)
        log = open_log(settings.log.level, settings.log.format)
        await wiring.run_worker(settings, personas, stop=stop, log=log)

    say(f"worker for {', '.join(personas)} on {shown_url(settings)}")
    run_async(work())
