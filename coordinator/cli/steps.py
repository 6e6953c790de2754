"""`coordinator steps`: the step types there are, with their parameters, from the code itself."""

from __future__ import annotations

from typing import Any

import click

from coordinator.cli.commands import Noun, output_option
from coordinator.cli.errors import NotFoundError
from coordinator.cli.session import show, show_list
from coordinator.cli.text import one_line
from coordinator.core.lowering import StepType


@click.group(cls=Noun)
def steps() -> None:
    """Step types and their parameters, built in and from plugins.

    \b
    Example:
      coordinator steps show git-operation
    """


@steps.command("list")
@output_option()
def list_(form: str) -> None:
    """List the step types.

    \b
    Example:
      coordinator steps list -o json
    """
    from steps.registry import step_types

    rows = [_manifest(each) for each in step_types().values()]
    columns = ("type", "source", "description")
    show_list(form, rows, columns, key="type", nothing="there are no step types")


@steps.command("show")
@click.argument("type_", metavar="TYPE")
@output_option()
def show_(type_: str, form: str) -> None:
    """Show one step type with the keys that are its own.

    \b
    Example:
      coordinator steps show persona-request
    """
    from steps.registry import step_types

    found = step_types().get(type_)
    if found is None:
        known = ", ".join(step_types())
        raise NotFoundError(f'there is no step type "{type_}"; there are {known}')
    about = _manifest(found)
    show(form, about, text=_text(about), name=type_)


def _manifest(step: StepType) -> dict[str, Any]:
    from coordinator.definitions.manifest import manifest
    from steps.registry import BUILT_IN

    return manifest(step, is_built_in=step in BUILT_IN)


def _text(about: dict[str, Any]) -> str:
    lines = [f"{about['type']} ({about['source']})", f"  {one_line(about['description'])}", ""]
    lines += [
        f"  {key['name']:<18} {'required' if key['required'] else 'optional':<9} {key['holds']}"
        + (f"  {one_line(key['description'])}" if key["description"] else "")
        for key in about["keys"]
    ]
    for name, params in _params_by(about):
        lines.append(f"  {name}: params {', '.join(params)}")
    needs = ", ".join(about["requirements"]) or "nothing"
    lines += [f"  lowers to {about['primitive']}; needs {needs}"]
    lines.append("  read as steps.ID.result, and what its outputs: {NAME: TEMPLATE} make of that")
    lines.append("  and the keys that every step has: coordinator schema workflow")
    return "\n".join(lines)


def _params_by(about: dict[str, Any]) -> list[tuple[str, list[str]]]:
    by = about["inputs"].get("params_by", {})
    return [(f"{key} {value}", names) for key in by for value, names in by[key].items()]
