"""Answers of humans, held against the form they were asked with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
    "object": (dict,),
}


def form_problems(form: Mapping[str, object], values: Mapping[str, object]) -> list[str]:
    """What is wrong with the answer, one sentence each; empty when nothing is."""
    problems = [f"the form has no field {name!r}" for name in values if name not in form]
    for name, field in form.items():
        spec = field if isinstance(field, Mapping) else {"type": field}
        if name in values:
            problems.extend(_value_problems(name, spec, values[name]))
        elif spec.get("required") is True:
            problems.append(f"{name} is required")
    return problems


def _value_problems(name: str, spec: Mapping[str, object], value: object) -> list[str]:
    wanted = _TYPES.get(str(spec.get("type", "string")))
    is_wrong = wanted is not None and not isinstance(value, wanted)
    if isinstance(value, bool) and spec.get("type") in ("integer", "number"):
        is_wrong = True
    if is_wrong:
        return [f"{name} has to be of type {spec.get('type')}"]
    choices = spec.get("enum")
    if isinstance(choices, list | tuple) and value not in choices:
        return [f"{name} has to be one of {', '.join(map(str, choices))}"]
    return []
