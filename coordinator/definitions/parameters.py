"""The parameters that a workflow declares, and the values that a submission gives them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from coordinator.core.definition import Parameter, Workflow
from coordinator.definitions.check import Checked
from coordinator.definitions.faults import nearest
from coordinator.definitions.parse import ROOTS
from coordinator.definitions.report import Named, Reporter, kind_of

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
TYPE_SPELLINGS: Final = {"array": "list", "int": "integer", "float": "number", "bool": "boolean"}
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_parameters(checked: Checked, named: Named, report: Reporter) -> tuple[Parameter, ...]:
    """The declared parameters by name, with canonical types; values that do not fit are faults."""
    found = []
    declared = checked["params"] or {}
    for name in sorted(declared):
        about: Checked = declared[name]
        kind = str(about["type"] or "string")
        kind = TYPE_SPELLINGS.get(kind, kind)
        if "type" in about.plain:
            about.plain["type"] = kind
        default, choices = about["default"], about["enum"]
        at = named.origin("params", name)
        _check_name(name, at, report)
        for index, choice in enumerate(choices or ()):
            if not _fits(choice, kind):
                _refuse(report, (*at, "enum", index), name, kind, choice)
        if default is not None and not _fits(default, kind):
            _refuse(report, (*at, "default"), name, kind, default)
        elif default is not None and choices is not None and default not in choices:
            report.value("WF037", (*at, "default"), f'the default of "{name}" is none of its enum')
        found.append(
            Parameter(
                name=name,
                type=kind,
                required=bool(about["required"]),
                default=default,
                enum=None if choices is None else tuple(choices),
                description=str(about["description"] or ""),
            )
        )
    return tuple(found)


def _check_name(name: str, at: tuple[str | int, ...], report: Reporter) -> None:
    if not _NAME.fullmatch(name):
        hint = "Names begin with a letter, then letters, digits, _ or -; at most 63."
        report.key("WF024", at, f'"{name}"'[:80] + " is not a name for a parameter", hint)
    elif name in ROOTS:
        hint = f"Read this parameter as params.{name}, or rename it."
        report.key("WF027", at, f'"{name}" alone means something else in expressions', hint)


def _refuse(
    report: Reporter, at: tuple[str | int, ...], name: str, kind: str, value: object
) -> None:
    report.value("WF037", at, f'"{name}" is of type {kind}, but this is {kind_of(value)}')


def _fits(value: object, kind: str) -> bool:
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


def check_params(
    workflow: Workflow, given: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """The values a run starts with, defaults filled in, and what is wrong with those given.

    Text is read as the declared type, so that `k=v` of a command line needs no quoting.
    """
    declared = {each.name: each for each in workflow.parameters}
    problems = []
    for name in given:
        if name not in declared:
            near = nearest(name, list(declared))
            hint = f'; did you mean "{near}"?' if near else ""
            problems.append(f'{workflow.id} has no parameter "{name}"{hint}')
    values: dict[str, object] = {}
    for name, about in declared.items():
        if given.get(name) is None:
            if about.required and about.default is None:
                problems.append(f'the parameter "{name}" ({about.type}) is required')
            values[name] = about.default
            continue
        value = _coerced(given[name], about.type)
        values[name] = value
        if not _fits(value, about.type):
            problems.append(f'"{name}" has to be {_words(about.type)}, not {_shown(value)}')
        elif about.enum is not None and value not in about.enum:
            choices = ", ".join(map(str, about.enum))
            problems.append(f'"{name}" has to be one of {choices}; not {_shown(value)}')
    return values, problems


def _words(kind: str) -> str:
    return {"integer": "an integer", "string": "text", "object": "a JSON object"}.get(
        kind, f"a {kind}"
    )


def _shown(value: object) -> str:
    return f'"{value}"'[:60] if isinstance(value, str) else kind_of(value)


def _coerced(value: object, kind: str) -> object:
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
