"""`coordinator personas`: who can be asked, and who serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coordinator.cli.commands import Noun, output_option, redis_option
from coordinator.cli.connection import run_async
from coordinator.cli.errors import NotFoundError
from coordinator.cli.session import Session, show, show_list

if TYPE_CHECKING:
    from coordinator.cli.catalogue import Catalogue

_HERE = click.option("--here", is_flag=True, help="The files of this folder, not the server's.")


@click.group(cls=Noun)
def personas() -> None:
    """Personas that workflows ask, and the workers that serve them.

    \b
    Example:
      coordinator personas list
    """


@personas.command("list")
@_HERE
@output_option()
@redis_option
@click.pass_obj
def list_(session: Session, here: bool, form: str) -> None:
    """List the personas of the active workflows, or those that lie here.

    \b
    Example:
      coordinator personas list -o json
    """
    from coordinator.cli.catalogue import read_catalogue

    found = run_async(read_catalogue(session, here=here))
    rows = [persona_json(found, name) for name in sorted(found.personas)]
    shown = [{**row, "served by": ", ".join(row["workers"]) or None} for row in rows]
    columns = ("name", "kind", "status", "served by", "description")
    used = shown if form == "text" else rows
    show_list(form, used, columns, key="name", nothing="no personas are known")


@personas.command("show")
@click.argument("name")
@_HERE
@output_option()
@redis_option
@click.pass_obj
def show_(session: Session, name: str, here: bool, form: str) -> None:
    """Show a persona: how it is reached, what it may do, who serves it.

    \b
    Example:
      coordinator personas show tester-qa -o yaml
    """
    from coordinator.cli.catalogue import read_catalogue

    found = run_async(read_catalogue(session, here=here))
    aliases = {alias: one.name for one in found.personas.values() for alias in one.aliases}
    own = aliases.get(name, name)
    if own not in found.personas:
        known = ", ".join(sorted(found.personas)) or "none"
        raise NotFoundError(f'there is no persona "{name}"; there are: {known}')
    show(form, persona_json(found, own), name=own)


def persona_json(found: Catalogue, name: str) -> dict[str, Any]:
    """What a persona is, and who serves it."""
    one = found.personas[name]
    return {
        "name": one.name,
        "kind": one.kind.value,
        "description": one.description,
        "status": one.status,
        "aliases": list(one.aliases),
        "capabilities": list(one.capabilities),
        "intents": list(one.intents),
        "files": one.files.value,
        "command": list(one.command),
        "timeout_seconds": None if one.timeout_ms is None else one.timeout_ms / 1_000,
        "workers": found.workers_of(name),
    }
