"""`coordinator workflows`: what can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coordinator.cli.commands import Noun, env_option, output_option, redis_option
from coordinator.cli.connection import run_async
from coordinator.cli.errors import NotFoundError
from coordinator.cli.session import Session, out, show, show_list
from coordinator.cli.text import one_line, table

if TYPE_CHECKING:
    from coordinator.cli.catalogue import Catalogue

_HERE = click.option("--here", is_flag=True, help="The files of this folder, not the server's.")


@click.group(cls=Noun)
def workflows() -> None:
    """Workflows that can be run.

    \b
    Example:
      coordinator workflows list
    """


@workflows.command("list")
@_HERE
@env_option
@output_option()
@redis_option
@click.pass_obj
def list_(session: Session, here: bool, form: str) -> None:
    """List the workflows that are active on the server, or lie here.

    \b
    Example:
      coordinator workflows list -o json
    """
    from coordinator.cli.catalogue import read_catalogue

    found = run_async(read_catalogue(session, here=here))
    rows = [workflow_json(found, name) for name in sorted(found.workflows)]
    columns = ("id", "version", "source", "description")
    show_list(form, rows, columns, key="id", nothing="no workflows are active")


@workflows.command("show")
@click.argument("name")
@_HERE
@env_option
@output_option()
@redis_option
@click.pass_obj
def show_(session: Session, name: str, here: bool, form: str) -> None:
    """Show a workflow: its parameters, steps, and the personas that it asks.

    With --env it is the one in the files here, under that overlay; -o yaml then prints the file
    with the overlay in it, and a comment on whatever comes from there.

    \b
    Example:
      coordinator workflows show project-loop
      coordinator workflows show project-loop --env production -o yaml
    """
    from coordinator.cli.catalogue import read_catalogue

    if form == "yaml" and "env" in session.flags:
        from coordinator.cli.folder import Folder
        from coordinator.cli.merged import merged_text

        out(merged_text(Folder(session), name), end="")
        return

    found = run_async(read_catalogue(session, here=here))
    if name not in found.workflows:
        known = ", ".join(sorted(found.workflows)) or "none"
        raise NotFoundError(f'there is no workflow "{name}"; there are: {known}')
    about = workflow_json(found, name)
    show(form, about, text=_text(about), name=name)


def workflow_json(found: Catalogue, name: str) -> dict[str, Any]:
    """What a workflow is and takes."""
    from coordinator.cli.graph import persona_of, workflow_of

    workflow = found.workflows[name]
    asked = {persona_of(node) for node in workflow.nodes.values()}
    return {
        "id": workflow.id,
        "name": workflow.name,
        "version": workflow.version,
        "description": workflow.description,
        "digest": workflow.digest,
        "source": found.revisions.get(name, ""),
        "params": [
            {
                "name": each.name,
                "type": each.type,
                "required": each.required,
                "default": each.default,
                "description": each.description,
            }
            for each in workflow.parameters
        ],
        "steps": [
            {
                "path": node.path,
                "type": node.type,
                "persona": persona_of(node),
                "workflow": workflow_of(node),
            }
            for node in workflow.nodes.values()
        ],
        "personas": sorted(one for one in asked if one is not None),
    }


def _step_cells(step: dict[str, Any]) -> list[object]:
    called = step["workflow"]
    return [step["path"], step["type"], f"(workflow {called})" if called else step["persona"]]


def _text(about: dict[str, Any]) -> str:
    lines = [
        f"{about['id']} {about['version']}  {one_line(about['description'])}",
        f"digest  {about['digest']}",
        f"source  {one_line(about['source'])}",
        "",
        table(["step", "type", "persona"], [_step_cells(step) for step in about["steps"]]),
    ]
    if about["params"]:
        rows = [list(each.values()) for each in about["params"]]
        lines += ["", table(["parameter", "type", "required", "default", "description"], rows)]
    return "\n".join(lines)
