"""Which steps are certain to have succeeded when another one runs, and which can never run.

`before[x]` is the set of steps that have succeeded whenever `x` starts; a tolerated failure counts
as success here, as it does for joins. Sets are integers, one bit per step, so that thousands of
steps cost little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from coordinator.core.definition import Join
from coordinator.definitions.branches import constant
from coordinator.definitions.edges import in_order
from coordinator.definitions.errors import join_of
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import Target, foreach_between, meet
from coordinator.definitions.step import How, Part, Read, Step, StepList

_STRICT: Final = (How.TEMPLATE, How.OUTPUT)
"""Where a missing value is an error at run time."""
_NEVER_WITHOUT_DEPENDENCIES: Final = (Join.ANY_FAILED, Join.ANY_SUCCEEDED)


@dataclass(slots=True)
class Certainty:
    """What can be told about one file before it runs."""

    report: Reporter
    hopeless: set[Step] = field(default_factory=set)
    """Steps that never succeed."""
    before: dict[Step, int] = field(default_factory=dict)
    _inside: dict[Step, int] = field(default_factory=dict)
    """Of a container: the steps in it that succeed whenever it does."""
    _skips: dict[Step, bool] = field(default_factory=dict)
    """Whether it may be skipped although nothing failed."""
    upstream: dict[Step, int] = field(default_factory=dict)
    """The steps of the same list that it waits for, directly or not."""
    _never: set[Step] = field(default_factory=set)
    _asked: dict[Step, set[Step]] = field(default_factory=dict)
    """For each step the steps that its condition mentions."""

    def look_at(self, steps: StepList, base: int = 0) -> None:
        """Work out the steps of a list and of the lists inside it, outer before inner."""
        order = in_order(steps.steps.values())
        for step in order:
            self._look_inside(step)
            self._skips[step] = self._may_skip(step)
        for step in order:
            certain, upstream = base, 0
            for other in self._certain_dependencies(step):
                certain |= self._with_inner(other) | self.before[other]
            for other in _waited_for(step):
                upstream |= 1 << other.bit | self.upstream.get(other, 0)
            self.before[step], self.upstream[step] = certain, upstream
        for step in order:
            self._note_never(step)
        self._look_at_inner(order)

    def _look_at_inner(self, order: list[Step]) -> None:
        for step in order:
            for inner in step.lists.values():
                base = self.before[step]
                if inner.part is Part.UNDO:
                    base |= self._with_inner(step)
                self.look_at(inner, base)

    def _with_inner(self, step: Step) -> int:
        """The step, and what its success says about the steps in it."""
        own = 1 << step.bit
        return own if step.succeeds_otherwise else own | self._inside.get(step, 0)

    def _look_inside(self, step: Step) -> None:
        """Set what a container's success means, from the innermost steps outwards."""
        told = step.type.all_inner_succeed if step.type else None
        found = 0
        for inner in step.lists.values():
            if inner.part is not Part.INNER:
                continue
            for each in in_order(inner.steps.values()):
                self._look_inside(each)
                self._skips[each] = self._may_skip(each)
                if told is not None and told(step.own.values) and not self._skips[each]:
                    found |= self._with_inner(each)
        self._inside[step] = found

    def _may_skip(self, step: Step) -> bool:
        if step.common["condition"] is not None:
            return True
        join = join_of(step.common)
        skips = [self._skips.get(other, False) for other in _waited_for(step)]
        match join:
            case Join.ALL_SETTLED:
                return False
            case Join.ALL_SUCCEEDED:
                return any(skips)
            case Join.ANY_FAILED:
                return True
            case Join.ANY_SUCCEEDED:
                return all(skips)
            case Join.NONE_FAILED:
                return bool(skips) and all(skips)

    def _certain_dependencies(self, step: Step) -> list[Step]:
        others = _waited_for(step)
        match join_of(step.common):
            case Join.ALL_SUCCEEDED:
                return others
            case Join.ANY_SUCCEEDED:
                return others if len(others) == 1 else []
            case Join.NONE_FAILED:
                one = len(others) == 1
                return [other for other in others if one or not self._skips.get(other, False)]
            case Join.ANY_FAILED | Join.ALL_SETTLED:
                return []

    def _note_never(self, step: Step) -> None:
        reason = self._never_reason(step)
        if reason:
            self._never.add(step)
            key = next((key for key in ("condition", "join") if key in step.named.values), "id")
            at = step.origin(key)
            self.report.value("WF044", at, f'step "{step.id}" never runs: {reason}')

    def _never_reason(self, step: Step) -> str:
        others, join = _waited_for(step), join_of(step.common)
        if not others and join in _NEVER_WITHOUT_DEPENDENCIES:
            return f"its join is {join.value}, and it has no dependencies"
        if not step.chooses and constant(step.conditions.get("condition")) is False:
            return "its condition is never true"
        return self._never_because_of(others, join)

    def _never_because_of(self, others: list[Step], join: Join) -> str:
        """Why what the step waits for never lets it run; empty where it may."""
        if join in (Join.ALL_SETTLED, Join.ANY_FAILED):
            return ""
        failing = [other.id for other in others if other in self.hopeless]
        dead = [other.id for other in others if other in self._never]
        needs_each = join in (Join.ALL_SUCCEEDED, Join.NONE_FAILED)
        if failing and (needs_each or len(failing) + len(dead) == len(others)):
            return f'"{failing[0]}", which it waits for, never succeeds'
        if dead and (join is Join.ALL_SUCCEEDED or len(dead) == len(others)):
            return f'"{dead[0]}", which it waits for, never runs'
        return ""

    def check_read(self, step: Step, read: Read, target: Target) -> None:
        """Report a read in a template of a result that may be missing."""
        about = read.reference
        if read.how not in _STRICT or about.guarded or not target.needs_result:
            return
        other = target.step
        if other is step or step not in self.before or self._is_asked_about(step, other):
            return
        if foreach_between(step, other) is not None:  # WF045 says so
            return
        certain = self.before[step]
        if read.how is How.OUTPUT:
            certain |= self._inside.get(step, 0)
        if certain >> other.bit & 1 and not other.tolerates_failure:
            return
        if target.by_state and not self.is_upstream(step, other):
            return
        self.report.inside(
            "WF058",
            read.at,
            about.column,
            f'"{about.text}" may be missing: {_why_missing(other)} while "{step.id}" runs',
            f"Write {{{{ {about.text} | default(none) }}}}, or a condition that asks for it.",
        )

    def is_upstream(self, step: Step, other: Step) -> bool:
        """Whether the step waits, directly or not, for `other` or what it is inside of."""
        met = meet(step, other)
        return met is None or bool(self.upstream.get(met.reader, 0) >> met.target.bit & 1)

    def _is_asked_about(self, step: Step, other: Step) -> bool:
        """Whether the step's own condition mentions `other`, or that of a step around it."""
        return any(other in self._asked.get(each, ()) for each in (step, *step.ancestors()))

    def note_condition(self, step: Step, read: Read, target: Target) -> None:
        """Remember that a condition mentions a step."""
        if read.how is How.CONDITION:
            self._asked.setdefault(step, set()).add(target.step)


def _waited_for(step: Step) -> list[Step]:
    return [step.within.steps[each] for each in step.edges if each in step.within.steps]


def _why_missing(other: Step) -> str:
    if other.tolerates_failure:
        return f'"{other.id}" may have failed (on_error: continue)'
    return f'"{other.id}" may have been skipped, or may not have succeeded,'
