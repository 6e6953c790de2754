"""`coordinator submit`: a task onto the queue, and its run's id back."""

from __future__ import annotations

import json
from typing import Any

import click

from coordinator.cli.commands import Leaf, advance_option, output_option, redis_option
from coordinator.cli.connection import connect, has_coordinator, run_async, shown_url
from coordinator.cli.inputs import pairs, read_object
from coordinator.cli.session import Session, out, say
from coordinator.cli.text import json_text


@click.command(cls=Leaf)
@click.option("--task", required=True, metavar="FILE|-", help="The task as a JSON object.")
@click.option("--workflow", help="Which workflow; without it the rules of the workflows decide.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter; repeatable.")
@click.option("--idempotency-key", "key", help="The same key never starts a second run.")
@click.option("--no-push", is_flag=True, help="The run must not push to the repository.")
@advance_option
@output_option("text", "json", "name")
@redis_option
@click.pass_obj
def submit(session: Session, /, task: str, form: str, **given: Any) -> None:
    """Put a task on the queue and print the id of its run.

    \b
    Example:
      coordinator submit --task task.json --idempotency-key ticket-42
    """
    fields = {"task": json.dumps(read_object(task, "a task"))}
    if given["workflow"] not in (None, "auto"):
        fields["workflow"] = given["workflow"]
    if given["params"]:
        fields["params"] = json.dumps(pairs(given["params"]))
    if given["no_push"]:
        fields["push"] = "false"
    if given["advance"] == "manual":
        fields["advance"] = "manual"

    async def work() -> str:
        async with connect(session) as connection:
            run = await connection.desk.submit(fields, idempotency_key=given["key"])
            if not has_coordinator(await connection.desk.members()):
                url = shown_url(session.settings())
                say(f"warning: no coordinator runs on {url}; the task waits in the queue")
            return run

    run = run_async(work())
    out(json_text({"id": run}) if form == "json" else run)
