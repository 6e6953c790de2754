"""Steps that judge what follows all the same: nothing reads what they conclude."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Final

from coordinator.core.definition import Files
from coordinator.core.lowering import Need
from coordinator.definitions.certainty import Certainty
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.definitions.personas import Personas
from coordinator.definitions.possible import Possibilities
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import Target
from coordinator.definitions.step import How, Part, Read, Step

_JUDGING: Final = frozenset(
    {"test", "tests", "testing", "tester", "qa", "lint", "check", "checker", "verify", "verifier"}
    | {"review", "reviews", "reviewer", "evaluate", "evaluation", "evaluator", "judge"}
    | {"security", "audit", "auditor", "approve", "approval", "approver"}
)
"""Words for work whose outcome is a verdict, in capabilities and names of personas."""

_BRINGS_IT_OUT: Final = frozenset(
    {"merge", "finalize", "push", "tag", "feature_complete", "hotfix_deploy"}
)
"""Git operations after which the work is where others see it."""


@dataclass(slots=True)
class Unread:
    """Looks for verdicts of one file that decide nothing."""

    personas: Personas
    certainty: Certainty
    possibilities: Possibilities
    report: Reporter
    _read: set[Step] = field(default_factory=set)

    def look_at(self, steps: Sequence[Step], targets: Iterable[tuple[Step, Read, Target]]) -> None:
        """Report judging steps that something final follows, whatever they say."""
        self._read = {target.step for reader, read, target in targets if _decides(reader, read)}
        ends = [step for step in steps if _is_end(step)]
        before = [(end, self._upstream_of([end])) for end in ends]
        before_end = reduce(or_, (steps for _, steps in before), 0)
        before_human = self._upstream_of(each for each in steps if self._is_asked_human(each))
        for step in steps:
            if self.possibilities.is_shut(step):
                kind = step.type.name if step.type else "unknown"
                message = f'a gate always fails "{step.id}": a {kind} step has no verdict'
                self.report.key("WF073", step.origin("gate"), message)
            elif self._is_among(step, before_end & ~before_human) and self._is_unread(step):
                self._tell(step, next(end for end, those in before if self._is_among(step, those)))

    def _tell(self, step: Step, follows: Step) -> None:
        message = f'nothing reads the verdict of "{step.id}"; "{follows.id}" follows whatever it is'
        self.report.value("WF072", step.origin("id"), message)

    def _upstream_of(self, steps: Iterable[Step]) -> int:
        """The steps that one of these waits for, directly or through what it is inside of."""
        found = 0
        for step in steps:
            for each in (step, *step.ancestors()):
                found |= self.certainty.upstream.get(each, 0)
        return found

    def _is_among(self, step: Step, steps: int) -> bool:
        return any(steps >> each.bit & 1 for each in (step, *step.ancestors()))

    def _is_unread(self, step: Step) -> bool:
        if step.common["on_error"] == "continue" or _main_part(step) is not Part.MAIN:
            return False
        around = (step, *step.ancestors())
        if any(each in self._read or each.common["gate"] is not None for each in around):
            return False
        return self._judges(step)

    def _judges(self, step: Step) -> bool:
        if step.type is None:
            return False
        if Need.HUMAN in step.type.needs:
            return True
        name = step.common["persona"]
        if not step.type.asks_persona or not isinstance(name, str):
            return False
        persona = self.personas.find(name)
        return _is_judge(persona) if persona else bool(_JUDGING & _words([name]))

    def _is_asked_human(self, step: Step) -> bool:
        """Whether a human sees what came before, and the run does as they say."""
        is_human = step.type is not None and Need.HUMAN in step.type.needs
        if not is_human and step.type is not None and step.type.asks_persona:
            persona = self.personas.find(str(step.common["persona"]))
            is_human = persona is not None and persona.kind is PersonaKind.HUMAN
        return is_human and (step.common["gate"] is not None or step in self._read)


def _decides(reader: Step, read: Read) -> bool:
    """Whether what is read can change what the run does; the last steps only tell of it."""
    return read.how is not How.LABEL and _main_part(reader) is Part.MAIN


def _main_part(step: Step) -> Part:
    """Where the step runs: the part of its outermost list, or of one that is for failures."""
    parts = [each.part for each in step.within.chain()]
    return next((each for each in parts if each is not Part.INNER), Part.MAIN)


def _is_judge(persona: Persona) -> bool:
    if persona.files is Files.PATCH:
        return False
    if persona.kind is PersonaKind.HUMAN or persona.tests_required:
        return True
    return bool(_JUDGING & _words(persona.capabilities or [persona.name]))


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.split(r"[^a-z]+", text.lower())}


def _is_end(step: Step) -> bool:
    return bool(step.common["required"]) or step.own["operation"] in _BRINGS_IT_OUT
