"""The values that a run is given for the parameters of its workflow."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Final

from coordinator.core.definition import Parameter

_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_values(
    declared: Iterable[Parameter], given: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """The values a run starts with, defaults filled in, and what is wrong with those given.

    Text is read as the declared type. What is not declared is left out.
    """
    values: dict[str, object] = {}
    problems = []
    for about in declared:
        if given.get(about.name) is None:
            if about.required and about.default is None:
                problems.append(f'the parameter "{about.name}" ({about.type}) is required')
            values[about.name] = about.default
            continue
        values[about.name] = value = coerced(given[about.name], about.type)
        problem = value_problem(about, value)
        if problem:
            problems.append(problem)
    return values, problems


def value_problem(about: Parameter, value: object) -> str:
    """What is wrong with a value of the parameter, as a sentence; empty when nothing is."""
    if not fits(value, about.type):
        return f'"{about.name}" has to be {_words(about.type)}, not {_shown(value)}'
    if about.enum is not None and value not in about.enum:
        choices = ", ".join(map(str, about.enum))
        return f'"{about.name}" has to be one of {choices}; not {_shown(value)}'
    return ""


def fits(value: object, kind: str) -> bool:
    """Whether the value is of the declared type."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return math.isfinite(value)
        case "list":
            return isinstance(value, list)
        case _:
            return isinstance(value, Mapping)


def coerced(value: object, kind: str) -> object:
    """`value`, or what its text means as a `kind`."""
    if not isinstance(value, str) or kind == "string":
        return value
    if kind == "boolean":
        return _TRUTH.get(value.strip().lower(), value)
    if kind == "list" and not value.lstrip().startswith("["):
        return [each.strip() for each in value.split(",")] if value.strip() else []
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _words(kind: str) -> str:
    return {"integer": "an integer", "string": "text", "object": "a JSON object"}.get(
        kind, f"a {kind}"
    )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'[:60]
    kinds = ((type(None), "null"), (bool, "a truth value"), (int | float, "a number"))
    known = next((words for kind, words in kinds if isinstance(value, kind)), None)
    return known or ("a list" if isinstance(value, list | tuple) else "a mapping")
