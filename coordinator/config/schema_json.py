"""JSON Schema (draft 2020-12) of `coordinator.yaml`, from the table of settings."""

from __future__ import annotations

from typing import Any

from coordinator.config.table import SETTINGS, Setting


def settings_schema() -> dict[str, Any]:
    """The schema of a settings file: every setting with its sentence, default and values."""
    properties: dict[str, Any] = {}
    for one in SETTINGS:
        group, _, name = one.key.rpartition(".")
        inner = properties
        if group:
            inner = properties.setdefault(group, _closed(f"settings of {group}"))["properties"]
        inner[name] = _setting(one)
    return {**_closed("settings of the coordinator"), "properties": properties}


def _closed(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {},
        "additionalProperties": False,
    }


def _setting(one: Setting) -> dict[str, Any]:
    about = f"{one.help} ({one.environment})".replace("`", "")
    found: dict[str, Any] = {"description": about, **one.parse.schema}
    if one.default:
        found["default"] = _default(one)
    return found


def _default(one: Setting) -> object:
    """The default as it is written in a file."""
    kinds = {"true": True, "false": False}
    if "enum" in one.parse.schema:
        return kinds.get(one.default, one.default)
    return int(one.default) if one.parse.schema.get("type") == "integer" else one.default
