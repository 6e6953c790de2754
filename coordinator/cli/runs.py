"""`coordinator runs`: list, show, follow, explain and steer runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coordinator.cli.commands import Noun, by_option, output_option, redis_option, yes_option
from coordinator.cli.connection import (
    connect,
    definition_of,
    find_run,
    has_coordinator,
    load_run,
    run_async,
)
from coordinator.cli.errors import CommandError, ExitCode, NotFoundError
from coordinator.cli.hands import COMMANDS
from coordinator.cli.inputs import typed_pairs
from coordinator.cli.session import Session, out, say, show, show_list
from coordinator.cli.text import json_text

if TYPE_CHECKING:
    from coordinator.core.ids import RunId
    from coordinator.core.state import RunState
    from coordinator.ports import StoredRun
    from coordinator.wiring import Connection

_RUN = click.argument("run", metavar="RUN")


@click.group(cls=Noun)
def runs() -> None:
    """List, show, follow, explain and steer runs. RUN is an id, or a unique beginning of one.

    \b
    Example:
      coordinator runs list
      coordinator runs why 01jd
    """


@runs.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only runs that have not ended.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output_option()
@redis_option
@click.pass_obj
def list_(session: Session, open_only: bool, limit: int, form: str) -> None:
    """List runs, the newest first.

    \b
    Example:
      coordinator runs list --open -o name
    """
    from coordinator.cli.show import summary_json

    async def work() -> list[dict[str, Any]]:
        async with connect(session) as connection:
            found = await connection.desk.runs(open_only=open_only, limit=limit)
            return [summary_json(run) for run in found]

    columns = ("id", "workflow", "status", "created_at", "title")
    show_list(form, run_async(work()), columns, key="id", nothing="there are no runs")


@runs.command("show")
@_RUN
@output_option()
@redis_option
@click.pass_obj
def show_(session: Session, run: str, form: str) -> None:
    """Show a run: its task, every node with its verdict and reason, and its outputs.

    \b
    Example:
      coordinator runs show 01jd -o json
    """
    from coordinator.cli.show import run_json, run_text

    async def work() -> dict[str, Any]:
        async with connect(session) as connection:
            stored = await load_run(connection.store, connection.desk, run)
            definition = await definition_of(connection.definitions, stored.state.head.digest)
            return run_json(definition, stored.state)

    shown = run_async(work())
    show(form, shown, text=run_text(shown) if form == "text" else None, name=shown["id"])


@runs.command("result")
@_RUN
@click.argument("node", metavar="NODE")
@redis_option
@click.pass_obj
def result(session: Session, run: str, node: str) -> None:
    """Print what a node of a run returned, whole, as JSON; NODE is its path, as `show` has it.

    Results above 256 KiB are kept apart from their run, and `show` names a reference to them.

    \b
    Example:
      coordinator runs result 01jd build/test > result.json
    """
    from coordinator.cli.results import whole_result

    async def work() -> object:
        async with connect(session) as connection:
            return await whole_result(connection, run, node)

    out(json_text(run_async(work())))


@runs.command("why")
@_RUN
@output_option("text", "json", "yaml")
@redis_option
@click.pass_obj
def why(session: Session, run: str, form: str) -> None:
    """Say what a run waits for, and why nodes that did not succeed did not.

    \b
    Example:
      coordinator runs why 01jd
    """
    from coordinator.cli.show import why_json, why_text
    from coordinator.core.why import Serving
    from coordinator.ports import SlotQueue

    async def work() -> dict[str, Any]:
        async with connect(session) as connection:
            stored = await load_run(connection.store, connection.desk, run)
            definition = await definition_of(connection.definitions, stored.state.head.digest)
            if definition is None:
                raise CommandError(f"the definition of run {stored.state.id} cannot be read here")
            members = await connection.desk.members()
            served = {name for member in members for name in member.personas}
            slot = stored.state.record.slot
            queue = await connection.desk.slot_queue(slot) if slot else SlotQueue()
            serving = Serving(served, has_coordinator(members), queue.holders, queue.waiting)
            return why_json(definition, stored.state, serving)

    shown = run_async(work())
    show(form, shown, text=why_text(shown) if form == "text" else None)


@runs.command("watch")
@_RUN
@output_option("text", "json")
@redis_option
@click.pass_obj
def watch(session: Session, run: str, form: str) -> int:
    """Follow a run until it ends: a live tree on a terminal, one line per change elsewhere.

    Exit 0: it succeeded, 3: it failed, was stopped or cancelled.

    \b
    Example:
      coordinator runs watch 01jd -o json | jq .path
    """
    from coordinator.cli.errors import RUN_EXIT
    from coordinator.cli.live import await_run, follow, view_for

    async def work() -> str:
        async with connect(session) as connection:
            found = await await_run(connection, run)
            state = await follow(connection, found, view_for(form))
            return state.record.status.value

    return RUN_EXIT[run_async(work())]


@runs.command("journal")
@_RUN
@click.option("--follow", is_flag=True, help="Go on until the run has ended.")
@output_option("text", "json")
@redis_option
@click.pass_obj
def journal(session: Session, run: str, follow: bool, form: str) -> None:
    """Print the events of a run and what they moved; with -o json one object per line.

    \b
    Example:
      coordinator runs journal 01jd -o json
    """
    from coordinator.cli.show import journal_json, journal_text

    async def work() -> None:
        async with connect(session) as connection:
            found = await find_run(connection.desk, run)
            after = "0-0"
            while True:
                wait_ms = 1_000 if follow else 0
                records = await connection.desk.journal(found, after=after, wait_ms=wait_ms)
                for record in records:
                    shown = journal_json(record)
                    out(json_text(shown, indent=None) if form == "json" else journal_text(shown))
                if not records and (not follow or await _has_ended(connection, found)):
                    return
                after = records[-1].id if records else after

    run_async(work())


async def _has_ended(connection: Connection, run: RunId) -> bool:
    [stored] = await connection.store.load([run])
    return stored is None or stored.state.record.status.is_final


async def _open_run(connection: Connection, run: str) -> StoredRun:
    stored = await load_run(connection.store, connection.desk, run)
    status = stored.state.record.status
    if status.is_final:
        told = f"run {stored.state.id} has ended already ({status.value})"
        raise CommandError(told, ExitCode.CONFLICT)
    return stored


def _steer(session: Session, run: str, kind: str, **details: str) -> int:
    """Send a run a signal; what became of the run is for `runs show` to say."""

    async def work() -> str:
        async with connect(session) as connection:
            stored = await _open_run(connection, run)
            given = {name: value for name, value in details.items() if value}
            await connection.desk.signal(connection_id(stored.state.id), {"kind": kind, **given})
            return stored.state.id

    say(f"{kind} was sent to run {run_async(work())}")
    return ExitCode.DONE


def connection_id(run: str) -> RunId:
    """The id as the ports name it."""
    from coordinator.core.ids import RunId

    return RunId(run)


_REASON = click.option("--reason", default="", help="Why; it is kept with the run.")


@runs.command("cancel")
@_RUN
@by_option
@_REASON
@redis_option
@click.pass_obj
def cancel(session: Session, run: str, by: str, reason: str) -> int:
    """End a run: stop what is in flight, run `undo` and `finally`.

    \b
    Example:
      coordinator runs cancel 01jd --reason "wrong branch"
    """
    return _steer(session, run, "cancel", by=by, reason=reason)


@runs.command("terminate")
@_RUN
@by_option
@_REASON
@yes_option
@redis_option
@click.pass_obj
def terminate(session: Session, run: str, by: str, reason: str) -> int:
    """End a run at once: neither `undo` nor `finally` run.

    \b
    Example:
      coordinator runs terminate 01jd --yes
    """
    if session.may_be_asked and not session.agrees(f"end run {run} without undo and finally?"):
        raise click.Abort
    return _steer(session, run, "terminate", by=by, reason=reason)


@runs.command("pause")
@_RUN
@by_option
@redis_option
@click.pass_obj
def pause(session: Session, run: str, by: str) -> int:
    """Let nothing new start in a run; what is under way goes on.

    \b
    Example:
      coordinator runs pause 01jd
    """
    return _steer(session, run, "pause", by=by)


@runs.command("resume")
@_RUN
@by_option
@redis_option
@click.pass_obj
def resume(session: Session, run: str, by: str) -> int:
    """Let a paused run go on.

    \b
    Example:
      coordinator runs resume 01jd
    """
    return _steer(session, run, "resume", by=by)


@runs.command("signal")
@_RUN
@click.argument("name", metavar="NAME")
@click.argument("values", nargs=-1, metavar="[K=V]...")
@by_option
@redis_option
@click.pass_obj
def signal(session: Session, run: str, name: str, values: tuple[str, ...], by: str) -> int:
    """Send a signal that steps of type `wait` wait for; one that comes early is kept for them.

    K=V comes with it as text, K:=V as JSON; the step's result has it under `values`.

    \b
    Example:
      coordinator runs signal 01jd deploy version=1.2.0 percent:=20
    """
    given: dict[str, object] = {"name": name, "by": by, "values": typed_pairs(values)}
    parts = {key: value for key, value in given.items() if value}

    async def work() -> str:
        async with connect(session) as connection:
            stored = await _open_run(connection, run)
            await _check_awaited(connection, stored.state, name)
            found = connection_id(stored.state.id)
            await connection.desk.signal(found, {"kind": "signal", **parts})
            return found

    say(f"signal {name} was sent to run {run_async(work())}")
    return ExitCode.DONE


async def _check_awaited(connection: Connection, state: RunState, name: str) -> None:
    definition = await definition_of(connection.definitions, state.head.digest)
    if definition is not None and name not in definition.signals:
        known = ", ".join(sorted(definition.signals)) or "none at all"
        told = f'no step of {definition.id} waits for a signal "{name}"; it waits for: {known}'
        raise NotFoundError(told)


for _command in COMMANDS:
    runs.add_command(_command)
