"""The keys of workflow and persona files as tables, from the models that check the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.definitions.check import fields_of
from coordinator.definitions.environments import EnvironmentKeys, OverlaidWorkflowKeys
from coordinator.definitions.models import (
    PERSONA_KINDS,
    ConcurrencyKeys,
    DefaultsKeys,
    GitKeys,
    MatchKeys,
    ParameterKeys,
    PersonaKeys,
    RetryKeys,
    StepKeys,
    WorkflowKeys,
)
from coordinator.definitions.schema_json import environment_schema, persona_schema, workflow_schema
from coordinator.definitions.sentences import SENTENCES
from tests.docs.picture import built_in_types


def section_of(step_type: str) -> str:
    """The section of a step type; one of them is called like the whole file."""
    return "workflow step" if step_type == "workflow" else step_type


SECTIONS: Mapping[str, type[Any]] = {
    "workflow": WorkflowKeys,
    "step": StepKeys,
    "defaults": DefaultsKeys,
    "match": MatchKeys,
    "parameter": ParameterKeys,
    "retry": RetryKeys,
    "git": GitKeys,
    "concurrency": ConcurrencyKeys,
    **{section_of(name): each.keys for name, each in built_in_types().items()},
    "persona": PersonaKeys,
    "command": PERSONA_KINDS["command"],
    "human persona": PERSONA_KINDS["human"],
    "environment": EnvironmentKeys,
    "overlaid workflow": OverlaidWorkflowKeys,
}
"""Section -> the model of its keys."""


def key_table(section: str) -> str:
    """The keys of a section: what they take, what holds without them, what they mean."""
    model = SECTIONS[section]
    about, schema = SENTENCES[section], _schema(section)
    if not fields_of(model):
        return "No keys of its own: `persona`, `params` and `timeout` say it all."
    lines = ["| key | takes | without it | what it means |", "|---|---|---|---|"]
    for key, field in fields_of(model).items():
        default = "needed" if field.is_required else _default(schema[key])
        lines.append(f"| `{key}` | {takes(schema[key])} | {default} | {about[key]} |")
    return "\n".join(lines)


def type_tables() -> str:
    """One heading and table for each built-in step type, in the order in which they are listed."""
    parts = []
    for name, each in built_in_types().items():
        parts.append(f"### `{name}`\n\n{each.description}\n\n{key_table(section_of(name))}")
    return "\n\n".join(parts)


def takes(schema: Mapping[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(takes(each) for each in schema["anyOf"])
    if isinstance(schema.get("properties"), Mapping):
        return f"`{{{', '.join(schema['properties'])}}}`"
    if schema.get("type") == "array":
        items = takes(schema.get("items", {}))
        if "enum" in schema.get("items", {}):
            return f"list of {items}"
        return "list" if items == "any value" else f"list of {items}s"
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    least, most = schema.get("minimum"), schema.get("maximum")
    words = {"string": "text", "integer": "number", "boolean": "`true` or `false`"}
    if kind in ("integer", "number") and least is not None:
        return f"number from {least:,}" + (f" to {most:,}" if most is not None else "")
    return words.get(str(kind), "any value" if kind is None else _of_mapping(schema))


def _of_mapping(schema: Mapping[str, Any]) -> str:
    inner = schema.get("additionalProperties")
    if isinstance(inner, Mapping) and "properties" in inner:
        return f"name: {takes(inner)}"
    return "mapping" if schema.get("type") == "object" else "number"


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default is None or default == "":
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _schema(section: str) -> Mapping[str, Any]:
    types = built_in_types()
    whole = workflow_schema(types)
    top, defs = whole["properties"], whole["$defs"]
    step = defs["step-persona-request"]["properties"]
    personas, overlay = persona_schema()["$defs"], environment_schema()["properties"]
    of_workflow = overlay["workflows"]["anyOf"][0]["additionalProperties"]
    inner = {
        "workflow": top,
        "step": {**step, "type": {"enum": list(types)}},
        "defaults": top["defaults"]["properties"],
        "match": top["match"]["properties"],
        "concurrency": top["concurrency"]["properties"],
        "parameter": top["params"]["additionalProperties"]["properties"],
        "retry": step["retry"]["properties"],
        "git": step["git"]["properties"],
        "persona": {
            **personas["persona-command"]["properties"],
            "kind": {"enum": list(PERSONA_KINDS)},
        },
        "command": personas["persona-command"]["properties"],
        "human persona": personas["persona-human"]["properties"],
        "environment": {key: each["anyOf"][0] for key, each in overlay.items()},
        "overlaid workflow": {
            **{key: each["anyOf"][0] for key, each in of_workflow["properties"].items()},
            "steps": {"type": "object"},
        },
    }
    step_type = section.removesuffix(" step")
    return inner[section] if section in inner else defs[f"step-{step_type}"]["properties"]
