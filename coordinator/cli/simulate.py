"""`coordinator simulate`: one run on a virtual clock, without Redis and without personas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coordinator.cli.commands import Leaf, env_option
from coordinator.cli.errors import RUN_EXIT, CommandError
from coordinator.cli.folder import Folder
from coordinator.cli.inputs import Duration, pairs, read_data, read_object
from coordinator.cli.session import Session, out
from coordinator.cli.text import json_text, one_line, table

if TYPE_CHECKING:
    from coordinator.definitions.compiled import Compiled
    from coordinator.simulation import Script, Simulation


@click.command(cls=Leaf)
@click.argument("workflow")
@click.option("--task", metavar="FILE|-", help="The task as JSON or YAML; without it an empty one.")
@click.option("--replies", metavar="FILE", help="`replies:` and `signals:` as in a scenario file.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter; repeatable.")
@click.option("--seed", default="0", show_default=True, help="Chooses the jitter of retries.")
@click.option("--until", type=Duration(), metavar="DURATION", help="Stop the clock there.")
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(["json", "text"]),
    default="json",
    help="How to print.",
)
@env_option
@click.pass_obj
def simulate(session: Session, /, workflow: str, form: str, until: int | None, **given: Any) -> int:
    """Run WORKFLOW, a file or the name of one, with the real decider on a virtual clock.

    Who has no reply passes at once; humans are answered by `signals:` only. Exit 0: it succeeded,
    3: it failed, was stopped or cancelled, 8: it waits.

    \b
    Example:
      coordinator simulate workflows/project-loop.yml --task task.json --replies broken.yml
    """
    from coordinator.simulation import simulate as run

    compiled = Folder(session).workflow(workflow)
    simulation = run(
        compiled.workflow,
        task=_task(given["task"]),
        params=_params(compiled, given["params"]),
        script=_script(given["replies"], given["seed"]),
        until_ms=until,
    )
    out(json_text(simulation.to_json()) if form == "json" else _text(simulation))
    return RUN_EXIT.get(simulation.status, RUN_EXIT["waiting"])


def _task(place: str | None) -> dict[str, Any]:
    from coordinator.core.tasks import normalise_task

    given = read_object(place, "a task") if place else {}
    return dict(normalise_task(given, entry_id="0-1"))


def _params(compiled: Compiled, given: tuple[str, ...]) -> dict[str, object]:
    from coordinator.definitions.parameters import check_params

    values, problems = check_params(compiled.workflow, pairs(given))
    if problems:
        raise CommandError("; ".join(problems))
    return values


def _script(place: str | None, seed: str) -> Script:
    from coordinator.simulation import Script

    data = read_data(place) if place else {}
    if not isinstance(data, dict):
        raise CommandError(f"{place}: it has to be a mapping with `replies:` and `signals:`")
    known = (
        "replies", "signals", "scenario", "workflow", "task", "params", "starts_at", "advance",
        "expect",
    )  # fmt: skip
    if not any(key in known for key in data) and data:
        data = {"replies": data}
    more = {"starts_at": data.get("starts_at"), "advance": data.get("advance")}
    return Script.read(data.get("replies"), data.get("signals"), seed=seed, **more)


def _text(simulation: Simulation) -> str:
    result: dict[str, Any] = simulation.to_json()
    head = f"{result['status']} after {result['virtual_seconds']} virtual seconds"
    rows = [
        [row["path"], row["status"], row["verdict"], row["attempts"] or None, row["reason"] or None]
        for row in result["nodes"]
    ]
    parts = [head, table(["path", "status", "verdict", "attempts", "reason"], rows)]
    if result["error"]:
        parts.append(f"error: {one_line(result['error'].get('message', ''))}")
    parts += [f"refused: {one_line(text)}" for text in result.get("refused", [])]
    return "\n".join(parts)
