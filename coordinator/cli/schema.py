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
@click.argument("kind", type=click.Choice(["workflow", "persona", "scenario", "config"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file, for editors and linters.

    \b
    Example:
      coordinator schema workflow > workflow.schema.json
    """
    made: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "workflow": _workflow,
        "persona": _persona,
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


def _config() -> Mapping[str, Any]:
    from coordinator.config import SETTINGS

    properties: dict[str, Any] = {}
    for one in SETTINGS:
        group, _, name = one.key.rpartition(".")
        inner = properties
        if group:
            empty = {"type": "object", "additionalProperties": False, "properties": {}}
            inner = properties.setdefault(group, empty)["properties"]
        inner[name] = {"description": one.help}
        if one.default:
            inner[name]["default"] = one.default
    return {
        "title": "coordinator.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _scenario() -> Mapping[str, Any]:
    reply = _reply()
    replies = {"anyOf": [reply, {"type": "array", "items": reply}]}
    properties = {
        "scenario": {"type": "string", "description": "what is claimed"},
        "workflow": {"type": "string"},
        "task": {"type": "object"},
        "params": {"type": "object"},
        "replies": {"type": "object", "additionalProperties": replies},
        "signals": {"type": "array", "items": _signal()},
        "expect": _expect(),
    }
    return {"title": "scenario", **_closed(properties)}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _reply() -> Mapping[str, Any]:
    from coordinator.core.definition import ErrorClass

    return _closed(
        {
            "verdict": {"enum": ["pass", "fail", "unknown"]},
            "status": {"type": "string"},
            "result": {"description": "what the persona returns"},
            "error": {"enum": [each.value for each in ErrorClass]},
            "message": {"type": "string"},
            "retryable": {"type": "boolean"},
            "after": {"type": ["string", "number"], "description": "how long it takes"},
        }
    )


def _signal() -> Mapping[str, Any]:
    from coordinator.simulation.script import ANSWERS, STEERING

    return _closed(
        {
            "at": {"type": ["string", "number"]},
            **{key: {"type": "string"} for key in ("by", "comment", "reason")},
            "values": {"type": "object"},
            **{word: {"description": "the node, or the run"} for word in (*ANSWERS, *STEERING)},
        }
    )


def _expect() -> Mapping[str, Any]:
    paths = {"type": "array", "items": {"type": "string"}}
    statuses = ["succeeded", "stopped", "failed", "cancelled", "waiting", "paused"]
    return _closed(
        {
            "status": {"enum": statuses},
            "nodes": {"type": "object"},
            "never": paths,
            "order": paths,
            "attempts": {"type": "object"},
            "outputs": {"type": "object"},
            "within": {"type": ["string", "number"]},
        }
    )
