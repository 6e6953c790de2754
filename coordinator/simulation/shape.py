"""What a scenario file may hold, as JSON Schema, and the check that goes by it.

The one table serves editors (`coordinator schema scenario`) and the reader alike, so the two cannot
disagree. Only the words that the table uses are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from coordinator.core.definition import ErrorClass
from coordinator.core.durations import DurationError, duration_ms
from coordinator.core.events import AUTO, MANUAL
from coordinator.core.moments import MomentError, moment_ms
from coordinator.core.state import NodeStatus
from coordinator.definitions.faults import listed, nearest
from coordinator.definitions.read import Path
from coordinator.definitions.report import Reporter, kind_of
from coordinator.simulation.script import ADVANCE, ANSWERS, KINDS, PATCH, SIGNAL, STEERING

Schema = Mapping[str, Any]

ENDINGS: Final = ("succeeded", "stopped", "failed", "cancelled", "waiting", "paused")
"""How a simulation can end."""

_TEXT: Final[Schema] = {"type": "string"}
_ANY_OBJECT: Final[Schema] = {"type": "object"}
_PATHS: Final[Schema] = {"type": "array", "items": _TEXT}
_DURATION: Final[Schema] = {
    "description": "seconds, or 90s, 15m, 1h30m, 2d, PT15M",
    "type": ["string", "number"],
}


_MOMENT: Final[Schema] = {
    "type": "string",
    "description": "when the run begins, with its zone; 2001-09-09T01:46:40Z where nothing is said",
}


_PATH_OR_TRUE: Final[Schema] = {"type": ["string", "boolean"]}


def _about(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _closed(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_REPLY: Final = _closed(
    {
        "verdict": _about({"enum": ["pass", "fail", "unknown"]}, "what the persona concludes"),
        "status": _about(_TEXT, "a word for the verdict, as personas write it"),
        "result": {"description": "what the persona returns"},
        "error": _about(
            {"enum": [each.value for each in ErrorClass]},
            "the class of the failure; timeout without after: nothing is ever said",
        ),
        "message": _about(_TEXT, "what the failure says"),
        "retryable": _about({"type": "boolean"}, "whether another attempt may help"),
        "after": _DURATION,
        "artifacts": {
            "type": "array",
            "items": _ANY_OBJECT,
            "description": "what was made besides the result: {name, path, …}",
        },
    }
)
_SIGNAL: Final = {
    **_closed(
        {
            "at": _DURATION,
            "by": _about(_TEXT, "who says it"),
            "comment": _about(_TEXT, "what they add"),
            "reason": _about(_TEXT, "another word for comment"),
            "values": _about(_ANY_OBJECT, "the fields of the form, or what comes with the signal"),
            SIGNAL: _about(_TEXT, "the name that a wait step waits for"),
            **{word: _about(_TEXT, "the path of the node") for word in (*ANSWERS, "skip")},
            "retry": _about(_PATH_OR_TRUE, "the path of the node; true for what failed of a run"),
            "continue": _about(_PATH_OR_TRUE, "the path of the node; true for all that is held"),
            PATCH: _about(_ANY_OBJECT, "values of the workflow's own state; null removes one"),
            ADVANCE: _about({"enum": [AUTO, MANUAL]}, "how the run goes on"),
            "params": _about(_ANY_OBJECT, "of a retry: laid over the step's own params"),
            "prompt": _about(_TEXT, "of a retry: what whoever is asked is told besides"),
            **{word: {"description": "the run; any value"} for word in STEERING},
        }
    ),
    "oneOf": [{"required": [word]} for word in KINDS],
}
_EXPECT: Final = _closed(
    {
        "status": _about({"enum": list(ENDINGS)}, "how the run ends"),
        "nodes": {
            "type": "object",
            "description": "path or glob -> status",
            "additionalProperties": {"enum": [each.value for each in NodeStatus]},
        },
        "never": _about(_PATHS, "paths or globs that never run"),
        "order": _about(_PATHS, "paths or globs; each first starts after the one before"),
        "attempts": {
            "type": "object",
            "description": "path or glob -> attempts",
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        "outputs": _about(_ANY_OBJECT, "these outputs are equal; others do not matter"),
        "within": _DURATION,
    }
)
SCENARIO: Final = _closed(
    {
        "scenario": _about(_TEXT, "what is claimed"),
        "workflow": _about(_TEXT, "a file, or the name of a workflow"),
        "env": _about(_TEXT, "the environment whose overlay counts"),
        "task": _about(_ANY_OBJECT, "the task that is run"),
        "params": _about(_ANY_OBJECT, "the parameters that are submitted"),
        "starts_at": _MOMENT,
        "replies": {
            "type": "object",
            "description": "node path or glob -> what is said to attempt 1, 2, …",
            "additionalProperties": {"anyOf": [_REPLY, {"type": "array", "items": _REPLY}]},
        },
        "advance": _about(
            {"enum": [AUTO, MANUAL]}, "manual: each node is held until a signal continue"
        ),
        "signals": {
            "type": "array",
            "description": "what people say to the run, and when",
            "items": _SIGNAL,
        },
        "expect": {**_EXPECT, "minProperties": 1, "description": "what has to be so at the end"},
    },
    required=("workflow", "expect"),
)
"""The table."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_WORDS: Final = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def scenario_schema() -> Schema:
    """The JSON Schema of a scenario file."""
    return {"title": "Scenario", **SCENARIO}


def check_shape(value: object, schema: Schema, at: Path, report: Reporter) -> None:
    """Note every fault of the value at `at`, each at its own place."""
    schema = next((one for one in schema.get("anyOf", ()) if _is_of(value, one)), schema)
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    if not _is_of(value, schema):
        words = " or ".join(_WORDS[kind] for kind in _kinds(schema))
        report.value("WF022", at, f"{_shown(at)} has to be {words}, not {kind_of(value)}")
    elif schema is _DURATION or schema is _MOMENT:
        _check_time(value, schema, at, report)
    elif "enum" in schema and value not in schema["enum"]:
        _refuse_word(value, schema["enum"], at, report)
    elif isinstance(value, int) and value < schema.get("minimum", value):
        report.value("WF022", at, f"{_shown(at)} has to be at least {schema['minimum']}")
    elif isinstance(value, dict):
        _check_mapping(value, schema, at, report)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            check_shape(each, schema.get("items", {}), (*at, index), report)


def _check_mapping(value: Mapping[str, object], schema: Schema, at: Path, report: Reporter) -> None:
    known: Mapping[str, Schema] = schema.get("properties", {})
    others: Any = schema.get("additionalProperties", {})
    for key, inner in value.items():
        about: Any = known.get(key, others)
        if about is False:
            near = report.faults.did_you_mean(key, known)
            hint = near or f"There are: {listed(known, most=20)}."
            report.key("WF020", (*at, key), f'"{key}"'[:80] + f" is no key of {_shown(at)}", hint)
        else:
            check_shape(inner, about, (*at, key), report)
    for key in schema.get("required", ()):
        if key not in value:
            report.value("WF021", at, f'{_shown(at)} needs "{key}"')
    if len(value) < schema.get("minProperties", 0):
        report.value("WF022", at, f"{_shown(at)} is empty", f"There are: {listed(known, most=20)}.")
    choices = [one["required"][0] for one in schema.get("oneOf", ())]
    if choices and sum(each in value for each in choices) != 1:
        report.value("WF022", at, f"{_shown(at)} has to name exactly one of {', '.join(choices)}")


def _check_time(value: object, schema: Schema, at: Path, report: Reporter) -> None:
    if value == 0:
        return
    try:
        moment_ms(value) if schema is _MOMENT else duration_ms(value)
    except (DurationError, MomentError) as error:
        rule = "WF064" if schema is _MOMENT else "WF029"
        report.value(rule, at, f"{_shown(at)}: {error}"[:300])


def _refuse_word(value: object, allowed: Sequence[str], at: Path, report: Reporter) -> None:
    given = f'"{value}"'[:60] if isinstance(value, str) else kind_of(value)
    near = nearest(value, allowed) if isinstance(value, str) and len(value) < 64 else None
    hint = f'Did you mean "{near}"?' if near else ""
    said = f"{_shown(at)} has to be one of {', '.join(allowed)}; not {given}"
    report.value("WF022", at, said, hint)


def _kinds(schema: Schema) -> Sequence[str]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _is_of(value: object, schema: Schema) -> bool:
    kinds = _kinds(schema)
    if isinstance(value, bool):
        return not kinds or "boolean" in kinds
    return not kinds or any(isinstance(value, _TYPES[kind]) for kind in kinds)


def _shown(at: Path) -> str:
    """The path in a form in which people write it."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in at)
    return text.removeprefix(".")[:120] or "a scenario"
