"""JSON Schema (draft 2020-12) of workflow and persona files, from the models that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coordinator.core.ids import STATE_NAME
from coordinator.core.lowering import Mark, StepType
from coordinator.definitions.check import fields_of, mark_of, marks_in
from coordinator.definitions.environments import (
    FIXED_IN_STEPS,
    EnvironmentKeys,
    OverlaidWorkflowKeys,
)
from coordinator.definitions.infer import PERSONA_REQUEST
from coordinator.definitions.models import (
    PERSONA_KINDS,
    DefaultsKeys,
    Each,
    GitKeys,
    Inner,
    MatchKeys,
    ParameterKeys,
    PersonaKeys,
    RetryKeys,
    Shown,
    StepKeys,
    WorkflowKeys,
)
from coordinator.definitions.report import STEP_SPELLINGS, WORKFLOW_SPELLINGS
from coordinator.definitions.sentences import SENTENCES

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]
_KIND: Final = SENTENCES["persona"]["kind"].replace("`", "")
_SECTIONS: Final[Mapping[type[Any], str]] = {
    DefaultsKeys: "defaults",
    GitKeys: "git",
    OverlaidWorkflowKeys: "overlaid workflow",
    MatchKeys: "match",
    ParameterKeys: "parameter",
    RetryKeys: "retry",
}
"""Model inside another one -> the sentences about its keys."""

_CONDITION: Final[Schema] = {
    "type": ["string", "boolean"],
    "description": "a condition, without {{ }}",
}

_DURATION: Final[Schema] = {
    "description": "seconds, or 90s, 15m, 1h30m, 2d, PT15M",
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "minLength": 1}],
}
_MOMENT: Final[Schema] = {
    "type": "string",
    "description": "a moment with its zone, such as 2026-08-01T09:00:00Z",
}
_STATE_VALUES: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": f"^{STATE_NAME.pattern}$"},
}
_MARKED: Final[Mapping[Mark, Schema]] = {
    Mark.STEPS: {"$ref": "#/$defs/steps"},
    Mark.CASES: {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/steps"},
    },
    Mark.CONDITION: {"$ref": "#/$defs/condition"},
    Mark.CONDITION_AFTER: {"$ref": "#/$defs/condition"},
    Mark.DURATION: {"$ref": "#/$defs/duration"},
    Mark.DURATION_TEMPLATE: {"$ref": "#/$defs/duration"},
    Mark.MOMENT_TEMPLATE: _MOMENT,
    Mark.STATE_VALUES: _STATE_VALUES,
}


def workflow_schema(step_types: Mapping[str, StepType]) -> Schema:
    """The schema of a workflow file, with the keys of every step type."""
    defs: Schema = {
        "duration": _DURATION,
        "condition": _CONDITION,
        # One schema for both shapes: with two to choose from, a fault is blamed on the wrong one.
        "steps": {
            "type": ["array", "object"],
            "minItems": 1,
            "items": {"allOf": [{"$ref": "#/$defs/step"}, {"required": ["id"]}]},
            "minProperties": 1,
            "additionalProperties": {"$ref": "#/$defs/step"},
        },
        "step": _step(step_types),
    }
    for name, each in sorted(step_types.items()):
        defs[f"step-{name}"] = _one_type(each, defs)
    top = _object(WorkflowKeys, defs, "workflow")
    _add_spellings(top, WORKFLOW_SPELLINGS)
    top["required"] = [key for key in top["required"] if key != "steps"]
    top["anyOf"] = [{"required": ["steps"]}, {"required": ["subtasks"]}]
    return {"$schema": DIALECT, "title": "Workflow", **top, "$defs": defs}


def persona_schema() -> Schema:
    """The schema of a persona file, with the keys of every kind."""
    defs: Schema = {"duration": _DURATION}
    choices = []
    for kind, model in sorted(PERSONA_KINDS.items()):
        own = _object(model, defs, "human persona" if kind == "human" else kind)
        joined = _joined(_object(PersonaKeys, defs, "persona"), own, f"a persona of kind {kind}")
        joined["properties"]["kind"] = {"const": kind, "description": _KIND}
        defs[f"persona-{kind}"] = joined
        choices.append(
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {"$ref": f"#/$defs/persona-{kind}"},
            }
        )
    return {
        "$schema": DIALECT,
        "title": "Persona",
        "type": "object",
        "required": ["name", "kind"],
        "properties": {"kind": {"enum": sorted(PERSONA_KINDS), "description": _KIND}},
        "allOf": choices,
        "$defs": defs,
    }


def environment_schema() -> Schema:
    """The schema of the overlay of an environment; what it makes of the files is checked there."""
    defs: Schema = {"duration": _DURATION, "condition": _CONDITION}
    top = _object(EnvironmentKeys, defs, "environment")
    workflow = top["properties"]["workflows"]["additionalProperties"]
    workflow["properties"]["steps"] = {
        **workflow["properties"]["steps"],
        "additionalProperties": _overlaid_step(defs),
    }
    for schema in (top, workflow, top["properties"]["defaults"]):
        schema["properties"] = {key: _or_null(each) for key, each in schema["properties"].items()}
    return {"$schema": DIALECT, "title": "Environment", **top, "$defs": defs}


def _overlaid_step(defs: Schema) -> Schema:
    """The keys of every step that an overlay may change; those of a type come on top."""
    fixed = {key for key, mark in marks_in(StepKeys).items() if mark is Mark.STEPS}
    fixed |= {*FIXED_IN_STEPS}
    fixed |= {other for other, key in STEP_SPELLINGS.items() if key in fixed}
    known = _object(StepKeys, defs, "step")["properties"]
    changed = {key: _or_null(each) for key, each in known.items() if key not in fixed}
    return {"type": "object", "properties": {**changed, **dict.fromkeys(sorted(fixed), False)}}


def _or_null(schema: Schema) -> Schema:
    """What also takes null, by which an overlay removes a key."""
    description = {"description": schema["description"]} if "description" in schema else {}
    return {**description, "anyOf": [schema, {"type": "null"}]}


def keys_schema(model: type[Any], description: str, section: str = "") -> Schema:
    """The schema of the keys of one model alone; steps inside it are not looked into.

    `section` is where the sentences about its keys are.
    """
    defs: Schema = {
        "duration": _DURATION,
        "condition": _CONDITION,
        "steps": {"type": ["array", "object"], "description": "steps, as a list or by id"},
    }
    return {**_object(model, defs, section), "description": description, "$defs": defs}


def _step(step_types: Mapping[str, StepType]) -> Schema:
    choices: list[Schema] = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/step-{name}"},
        }
        for name in sorted(step_types)
    ]
    untyped = {
        "if": {"not": {"required": ["type"]}},
        "then": {"$ref": f"#/$defs/step-{PERSONA_REQUEST}"},
    }
    return {
        "type": "object",
        "properties": {
            "type": {
                "enum": sorted(step_types),
                "enumDescriptions": [step_types[name].description for name in sorted(step_types)],
                "description": _plain(SENTENCES["step"]["type"]),
            }
        },
        "allOf": [*choices, untyped],
    }


def _one_type(step_type: StepType, defs: Schema) -> Schema:
    common = _object(StepKeys, defs, "step")
    own = _object(step_type.keys, defs, step_type.name)
    joined = _joined(common, own, step_type.description)
    joined["properties"]["type"] = {"const": step_type.name, "description": step_type.description}
    spelled = {other: key for other, key in STEP_SPELLINGS.items() if key in joined["properties"]}
    required = set(joined["required"])
    _add_spellings(joined, spelled)
    # A key that may be spelled otherwise cannot be required under one spelling alone.
    joined["required"] = sorted(required - set(spelled.values()) - {"id"})
    if step_type.variants:
        joined["allOf"] = _variants(step_type, joined["properties"])
    return joined


def _variants(step_type: StepType, properties: Schema) -> list[Schema]:
    """For each value of the key that decides it: which params there are."""
    key = step_type.variant_key
    words = [each for each in properties if STEP_SPELLINGS.get(each, each) == "params"]
    return [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {
                "properties": {
                    word: {"propertyNames": {"enum": list(variant.params)}} for word in words
                }
            },
        }
        for name, variant in step_type.variants.items()
    ]


def _joined(common: Schema, own: Schema, description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {**common["properties"], **own["properties"]},
        "required": sorted({*common["required"], *own["required"]}),
        "additionalProperties": False,
    }


def _add_spellings(schema: Schema, spellings: Mapping[str, str]) -> None:
    for other, key in spellings.items():
        about = schema["properties"][key]
        same = {"allOf": [{"$ref": about["$ref"]}]} if "$ref" in about else about
        schema["properties"][other] = {
            **same,
            "description": f"accepted spelling of {key}",
            "doNotSuggest": True,
        }


def _object(model: type[Any], defs: Schema, section: str = "") -> Schema:
    """The schema of one model, with what its marks say in the place of their plain types."""
    sentences = SENTENCES.get(section, {})
    plain = model.model_json_schema(by_alias=True)
    defs.update(plain.get("$defs", {}))
    properties = {}
    for key, about in fields_of(model).items():
        given = _simplified(plain["properties"][key])
        properties[key] = _marked(mark_of(about), given, defs)
        if key in sentences:
            properties[key]["description"] = _plain(sentences[key])
    return {
        "type": "object",
        "properties": properties,
        "required": plain.get("required", []),
        "additionalProperties": False,
    }


def _plain(sentence: str) -> str:
    """A sentence for an editor, which shows it alone and takes it for plain text."""
    return sentence.replace("`", "").removesuffix("; see below")


def _marked(mark: object, plain: Schema, defs: Schema) -> Schema:
    match mark:
        case Inner(model=model):
            return _object(model, defs, _SECTIONS.get(model, ""))
        case Each(model=model):
            return {
                "type": "object",
                "additionalProperties": _object(model, defs, _SECTIONS.get(model, "")),
            }
        case Shown(schema=schema):
            return dict(schema)
        case Mark() if mark in _MARKED:
            return dict(_MARKED[mark])
        case _:
            return plain


def _simplified(schema: Schema) -> Schema:
    """Without titles, and without the null that stands for a key that is not given."""
    kept = {
        key: value
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }
    choices = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        return {**choices[0], **kept}
    if choices:
        kept["anyOf"] = choices
    return kept
