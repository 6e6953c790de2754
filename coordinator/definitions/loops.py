"""Loops whose end cannot be as it is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from coordinator.definitions.branches import STAYS
from coordinator.definitions.certainty import Certainty
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import Target
from coordinator.definitions.step import How, Names, Part, Read, Step


@dataclass(slots=True)
class Loops:
    """Looks at the loops of one file."""

    names: Names
    certainty: Certainty
    report: Reporter
    _starts: dict[Step, int] = field(default_factory=dict)
    """How many nodes start when the step runs, at most."""

    def look_at(
        self,
        steps: Sequence[Step],
        targets: Iterable[tuple[Step, Read, Target]],
        max_steps: int,
    ) -> None:
        """Report loops that nothing ends in time, and those that the run's own limit ends."""
        target_of = {(step, read): target for step, read, target in targets}
        for step in reversed(steps):
            self._starts[step] = self._count(step)
            self._check_count(step, max_steps)
        for step in steps:
            if "until" in step.conditions:
                self._check_until(step, target_of)

    def _count(self, step: Step) -> int:
        inner = [
            sum(self._starts.get(each, 0) for each in steps.steps.values())
            for steps in step.lists.values()
            if steps.part is Part.INNER
        ]
        if not inner:
            return 1
        is_choice = step.chooses or any(each.case is not None for each in step.lists.values())
        return (max(inner) if is_choice else sum(inner)) * _rounds(step)[1]

    def _check_count(self, step: Step, max_steps: int) -> None:
        starts, (key, rounds) = self._starts[step], _rounds(step)
        inner = (each for steps in step.lists.values() for each in steps.steps.values())
        if starts <= max_steps or rounds == 1:
            return
        if any(self._starts.get(each, 0) > max_steps for each in inner):
            return
        message = f'"{step.id}" may start {starts:,} nodes; the run fails after {max_steps:,}'
        self.report.value("WF075", step.origin(key), message)

    def _check_until(self, step: Step, target_of: dict[tuple[Step, Read], Target]) -> None:
        reads = [read for read in step.reads if read.how is How.AFTER]
        if any(self._may_change(step, read, target_of.get((step, read))) for read in reads):
            return
        about = ", ".join(dict.fromkeys(read.reference.text for read in reads)) or "nothing"
        message = f'"until" reads {about}, which no iteration of "{step.id}" changes'
        if not reads:
            message = f'"until" reads nothing, so no iteration of "{step.id}" changes it'
        self.report.value("WF074", step.origin("until"), message)

    def _may_change(self, loop: Step, read: Read, target: Target | None) -> bool:
        if target is not None:
            if loop in (target.step, *target.step.ancestors()):
                return True
            return target.by_state and not self.certainty.is_upstream(loop, target.step)
        path = read.reference.path
        root = path[1] if path[0] == "context" and len(path) > 1 else path[0]
        return root not in STAYS and root not in self.names.parameters


def _rounds(step: Step) -> tuple[str, int]:
    """How often what is inside runs at most, and the key that says so; 1 where nothing does."""
    most, items = step.own["max_iterations"], step.own["items"]
    if isinstance(most, int):
        return "max_iterations", most
    return "items", len(items) if isinstance(items, list) else 1
