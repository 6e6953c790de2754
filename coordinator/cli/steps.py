"""`coordinator steps`: the step types there are, with their parameters, from the code itself."""

from __future__ import annotations

from typing import Any

import click

from coordinator.cli.commands import Noun, output_option
from coordinator.cli.errors import NotFoundError
from coordinator.cli.session import show, show_list
from coordinator.cli.text import one_line
from coordinator.core.lowering import Mark, StepType


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

    rows = [manifest(each) for each in step_types().values()]
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
    about = manifest(found)
    show(form, about, text=_text(about), name=type_)


def manifest(step: StepType) -> dict[str, Any]:
    """What a step type says of itself."""
    from steps.registry import BUILT_IN

    return {
        "type": step.name,
        "description": step.description,
        "source": "built-in" if step in BUILT_IN else "plugin",
        "asks_persona": step.asks_persona,
        "runs_in": "coordinator" if step.executor is not None else "decider",
        "keys": [_key(name, field) for name, field in step.keys.model_fields.items()],
        "schema": step.keys.model_json_schema(),
    }


def _key(name: str, field: Any) -> dict[str, Any]:
    marks = [each.value for each in field.metadata if isinstance(each, Mark)]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return {
        "name": field.alias or name,
        "required": field.is_required(),
        "holds": marks[0] if marks else "value",
        "default": default,
        "description": field.description or "",
    }


def _text(about: dict[str, Any]) -> str:
    lines = [f"{about['type']} ({about['source']})", f"  {one_line(about['description'])}", ""]
    lines += [
        f"  {key['name']:<18} {'required' if key['required'] else 'optional':<9} {key['holds']}"
        + (f"  {one_line(key['description'])}" if key["description"] else "")
        for key in about["keys"]
    ]
    lines.append("  and the keys that every step has: coordinator schema workflow")
    return "\n".join(lines)
