"""`coordinator schema`: JSON Schemas for editors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from coordinator.cli.commands import Leaf
from coordinator.cli.session import out
from coordinator.cli.text import json_text

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


@click.command(cls=Leaf)
@click.argument("kind", type=click.Choice(["workflow", "persona", "env", "scenario", "config"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file, for editors and linters.

    \b
    Example:
      coordinator schema workflow > workflow.schema.json
    """
    made: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "workflow": _workflow,
        "persona": _persona,
        "env": _environment,
        "scenario": _scenario,
        "config": _config,
    }
    out(json_text({"$schema": _DRAFT, **made[kind]()}))


def _workflow() -> Mapping[str, Any]:
    from coordinator.definitions.schema_json import workflow_schema
    from steps.registry import step_types

    return workflow_schema(step_types())


def _persona() -> Mapping[str, Any]:
    from coordinator.definitions.schema_json import persona_schema

    return persona_schema()


def _environment() -> Mapping[str, Any]:
    from coordinator.definitions.schema_json import environment_schema

    return environment_schema()


def _config() -> Mapping[str, Any]:
    from coordinator.config import settings_schema

    return {"title": "coordinator.yaml", **settings_schema()}


def _scenario() -> Mapping[str, Any]:
    from coordinator.simulation import scenario_schema

    return scenario_schema()
