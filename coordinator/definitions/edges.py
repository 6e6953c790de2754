"""Who waits for whom: named dependencies, edges made by reading, and the cycles they may close."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coordinator.core.ids import underscored
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import Target, foreach_between, into_items, list_below, meet
from coordinator.definitions.step import How, Names, Part, Read, Step, StepList

MOST_CYCLES: Final = 20
"""Reported of one list; finding each costs a walk over all of it."""

_LAST_PARTS: Final = (Part.UNDO, Part.ON_FAILURE, Part.FINALLY)


@dataclass(frozen=True, slots=True)
class Edges:
    """Draws the edges of one file."""

    names: Names
    report: Reporter

    def name(self, step: Step) -> None:
        """Add the dependencies that the step names."""
        for index, wanted in enumerate(step.common["dependencies"] or ()):
            if wanted == step.id:
                at = step.origin("dependencies", index)
                self.report.value("WF042", at, f'step "{step.id}" depends on itself')
            elif wanted in step.within.steps:
                step.edges.setdefault(wanted, None)
            else:
                self._refuse(step, wanted, index)

    def _refuse(self, step: Step, wanted: str, index: int) -> None:
        at = step.origin("dependencies", index)
        other = self.names.steps.get(underscored(wanted))
        if other is None or other.id != wanted:
            if underscored(wanted) in self.names.unreadable:
                return
            near = self.report.faults.did_you_mean(
                wanted, [each.id for each in self.names.steps.values()]
            )
            self.report.value(
                "WF040", at, f'step "{step.id}" needs "{wanted}", but no step has this id', near
            )
            return
        self.report.value(
            "WF041",
            at,
            f'"{wanted}" is not in the same list of steps as "{step.id}"',
            _cure_outside(step, other),
        )

    def read(self, step: Step, read: Read, target: Target) -> None:
        """Add the edge that a read makes, or say why it cannot be read."""
        if target.step is step and read.how is not How.AFTER and not target.by_state:
            self._refuse_own(step, read)
            return
        inside_of = foreach_between(step, target.step)
        if inside_of is not None:
            self._fault("WF045", step, read, *into_items(target.step, inside_of))
            return
        met = meet(step, target.step)
        if met is None:
            self._check_parts(step, read, target)
            return
        if met.reader is met.target:
            self._inside_one(step, read, target, met.reader)
            return
        hidden = list_below(target.step, met.target)
        if hidden is not None and hidden.part is Part.UNDO:
            self._fault("WF059", step, read, f'"{target.step.id}" runs only when the run is undone')
        elif target.by_state or read.how is How.LABEL or _runs_last(step, met.reader):
            return
        else:
            met.reader.edges.setdefault(met.target.id, read)

    def _refuse_own(self, step: Step, read: Read) -> None:
        message = f'step "{step.id}" reads its own result'
        if read.how is not How.OUTPUT:
            self._fault("WF043", step, read, message)
            return
        hint = "In outputs, `result` is what the step returned, and `verdict` what it concluded."
        self.report.inside("WF043", read.at, read.reference.column, message, hint)

    def _check_parts(self, step: Step, read: Read, target: Target) -> None:
        mine = step.within.chain()[0].part
        theirs = target.step.within.chain()[0].part
        order = [Part.MAIN, Part.ON_FAILURE, Part.FINALLY]
        if not target.by_state and order.index(theirs) > order.index(mine):
            self._fault(
                "WF059", step, read, f'"{target.step.id}" is in {theirs.value}, which runs later'
            )

    def _inside_one(self, step: Step, read: Read, target: Target, around: Step) -> None:
        """Both are the same step, or inside the same one, but not in the same list of it."""
        mine, theirs = list_below(step, around), list_below(target.step, around)
        if target.by_state:
            return
        if theirs is None:
            if mine is not None and mine.part is Part.INNER:
                self._fault(
                    "WF043", step, read, f'"{step.id}" reads "{around.id}", which it is a part of'
                )
        elif mine is None:
            if read.how not in (How.AFTER, How.OUTPUT):
                self._fault(
                    "WF043",
                    step,
                    read,
                    f'"{step.id}" reads "{target.step.id}", which runs inside it',
                )
        elif mine.part is Part.INNER:
            where = (
                "runs only after it" if theirs.part is not Part.INNER else "is in another branch"
            )
            self._fault("WF059", step, read, f'"{step.id}" reads "{target.step.id}", which {where}')

    def _fault(self, rule: str, step: Step, read: Read, message: str, hint: str = "") -> None:
        if rule == "WF043":
            hint = "To read what an earlier iteration left, use state.<id>_result."
        self.report.inside(rule, read.at, read.reference.column, message, hint)

    def refuse_cycles(self, steps: StepList) -> None:
        """Report each cycle among the edges of one list."""
        waiting = {id_: [each for each in step.edges] for id_, step in steps.steps.items()}
        left = _without_ends(waiting)
        for _ in range(MOST_CYCLES):
            if not left:
                return
            cycle = _cycle(left)
            self._report_cycle([steps.steps[each] for each in cycle])
            left = _without_ends({k: v for k, v in left.items() if k not in set(cycle)})

    def _report_cycle(self, cycle: list[Step]) -> None:
        """`cycle[0]` waits for `cycle[1]` and so on; the last waits for the first."""
        first = min(cycle, key=lambda step: step.index)
        start = cycle.index(first)
        order = [*cycle[start:], *cycle[:start]]
        read = first.edges[order[1].id] if len(order) > 1 else None
        shown = " -> ".join(each.id for each in order[:20]) + ("" if len(order) <= 20 else " ...")
        message = f"these steps wait for each other: {shown} -> {first.id}"
        if read is None:
            position = (first.common["dependencies"] or []).index(order[1].id)
            self.report.value("WF043", first.origin("dependencies", position), message)
        else:
            message += f' ("{first.id}" reads {read.reference.text})'
            self.report.inside("WF043", read.at, read.reference.column, message)


def _cure_outside(step: Step, other: Step) -> str:
    around = step.ancestors()
    if other in around:
        return f'"{step.id}" is inside "{other.id}"; remove the dependency.'
    met = meet(step, other)
    if met is None or met.reader is met.target:
        return ""
    if met.reader is step:
        return f'Depend on "{met.target.id}", which contains it.'
    return f'Let "{met.reader.id}", which contains "{step.id}", depend on "{met.target.id}".'


def _runs_last(step: Step, member: Step) -> bool:
    """Whether the step is in an undo list of `member`, or of something inside it."""
    for each in [step, *step.ancestors()]:
        if each is member:
            return False
        if each.within.part in _LAST_PARTS:
            return True
    return False


def _without_ends(waiting: dict[str, list[str]]) -> dict[str, list[str]]:
    """Only the ids that are on a cycle, or between two cycles."""
    for _ in range(2):
        waiting = _reversed(_settled_removed(waiting))
    return waiting


def _settled_removed(waiting: dict[str, list[str]]) -> dict[str, list[str]]:
    open_ = {id_: sum(each in waiting for each in needs) for id_, needs in waiting.items()}
    after = _reversed(waiting)
    ready = [id_ for id_, count in open_.items() if count == 0]
    while ready:
        for each in after[ready.pop()]:
            open_[each] -= 1
            if open_[each] == 0:
                ready.append(each)
    return {
        id_: [each for each in waiting[id_] if open_.get(each, 0) > 0]
        for id_, count in open_.items()
        if count > 0
    }


def _reversed(waiting: dict[str, list[str]]) -> dict[str, list[str]]:
    after: dict[str, list[str]] = {id_: [] for id_ in waiting}
    for id_, needs in waiting.items():
        for each in needs:
            if each in after:
                after[each].append(id_)
    return after


def _cycle(waiting: dict[str, list[str]]) -> list[str]:
    seen: dict[str, int] = {}
    walk: list[str] = []
    at = next(iter(waiting))
    while at not in seen:
        seen[at] = len(walk)
        walk.append(at)
        at = waiting[at][0]
    return walk[seen[at] :]


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Each step after all that it waits for; steps on a cycle are left out."""
    every = {step.id: step for step in steps}
    open_ = {id_: sum(each in every for each in step.edges) for id_, step in every.items()}
    after = _reversed({id_: list(step.edges) for id_, step in every.items()})
    order = [id_ for id_, count in open_.items() if count == 0]
    for id_ in order:
        for each in after[id_]:
            open_[each] -= 1
            if open_[each] == 0:
                order.append(each)
    return [every[id_] for id_ in order]
