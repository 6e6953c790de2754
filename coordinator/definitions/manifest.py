"""What a step type says of itself, for people, editors and planners; all of it from its code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, get_type_hints

from coordinator.core.definition import Ask
from coordinator.core.lowering import Mark, StepType
from coordinator.definitions.models import StepKeys
from coordinator.definitions.schema_json import DIALECT, keys_schema
from coordinator.definitions.sentences import SENTENCES

_ANYTHING: Final[dict[str, Any]] = {"type": "object"}


def manifest(step_type: StepType, *, is_built_in: bool) -> dict[str, Any]:
    """The step type as JSON: what it is for, takes, gives, needs, and what it is lowered to."""
    primitive = primitive_of(step_type)
    section = step_type.name if is_built_in else ""
    sentences = SENTENCES.get(section, {})
    own = keys_schema(step_type.keys, step_type.description, section)
    common = keys_schema(StepKeys, "keys of every step", "step")
    return {
        "type": step_type.name,
        "description": step_type.description,
        "source": "built-in" if is_built_in else "plugin",
        "asks_persona": step_type.asks_persona,
        "runs_in": "coordinator" if step_type.executor is not None else "decider",
        "primitive": primitive.__name__.lower(),
        "requirements": [each.value for each in step_type.needs],
        "keys": [_key(name, each, sentences) for name, each in step_type.keys.model_fields.items()],
        "inputs": _inputs(step_type, takes_params=primitive is Ask),
        "outputs": _outputs(step_type),
        "schema": {"$schema": DIALECT, **own},
        "common_schema": {"$schema": DIALECT, **common},
    }


def primitive_of(step_type: StepType) -> type[object]:
    """The core primitive that steps of the type become.

    Raises:
        TypeError: the `lower` of the type does not say what it returns.
    """
    lower: Any = step_type.lower
    function = lower.func if isinstance(lower, partial) else lower
    found = get_type_hints(function).get("return")
    if not isinstance(found, type):
        raise TypeError(f"the lower of step type {step_type.name!r} has no annotated result")
    return found


def _inputs(step_type: StepType, *, takes_params: bool) -> dict[str, Any]:
    """The type's own keys, and what `params` may hold; null where it means nothing."""
    inputs: dict[str, Any] = {
        "keys": [each.alias or name for name, each in step_type.keys.model_fields.items()],
        "params": _ANYTHING if takes_params else None,
    }
    if step_type.variants:
        inputs["params_by"] = {
            step_type.variant_key: {
                name: list(each.params) for name, each in step_type.variants.items()
            }
        }
    return inputs


def _outputs(step_type: StepType) -> dict[str, Any]:
    outputs: dict[str, Any] = {
        "result": dict(step_type.result),
        "verdict": step_type.has_verdict,
    }
    if step_type.variants:
        outputs["result_by"] = {
            step_type.variant_key: {
                name: dict(each.result) for name, each in step_type.variants.items()
            }
        }
    return outputs


def _key(name: str, field: Any, sentences: Mapping[str, str]) -> dict[str, Any]:
    marks = [each.value for each in field.metadata if isinstance(each, Mark)]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return {
        "name": field.alias or name,
        "required": field.is_required(),
        "holds": marks[0] if marks else "value",
        "default": default,
        "description": sentences.get(field.alias or name, field.description or ""),
    }
