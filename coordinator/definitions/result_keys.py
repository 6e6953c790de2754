"""Keys that a step's result can never have, read all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.core.ids import underscored
from coordinator.core.schemas import Schema
from coordinator.definitions.contracts import impossible
from coordinator.definitions.faults import listed
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.definitions.personas import Personas
from coordinator.definitions.report import Reporter
from coordinator.definitions.resolve import ALWAYS_THERE, Target
from coordinator.definitions.step import Read, Step

_RESULT: Final = ("result", "output")


@dataclass(frozen=True, slots=True)
class ResultKeys:
    """Holds what is read of results against the schemas that they have to fit."""

    report: Reporter
    personas: Personas

    def check(self, read: Read, target: Target) -> None:
        """Report the read if its key can never be there."""
        step, rest = target.step, target.rest
        if not rest or rest[0] in ALWAYS_THERE or not target.needs_result:
            return
        outputs = step.common["outputs"]
        if outputs is not None and rest[0] in ("outputs", *outputs):
            self._check_output(read, step, outputs, rest)
            return
        keys = rest[1:] if rest[0] in _RESULT else rest
        for schema in self._schemas(step):
            found = impossible(schema, keys)
            if found is not None:
                self._report(read, step, *found)
                return

    def _check_output(
        self, read: Read, step: Step, outputs: Mapping[str, object], rest: tuple[str, ...]
    ) -> None:
        if rest[0] == "outputs" and len(rest) > 1 and rest[1] not in outputs:
            told = f'the outputs of "{step.id}" do not have "{rest[1]}"'
            near = self.report.faults.did_you_mean(rest[1], outputs)
            hint = near or f"It has: {listed(outputs)}."
            self.report.inside("WF085", read.at, read.reference.column, told, hint)

    def check_names(self, step: Step) -> None:
        """Warn of outputs that nobody can read by their bare name."""
        for name in step.common["outputs"] or ():
            if name in ALWAYS_THERE or name in (*_RESULT, "outputs"):
                told = f'"{name}" of a step means something else'
                place = f"steps.{underscored(step.id)}.outputs.{name}"
                hint = f"Read this one as {place}, or rename it."
                self.report.key("WF027", (*step.origin("outputs"), name), told, hint)

    def _schemas(self, step: Step) -> Iterable[Schema]:
        """Those that whatever the step returns has to fit; a fallback may return something else."""
        if isinstance(step.common["on_error"], Mapping):
            return
        if step.common["on_error"] == "escalate" or not returns_a_reply(step, self.personas):
            return
        if step.result_schema is not None:
            yield step.result_schema
        persona = _persona(step, self.personas)
        if persona is not None and persona.contract.result is not None:
            yield persona.contract.result

    def _report(self, read: Read, step: Step, key: str, known: list[str]) -> None:
        near = self.report.faults.did_you_mean(key.rpartition(".")[2], known)
        hint = near or (f"It has: {listed(known)}." if known else "It has no keys at all.")
        told = f'the result of "{step.id}" never has "{key}", by its result_schema'
        self.report.inside("WF085", read.at, read.reference.column, told, hint)


def returns_a_reply(step: Step, personas: Personas) -> bool:
    """Whether what the step returns is what a persona, an executor or another run replied."""
    if step.type is None:
        return False
    if step.type.executor is not None or step.type.runs_workflow:
        return True
    persona = _persona(step, personas)
    is_human = persona is not None and persona.kind is PersonaKind.HUMAN
    return step.type.asks_persona and not is_human


def _persona(step: Step, personas: Personas) -> Persona | None:
    name = step.common["persona"]
    is_asked = step.type is not None and step.type.asks_persona
    return personas.find(name) if is_asked and isinstance(name, str) else None
