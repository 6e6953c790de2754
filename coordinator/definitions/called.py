"""The workflows that the steps of a file run: what is known of them, and whether a step fits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator.core.definition import Parameter
from coordinator.core.lowering import Called
from coordinator.core.parameters import value_problem
from coordinator.core.templates import TemplateError, compile_value
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import listed
from coordinator.definitions.report import Reporter
from coordinator.definitions.step import Names, Step

MOST_NESTED: Final = 20
"""How many workflows may run inside each other below one."""


@dataclass(slots=True)
class Workflows:
    """What the steps of one file may run; each was compiled before the file."""

    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    """By workflow id."""
    broken: Collection[str] = ()
    """Ids of workflows whose files have faults of their own."""
    circles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By id of a workflow that runs the file's own again: the ids on the way back to it."""
    names: Collection[str] = ()
    """The ids of all workflows that are known, for hints."""

    def find(self, name: object) -> Compiled | None:
        """The workflow of this id, if it may be run."""
        return self.compiled.get(name) if isinstance(name, str) else None


def calls(names: Names) -> Iterator[tuple[Step, str]]:
    """The steps that run a workflow, and its id."""
    for step in names.all_steps():
        if step.type is not None and step.type.runs_workflow:
            called = step.own["workflow"]
            if isinstance(called, str):
                yield step, called


def called_of(found: Compiled) -> Called:
    """What a step that runs the workflow has to know of it."""
    workflow = found.workflow
    return Called(id=workflow.id, digest=workflow.digest, parameters=workflow.parameters)


def check_calls(own: str, names: Names, workflows: Workflows, report: Reporter) -> None:
    """Report steps that run what there is not, what has faults, what runs them, or that give it
    other params than it takes; `own` is the id of the file's own workflow.
    """
    for step, called in calls(names):
        found = workflows.find(called)
        if found is None:
            _refuse(step, own, called, workflows, report)
        elif found.height > MOST_NESTED:
            message = f'"{called}" runs workflows inside each other {found.height} deep already'
            report.value("WF101", step.origin("workflow"), message)
        else:
            _check_params(step, found, report)


def _refuse(step: Step, own: str, called: str, workflows: Workflows, report: Reporter) -> None:
    at = step.origin("workflow")
    if called in workflows.circles:
        way = " runs ".join(f'"{each}"' for each in (own, called, *workflows.circles[called]))
        report.value("WF101", at, way)
    elif called in workflows.broken:
        hint = "Correct that file first."
        report.value("WF100", at, f'the workflow "{called}" has faults', hint)
    else:
        others = sorted({*workflows.names} - {own})
        near = report.faults.did_you_mean(called, others)
        known = listed(others) or "none"
        hint = near or f"There are: {known}."
        report.value("WF100", at, f'there is no workflow "{called}"'[:200], hint)


def _check_params(step: Step, found: Compiled, report: Reporter) -> None:
    declared = {each.name: each for each in found.workflow.parameters}
    given: Mapping[str, object] = step.common["params"] or {}
    for name, value in given.items():
        about = declared.get(name)
        if about is not None:
            _check_value(step, about, value, report)
            continue
        hint = report.faults.did_you_mean(name, declared)
        hint = hint or f"It takes: {listed(sorted(declared)) or 'none'}."
        message = f'{found.workflow.id} has no parameter "{name}"'[:200]
        report.key("WF102", (*step.origin("params"), name), message, hint)
    for about in declared.values():
        if about.required and about.default is None and given.get(about.name) is None:
            message = f'{found.workflow.id} needs the parameter "{about.name}" ({about.type})'
            report.value("WF102", step.origin("workflow"), message, "Give it under params.")


def _check_value(step: Step, about: Parameter, value: object, report: Reporter) -> None:
    """Refuse a literal of the wrong type; what a template gives is known when the step runs."""
    if value is None or _is_template(value):
        return
    problem = value_problem(about, value)
    if problem:
        report.value("WF102", (*step.origin("params"), about.name), problem)


def _is_template(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(compile_value(value).templates)
    except TemplateError:
        return True  # and reported where all templates are
