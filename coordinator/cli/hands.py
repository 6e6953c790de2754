"""`coordinator runs retry|skip|continue|patch|advance`: a run in a person's own hands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli.commands import Leaf, by_option, redis_option
from coordinator.cli.connection import (
    connect,
    definition_of,
    has_coordinator,
    load_run,
    run_async,
)
from coordinator.cli.errors import (
    RUN_EXIT,
    BadUsageError,
    CommandError,
    ExitCode,
    NotFoundError,
)
from coordinator.cli.inputs import Duration, typed_pairs
from coordinator.cli.session import Session, say

if TYPE_CHECKING:
    from coordinator.core.events import Event
    from coordinator.core.ids import RunId
    from coordinator.ports import StoredRun
    from coordinator.wiring import Connection

_PATIENCE_MS: Final = 5_000
_PAGE: Final = 500
_RUN = click.argument("run", metavar="RUN")
_COMMENT = click.option("--comment", default="", help="Why; it is kept with the run.")


@click.command("retry", cls=Leaf)
@_RUN
@click.argument("node", required=False, default="", metavar="[NODE]")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="K=V|K:=JSON",
    help="Laid over the params of NODE; repeatable.",
)
@click.option("--prompt", default="", metavar="TEXT|@FILE", help="What to tell whoever is asked.")
@_COMMENT
@by_option
@click.option("--watch", "mode", flag_value="watch", help="Follow the run to its end.")
@click.option("--wait", "mode", flag_value="wait", help="Only wait for its end.")
@click.option("--timeout", type=Duration(), metavar="D", help="Wait no longer; exit 124.")
@redis_option
@click.pass_obj
def retry(session: Session, /, run: str, node: str, **given: Any) -> int:
    """Let a run that ended go on, or have NODE done again.

    Of a run that has ended, what did not succeed runs again and what did stays; with NODE, that
    node and all that follow it run again too. Of a run under way NODE is asked again at once.
    With --watch or --wait, exit 0: it succeeded, 3: it failed, was stopped or cancelled.

    \b
    Example:
      coordinator runs retry 01jd --watch
      coordinator runs retry 01jd review --prompt "be brief" --param depth:=2
    """
    signal = {
        "kind": "retry",
        "node": node,
        "params": typed_pairs(given["params"]),
        "prompt": _text(given["prompt"]),
        "comment": given["comment"],
        "by": given["by"],
    }

    async def work() -> int:
        async with connect(session) as connection:
            found, after = await _send(connection, run, signal)
            say(f"retry was sent to run {found}" + (f": {node}" if node else ""))
            if given["mode"] is None:
                return ExitCode.DONE
            return await _follow(connection, found, after, given)

    return run_async(work())


def _text(prompt: str) -> str:
    return Path(prompt[1:]).read_text(encoding="utf-8") if prompt.startswith("@") else prompt


@click.command("skip", cls=Leaf)
@_RUN
@click.argument("node", metavar="NODE")
@_COMMENT
@by_option
@redis_option
@click.pass_obj
def skip(session: Session, run: str, node: str, comment: str, by: str) -> int:
    """Leave NODE out; if it is under way it is stopped first.

    \b
    Example:
      coordinator runs skip 01jd deploy --comment "not today"
    """
    return _done(session, run, {"kind": "skip", "node": node, "comment": comment, "by": by})


@click.command("continue", cls=Leaf)
@_RUN
@click.argument("node", required=False, default="", metavar="[NODE]")
@_COMMENT
@by_option
@redis_option
@click.pass_obj
def continue_(session: Session, run: str, node: str, comment: str, by: str) -> int:
    """Let NODE go on: one that is held starts, one that was reviewed has succeeded.

    Without NODE, everything starts that is held now because the run advances by hand.

    \b
    Example:
      coordinator runs continue 01jd build
    """
    return _done(session, run, {"kind": "continue", "node": node, "comment": comment, "by": by})


@click.command("patch", cls=Leaf)
@_RUN
@click.argument("values", nargs=-1, required=True, metavar="K=V|K:=JSON...")
@by_option
@redis_option
@click.pass_obj
def patch(session: Session, run: str, values: tuple[str, ...], by: str) -> int:
    """Set values of the workflow's own state: `state.K`; K:=null removes one.

    \b
    Example:
      coordinator runs patch 01jd region=eu limit:=3
    """
    return _done(session, run, {"kind": "patch", "state": typed_pairs(values), "by": by})


@click.command("advance", cls=Leaf)
@_RUN
@click.argument("mode", type=click.Choice(["auto", "manual"]))
@by_option
@redis_option
@click.pass_obj
def advance(session: Session, run: str, mode: str, by: str) -> int:
    """Have a run advance by itself (auto), or hold each node before it starts (manual).

    \b
    Example:
      coordinator runs advance 01jd manual
    """
    return _done(session, run, {"kind": "advance", "mode": mode, "by": by})


COMMANDS: Final = (retry, skip, continue_, patch, advance)


def _done(session: Session, run: str, signal: Mapping[str, object]) -> int:
    async def work() -> str:
        async with connect(session) as connection:
            return (await _send(connection, run, signal))[0]

    said = " ".join(str(part) for part in (signal["kind"], signal.get("node")) if part)
    say(f"{said}: run {run_async(work())}")
    return ExitCode.DONE


async def _send(
    connection: Connection, run: str, signal: Mapping[str, object]
) -> tuple[RunId, str]:
    """Send what can apply as the run is now; the run, and its last journal entry before that.

    Raises:
        CommandError: it cannot apply; the message says why.
    """
    from coordinator.core.ids import RunId

    stored = await load_run(connection.store, connection.desk, run)
    found = RunId(stored.state.id)
    given = {name: value for name, value in signal.items() if value or name == "kind"}
    event = _event(given, stored)
    await _check(connection, stored, event)
    after = await _last_entry(connection, found)
    await connection.desk.signal(found, given)
    if has_coordinator(await connection.desk.members()):
        await _await_applied(connection, found, after, type(event))
    else:
        say("warning: no coordinator runs; it waits in the queue")
    return found, after


def _event(signal: Mapping[str, object], stored: StoredRun) -> Event:
    from coordinator.core.steering import BadSignalError, signal_event

    try:
        at_ms = stored.state.record.at_ms
        return signal_event(signal, id="tried out", run=stored.state.id, at_ms=at_ms)
    except BadSignalError as error:
        raise BadUsageError(str(error)) from None


async def _check(connection: Connection, stored: StoredRun, event: Event) -> None:
    """Decide it here, to nobody's notice: what would be refused or come too late is told at once.

    Raises:
        CommandError: it would.
    """
    from coordinator.core.decide import decide

    state = stored.state
    definition = await definition_of(connection.definitions, state.head.digest)
    if definition is None:
        return
    decision = decide(definition, state, event)
    node = getattr(event, "node", "")
    if decision.refused and node and definition.node(node) is None:
        raise NotFoundError(f"{decision.refused}; see coordinator runs show {state.id}")
    if decision.refused:
        raise CommandError(decision.refused, ExitCode.CONFLICT)
    if decision.ignored == "ended":
        told = f"run {state.id} has ended already ({state.record.status.value})"
        raise CommandError(told, ExitCode.CONFLICT)
    if decision.ignored:
        known = state.nodes.get(node)
        now = f"{node} is {known.status.value if known else 'pending'}" if node else "nothing is"
        raise CommandError(f"it comes too late: {now} in run {state.id}", ExitCode.CONFLICT)


async def _last_entry(connection: Connection, run: RunId) -> str:
    after = "0-0"
    while records := await connection.desk.journal(run, after=after, count=_PAGE):
        after = records[-1].id
    return after


async def _await_applied(
    connection: Connection, run: RunId, after: str, kind: type[object]
) -> None:
    """Return when the journal has it, or soon after: then nobody could apply it yet."""
    began = await connection.desk.now_ms()
    while await connection.desk.now_ms() - began < _PATIENCE_MS:
        for record in await connection.desk.journal(run, after=after, wait_ms=500):
            after = record.id
            if isinstance(record.entry.event, kind):
                return
    say("it is on its way; no coordinator has applied it yet")


async def _follow(connection: Connection, run: RunId, after: str, given: Mapping[str, Any]) -> int:
    import asyncio

    from coordinator.cli.live import follow, view_for

    seconds = None if given["timeout"] is None else given["timeout"] / 1_000
    try:
        async with asyncio.timeout(seconds):
            view = view_for(quiet=given["mode"] == "wait")
            state = await follow(connection, run, view, after=after)
    except TimeoutError:
        say(f"run {run} had not ended after {seconds:g} s; it goes on")
        return ExitCode.TIMED_OUT
    return RUN_EXIT[state.record.status.value]
