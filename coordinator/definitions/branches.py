"""What a run cannot come to: branches that nothing chooses, steps behind what never succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.core.comparisons import is_same
from coordinator.core.expressions import Expression, ExpressionError
from coordinator.definitions.possible import Possibilities
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import list_below
from coordinator.definitions.step import Names, Part, Step

STAYS: Final = frozenset({"task", "params", "variables", "env"})
"""Roots that a run never changes."""
_THEN, _ELSE = "then_steps", "else_steps"


def constant(condition: Expression | None) -> bool | None:
    """What a condition that reads nothing always gives; None for others."""
    if condition is None or condition.references:
        return None
    try:
        return condition.truth({})
    except ExpressionError:
        return None


def hopeless(steps: Sequence[Step], possibilities: Possibilities) -> set[Step]:
    """The steps that never succeed, whatever happens; `steps` has containers before their steps."""
    found: set[Step] = set()
    for step in reversed(steps):
        if step.common["on_error"] not in (None, "abort", "retry", "rollback"):
            continue
        never_ends = constant(step.conditions.get("until")) is False
        if (
            possibilities.is_shut(step)
            or never_ends
            or any(_fails_with(step, each, found) for each in _inner(step))
        ):
            found.add(step)
    return found


def _inner(step: Step) -> list[Step]:
    lists = [each for each in step.lists.values() if each.part is Part.INNER]
    return [each for steps in lists for each in steps.steps.values()]


def _fails_with(step: Step, inner: Step, hopeless: set[Step]) -> bool:
    """Whether the inner step starts whenever the container does, never succeeds, and has to."""
    if inner not in hopeless or inner.edges or inner.common["condition"] is not None:
        return False
    told = step.type.all_inner_succeed if step.type else None
    return told is not None and told(step.own.values)


@dataclass(frozen=True, slots=True)
class Branches:
    """Looks at the branches of one file."""

    names: Names
    report: Reporter

    def look_at(self, steps: Sequence[Step]) -> None:
        """Report branches that are never chosen."""
        for step in steps:
            if step.own["items"] == []:
                message = f'the steps in "{step.id}" never run: there are no items'
                self.report.value("WF044", step.origin("items"), message)
            condition = step.conditions.get("condition")
            if condition is None:
                continue
            self._check_always(step, condition)
            always = constant(condition)
            if step.chooses and always is not None:
                why = f"the condition is always {str(always).lower()}"
                self._tell(step, _ELSE if always else _THEN, why)
            elif self._stays(condition):
                self._check_around(step, condition)

    def _check_always(self, step: Step, condition: Expression) -> None:
        """Text such as `'no'` counts as true; `true` itself is what it says."""
        is_plain = condition.source.strip().lower() in ("true", "{{ true }}", "{{true}}")
        if not step.chooses and constant(condition) is True and not is_plain:
            message = f'the condition of "{step.id}" reads nothing and is always true'
            self.report.value("WF071", step.origin("condition"), message)

    def _check_around(self, step: Step, condition: Expression) -> None:
        """Whether a condition around the step has answered its own already."""
        for around in step.ancestors():
            other = around.conditions.get("condition") if around.chooses else None
            branch = list_below(step, around)
            if other is None or branch is None or not is_same(other, condition):
                continue
            why = f'"{around.id}" around it has asked the same, and it is in {branch.key}'
            if branch.key == _THEN and step.chooses:
                self._tell(step, _ELSE, why)
            elif branch.key == _ELSE and step.chooses:
                self._tell(step, _THEN, why)
            elif branch.key == _ELSE:
                message = f'step "{step.id}" never runs: {why}'
                self.report.value("WF044", step.origin("condition"), message)

    def _stays(self, condition: Expression) -> bool:
        return condition.roots <= STAYS | self.names.parameters

    def _tell(self, step: Step, branch: str, why: str) -> None:
        if branch in step.lists:
            message = f'the {branch} of "{step.id}" never run: {why}'
            self.report.key("WF044", step.origin(branch), message)
