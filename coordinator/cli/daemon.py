"""`coordinator daemon`: the coordinator itself."""

from __future__ import annotations

import click

from coordinator.cli.commands import Leaf, env_option, redis_option, setting
from coordinator.cli.connection import run_async, shown_url, stop_on_signals
from coordinator.cli.errors import BadUsageError
from coordinator.cli.session import Session, say


@click.command(cls=Leaf)
@click.option("--roles", metavar="LIST", help="Of decide,execute,timers,sync; default all.")
@setting("metrics.port", "--metrics-port", type=int, metavar="N", help="0 = off.")
@env_option
@redis_option
@click.pass_obj
def daemon(session: Session, roles: str | None) -> None:
    """Run the coordinator until SIGTERM or Ctrl-C. Start more of them for more capacity.

    \b
    Example:
      COORDINATOR_SOURCE_URL=./definitions.git coordinator daemon --metrics-port 9100
    """
    from coordinator import wiring
    from coordinator.engine.loops import Stop
    from coordinator.telemetry import Metrics, open_log

    chosen = tuple(roles.replace(",", " ").split()) if roles else wiring.ROLES
    unknown = sorted(set(chosen) - set(wiring.ROLES))
    if unknown or not chosen:
        raise BadUsageError(f"--roles takes {','.join(wiring.ROLES)}; not {', '.join(unknown)}")
    settings = session.settings()

    async def work() -> None:
        stop = Stop()
        stop_on_signals(stop)
        log = open_log(settings.log.level, settings.log.format)
        metrics = Metrics() if settings.metrics.port else None
        await wiring.run_daemon(settings, stop=stop, log=log, metrics=metrics, roles=chosen)

    say(f"coordinator on {shown_url(settings)}")
    run_async(work())
