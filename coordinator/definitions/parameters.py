"""The parameters that a workflow declares, and the values that a submission gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from coordinator.core.definition import Parameter, Workflow
from coordinator.core.parameters import fits, read_values
from coordinator.definitions.check import Checked
from coordinator.definitions.faults import nearest
from coordinator.definitions.parse import ROOTS
from coordinator.definitions.report import Named, Reporter, kind_of
from coordinator.definitions.rule import Severity

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
TYPE_SPELLINGS: Final = {"array": "list", "int": "integer", "float": "number", "bool": "boolean"}


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
        if choices == []:
            message = f'"{name}" can have no value at all'
            report.value("WF037", (*at, "enum"), message, severity=Severity.WARNING)
        for index, choice in enumerate(choices or ()):
            if not fits(choice, kind):
                _refuse(report, (*at, "enum", index), name, kind, choice)
        if default is not None and not fits(default, kind):
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
    values, more = read_values(workflow.parameters, given)
    return values, problems + more
