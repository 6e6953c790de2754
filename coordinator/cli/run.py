"""`coordinator run`: submit a run and follow it to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli.commands import (
    Leaf,
    advance_option,
    env_option,
    output_option,
    redis_option,
)
from coordinator.cli.connection import (
    connect,
    definition_of,
    has_coordinator,
    run_async,
    shown_url,
)
from coordinator.cli.errors import RUN_EXIT, BadUsageError, CommandError, ExitCode, NotFoundError
from coordinator.cli.inputs import Duration, pairs, read_object
from coordinator.cli.session import Session, out, say
from coordinator.core.definition import Ask, Channel, Node
from coordinator.core.state import RunState

if TYPE_CHECKING:
    from coordinator.cli.live import View
    from coordinator.cli.local import Local
    from coordinator.core.ids import RunId
    from coordinator.definitions.compiled import Compiled
    from coordinator.wiring import Connection

_MODES: Final = ("watch", "wait", "detach")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run, and how it is to be followed."""

    workflow: str
    compiled: Compiled | None
    """Of a file; None for a name that the coordinator knows."""
    fields: Mapping[str, str]
    mode: str
    timeout_ms: int | None
    form: str
    key: str | None
    stops_for_humans: bool


@click.command(cls=Leaf)
@click.argument("workflow", metavar="WORKFLOW|auto")
@click.argument("params", nargs=-1, metavar="[K=V]...")
@click.option("--task", metavar="FILE|-", help="The task as a JSON object.")
@click.option("--title", help="The task's title.")
@click.option("--repo", metavar="PATH|URL", help="The repository that the run works on.")
@click.option("--no-push", is_flag=True, help="The run must not push to the repository.")
@advance_option
@click.option("--local", is_flag=True, help="Bus, coordinator and workers for this run alone.")
@click.option("--watch", "mode", flag_value="watch", default="watch", help="Follow it (default).")
@click.option("--wait", "mode", flag_value="wait", help="Only wait for its end.")
@click.option("--detach", "mode", flag_value="detach", help="Print its id and leave.")
@click.option("--timeout", type=Duration(), metavar="D", help="Wait no longer; exit 124.")
@click.option("--idempotency-key", metavar="K", help="The same key never starts a second run.")
@env_option
@output_option("text", "json", "name")
@redis_option
@click.pass_obj
def run(session: Session, /, workflow: str, local: bool, **given: Any) -> int:
    """Run WORKFLOW, a file or the name of an active one, and follow it; `auto` asks the rules.

    Exit 0: it succeeded, 3: it failed, was stopped or cancelled, 8: it waits on a human when the
    time is over, 124: the time is over. With --detach the run's id is printed.

    \b
    Example:
      coordinator run workflows/hello.yml --local
      coordinator run project-loop branch=main --task task.json --repo ../app
    """
    order = _order(session, workflow, local=local, given=given)
    work = _run_here(session, order, given["repo"]) if local else _run_there(session, order)
    return run_async(work)


def _order(session: Session, workflow: str, *, local: bool, given: Mapping[str, Any]) -> Order:
    compiled = None
    if workflow != "auto" and (local or _is_file(workflow)):
        from coordinator.cli.folder import Folder

        folder = Folder(session)
        compiled = folder.workflow(workflow)
        for fault in folder.warnings:
            say(str(fault))
    elif "env" in session.flags and not local:
        raise BadUsageError(
            "--env is for a file, or with --local: the coordinator there was started with its own"
        )
    params = pairs(given["params"])
    if compiled is not None:
        _check_params(compiled, params)
    fields = {"task": json.dumps(_task(given))}
    if compiled is not None:
        fields |= {"workflow": compiled.workflow.id, "digest": compiled.workflow.digest}
    elif workflow != "auto":
        fields["workflow"] = workflow
    if params:
        fields["params"] = json.dumps(params)
    if given["no_push"]:
        fields["push"] = "false"
    if given["advance"] == "manual":
        fields["advance"] = "manual"
    return Order(
        workflow=workflow,
        compiled=compiled,
        fields=fields,
        mode=given["mode"],
        timeout_ms=given["timeout"],
        form=given["form"],
        key=given["idempotency_key"],
        stops_for_humans=not session.may_ask,
    )


def _is_file(workflow: str) -> bool:
    return "/" in workflow or workflow.endswith((".yml", ".yaml", ".json"))


def _check_params(compiled: Compiled, params: Mapping[str, object]) -> None:
    from coordinator.definitions.parameters import check_params

    problems = check_params(compiled.workflow, params)[1]
    if problems:
        raise CommandError("; ".join(problems))


def _task(given: Mapping[str, Any]) -> dict[str, Any]:
    from coordinator.core.tasks import normalise_task

    task: dict[str, Any] = read_object(given["task"], "a task") if given["task"] else {}
    if given["title"]:
        task["title"] = given["title"]
    if given["repo"]:
        path = Path(given["repo"])
        task["repo"] = str(path.resolve()) if path.exists() else given["repo"]
    normalise_task(task, entry_id="0-1")  # what can never be a task is refused here and now
    return task


# Where it runs


async def _run_there(session: Session, order: Order) -> int:
    async with connect(session) as connection:
        url = shown_url(session.settings())
        members = await connection.desk.members()
        if not has_coordinator(members):
            raise CommandError(
                f"no coordinator runs on {url}: start `coordinator dev`, or add --local"
            )
        served = {name for member in members for name in member.personas}
        for name in sorted(_asked(order) - served):
            say(f"warning: no worker serves {name}: coordinator worker --persona {name}")
        if order.compiled is None:
            await _refuse_unknown(connection, order.workflow)
        return await _submit_and_follow(connection, order, again="coordinator")


def _nodes(order: Order) -> list[Node]:
    """The steps of a workflow that is known here, and of those that it runs."""
    own = order.compiled.workflow if order.compiled else None
    workflows = [own, *own.children.values()] if own else []
    return [node for each in workflows for node in each.nodes.values()]


def _asked(order: Order) -> set[str]:
    """The personas that need a worker, of a workflow that is known here."""
    asks = [node.primitive for node in _nodes(order) if isinstance(node.primitive, Ask)]
    return {ask.target for ask in asks if ask.channel is Channel.PERSONA}


async def _run_here(session: Session, order: Order, repository: str | None) -> int:
    from coordinator.cli.local import local_settings, serving
    from coordinator.telemetry import open_log

    if order.mode == "detach":
        raise CommandError("--local ends with this command, so it cannot be left with --detach")
    roots = [Path.cwd(), *([Path(repository).resolve()] if repository else [])]
    settings = local_settings(session.settings(), roots)
    log = open_log("info" if session.debug else "error", settings.log.format)
    personas = [*order.compiled.personas, "run"] if order.compiled else []
    async with serving(settings, personas, log) as local:
        if order.compiled is None:
            status = await local.activate(Path.cwd())
            if not status.active:
                told = "; ".join(str(fault) for fault in status.faults[:5]) or status.error
                raise CommandError(f"the workflows here cannot be used: {told}")
        await _refuse_unserved(local, order, personas)
        server = "coordinator --redis embedded" if local.connection.bus else "coordinator"
        return await _submit_and_follow(local.connection, order, again=server)


async def _refuse_unserved(local: Local, order: Order, here: Collection[str]) -> None:
    fallbacks = {node.on_error.persona for node in _nodes(order) if node.on_error.persona}
    members = await local.connection.desk.members()
    served = {name for member in members for name in member.personas}
    missing = sorted((_asked(order) | fallbacks) - served - set(here))
    if missing:
        file = f"{local.settings.folders.personas}/{missing[0]}.yaml"
        raise CommandError(
            f"nobody here can serve the persona {', '.join(missing)}, so the run would only wait: "
            f"write {file} beside the workflows, or start a worker of your own for it"
        )


async def _refuse_unknown(connection: Connection, workflow: str) -> None:
    active = await connection.definitions.active()
    known = sorted({name for bundle in active for name in bundle.digests})
    if not known:
        raise CommandError(
            "no workflows are active there: set its source.url; coordinator doctor says more"
        )
    if workflow != "auto" and workflow not in known:
        told = f'no active workflow is called "{workflow}"; there are: {", ".join(known)}'
        raise NotFoundError(told)


# Following it


async def _submit_and_follow(connection: Connection, order: Order, *, again: str) -> int:
    if order.compiled is not None:
        await connection.definitions.put(order.compiled.documents)
    run_id = await connection.desk.submit(order.fields, idempotency_key=order.key)
    if order.mode == "detach" or order.form == "name":
        out(run_id)
    else:
        say(f"run {run_id}")
    if order.mode == "detach":
        return ExitCode.DONE
    try:
        state = await _follow(connection, run_id, order)
    except TimeoutError:
        return await _timed_out(connection, run_id, order)
    except asyncio.CancelledError:
        say(f"the run goes on where a coordinator runs: {again} runs watch {run_id}")
        raise
    await _conclude(connection, state, order)
    status = state.record.status
    if status.value != "succeeded":
        say(f"{status.value}; why: {again} runs why {run_id}")
    return RUN_EXIT.get(status.value, ExitCode.WAITING_ON_HUMAN)


async def _follow(connection: Connection, run_id: RunId, order: Order) -> RunState:
    from coordinator.cli.attend import Attention

    attention = Attention(connection, run_id, stops_for_humans=order.stops_for_humans)
    seconds = None if order.timeout_ms is None else order.timeout_ms / 1_000
    async with asyncio.timeout(seconds):
        return await attention.follow(_view(order))


def _view(order: Order) -> View:
    import sys

    from coordinator.cli.live import Lines, view_for

    if order.mode == "wait":
        return view_for(quiet=True)
    return view_for() if order.form == "text" else Lines(sys.stderr.write)


async def _timed_out(connection: Connection, run_id: RunId, order: Order) -> int:
    from coordinator.cli.attend import waits_on_humans

    [stored] = await connection.store.load([run_id])
    seconds = (order.timeout_ms or 0) / 1_000
    if stored is not None and waits_on_humans(stored.state):
        say(f"run {run_id} waits on a human after {seconds:g} s; see coordinator inbox list")
        await _conclude(connection, stored.state, order)
        return ExitCode.WAITING_ON_HUMAN
    say(f"run {run_id} had not ended after {seconds:g} s; it goes on")
    return ExitCode.TIMED_OUT


async def _conclude(connection: Connection, state: RunState, order: Order) -> None:
    from coordinator.cli.show import run_json
    from coordinator.cli.text import json_text

    if order.form == "json":
        definition = await definition_of(connection.definitions, state.head.digest)
        out(json_text(run_json(definition, state)))
    elif order.form == "text" and order.mode == "wait":
        out(f"{state.id} {state.record.status.value}")
