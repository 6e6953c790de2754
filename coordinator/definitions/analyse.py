"""Everything that is checked once all of a file's steps are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from coordinator.core.expressions import Expression
from coordinator.definitions.branches import Branches, hopeless
from coordinator.definitions.certainty import Certainty
from coordinator.definitions.check import Checked
from coordinator.definitions.conditions import Conditions
from coordinator.definitions.contracts import check_input
from coordinator.definitions.edges import Edges
from coordinator.definitions.idle import Idle
from coordinator.definitions.infer import RUN
from coordinator.definitions.loops import Loops
from coordinator.definitions.parse import ROOTS
from coordinator.definitions.personas import Personas
from coordinator.definitions.possible import Possibilities
from coordinator.definitions.read import Path
from coordinator.definitions.report import Named, Reporter
from coordinator.definitions.resolve import Resolver, Target
from coordinator.definitions.result_keys import ResultKeys, returns_a_reply
from coordinator.definitions.rules import Severity
from coordinator.definitions.step import Names, Part, Read, Step, StepList
from coordinator.definitions.time_limits import TimeLimits
from coordinator.definitions.unread import Unread

_WITHOUT_EFFECT = ("invariants",)
_FOR_REQUESTS = ("timeout", "params", "git")
_CURES = {
    **dict.fromkeys(_FOR_REQUESTS, "Give it to the steps inside."),
    "result_schema": "Give it to a step that a persona, a workflow or an executor answers.",
}


class Top(NamedTuple):
    """The top level of a file."""

    named: Named
    checked: Checked


class Analysis:
    """The checks of one file."""

    def __init__(self, names: Names, report: Reporter, personas: Personas) -> None:
        self._names = names
        self._report = report
        self._personas = personas
        self._resolver = Resolver(names, report)
        self._edges = Edges(names, report)
        self._certainty = Certainty(report)
        self._possibilities = Possibilities(names)
        self._keys = ResultKeys(report, personas)

    def run(self, lists: Sequence[StepList], top: Top) -> None:
        """Draw the edges and check names, personas, cycles, and values that may be missing."""
        targets: list[tuple[Step, Read, Target]] = []
        for step in self._names.all_steps():
            self._edges.name(step)
            self._check_personas(step)
            self._check_effect(step)
            self._keys.check_names(step)
            self._check_hidden(step)
            for read in step.reads:
                target = self._resolver.target(read, step)
                if target is not None:
                    targets.append((step, read, target))
                    self._keys.check(read, target)
                    self._certainty.note_condition(step, read, target)
        for step, read, target in targets:
            self._edges.read(step, read, target)
        every = [
            *lists,
            *(each for step in self._names.all_steps() for each in step.lists.values()),
        ]
        for steps in every:
            _sort_edges(steps)
            self._edges.refuse_cycles(steps)
        self._certainty.hopeless = hopeless(self._names.all_steps(), self._possibilities)
        for steps in lists:
            self._certainty.look_at(steps)
        for step, read, target in targets:
            self._certainty.check_read(step, read, target)
        if self._report.is_heard:
            self._check_sense(targets, top)

    def check_condition(self, condition: Expression, at: Path) -> None:
        """Check that a condition can mean what it says."""
        Conditions(self._possibilities, self._report).look_at(condition, at)

    def _check_sense(self, targets: Sequence[tuple[Step, Read, Target]], top: Top) -> None:
        """Warn of what is well written and hardly meant."""
        steps, possibilities = self._names.all_steps(), self._possibilities
        Conditions(possibilities, self._report).look_at_all(steps)
        Branches(self._names, self._report).look_at(steps)
        unread = Unread(self._personas, self._certainty, possibilities, self._report)
        unread.look_at(steps, targets)
        loops = Loops(self._names, self._certainty, self._report)
        loops.look_at(steps, targets, top.checked["max_steps"])
        TimeLimits(self._report).look_at(top.checked, top.named, steps)
        idle = Idle(self._personas, top.checked["defaults"], self._report)
        for step in steps:
            idle.look_at(step)

    def check_names(self, reads: Iterable[Read], roots: frozenset[str] | None) -> None:
        """Check what a text outside all steps reads; `roots` are the names known to it."""
        for read in reads:
            target = self._resolver.target(read, None, roots=ROOTS if roots is None else roots)
            if target is not None:
                self._keys.check(read, target)

    def _check_personas(self, step: Step) -> None:
        if step.type is not None and step.type.asks_persona:
            name = step.common["persona"]
            if isinstance(name, str):
                self._check_persona(name, step.origin("persona"))
                self._check_input(step, name)
        elif step.type is not None and isinstance(step.common["persona"], str):
            message = f'"persona" has no effect on a step of type {step.type.name}'
            self._report.key("WF039", step.origin("persona"), message)
        on_error = step.common["on_error"]
        fallback = on_error.get("fallback") if isinstance(on_error, Mapping) else None
        if isinstance(fallback, str):
            self._check_persona(fallback, step.origin("on_error", "fallback"))

    def _check_persona(self, name: str, at: Path) -> None:
        known = self._personas.find(name)
        if known is not None:
            if known.status != "enabled":
                self._report.value("WF061", at, f'the persona "{name}" is {known.status}')
            return
        if name in self._personas.broken:
            hint = "Correct that file first."
            self._report.value("WF060", at, f'the file of persona "{name}" has faults', hint)
            return
        near = self._report.faults.did_you_mean(name, [*self._personas.names(), RUN])
        severity = None if self._personas.has_folder else Severity.WARNING
        self._report.value("WF060", at, f'there is no persona "{name}"', near, severity=severity)

    def _check_input(self, step: Step, name: str) -> None:
        persona = self._personas.find(name)
        if persona is not None:
            params = step.common["params"] or {}
            check_input(persona, params, step.origin("params"), self._report)

    def _check_effect(self, step: Step) -> None:
        keys = list(_WITHOUT_EFFECT)
        if any(each.part is Part.INNER for each in step.lists.values()):
            keys += _FOR_REQUESTS
        keys += step.type.unused(step.own.values) if step.type else ()
        if not returns_a_reply(step, self._personas):
            keys.append("result_schema")
        for key in keys:
            if key in step.common.plain:
                where = f"on a step of type {step.type.name} " if step.type else ""
                message = f'"{key}" has no effect {where}in this version'
                hint = _CURES.get(key, "") if step.lists or key not in _FOR_REQUESTS else ""
                self._report.key("WF039", step.origin(key), message, hint)

    def _check_hidden(self, step: Step) -> None:
        """Warn of values of the workflow's state that are named like what a step leaves there."""
        for name, writers in self._names.state.items():
            other, _, what = name.rpartition("_")
            hidden = self._names.steps.get(other) if what in ("status", "result") else None
            if step in writers and hidden is not None:
                message = f'state.{name} is what "{hidden.id}" leaves; this value hides it'
                self._report.key("WF063", (*step.origin("values"), name), message)


def _sort_edges(steps: StepList) -> None:
    """Named dependencies first, as written; then those that reading made, in file order."""
    for step in steps.steps.values():
        read = sorted(
            (id_ for id_, by in step.edges.items() if by is not None),
            key=lambda id_: steps.steps[id_].index,
        )
        named = [id_ for id_, by in step.edges.items() if by is None]
        step.edges = {id_: step.edges[id_] for id_ in (*named, *read)}
