"""Keys that do nothing where they stand, and values that fail the step when it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.core.definition import Files
from coordinator.core.templates import TemplateError, compile_template
from coordinator.definitions.check import Checked
from coordinator.definitions.errors import retry_of
from coordinator.definitions.persona import Persona
from coordinator.definitions.personas import Personas
from coordinator.definitions.report import Reporter
from coordinator.definitions.step import Part, Step

_AFTER_UNDO: Final = (Part.ON_FAILURE, Part.FINALLY)


@dataclass(frozen=True, slots=True)
class Idle:
    """Looks at the keys of each step of one file."""

    personas: Personas
    defaults: Checked | None
    report: Reporter

    def look_at(self, step: Step) -> None:
        """Report what has no effect on this step, and what fails it."""
        self._check_doubts(step)
        self._check_retry(step)
        self._check_undo(step)
        self._check_fallback(step)
        for persona, key in self._asked(step):
            self._check_needed(step, persona, key)

    def _check_doubts(self, step: Step) -> None:
        doubts = step.type.doubts(step.own.values, step.common.values) if step.type else ()
        for doubt in doubts:
            at = step.origin(*doubt.path)
            if doubt.is_idle:
                self.report.key("WF039", at, doubt.message)
            else:
                self.report.value("WF078", at, doubt.message)

    def _check_retry(self, step: Step) -> None:
        """`retry` says how; without `max_attempts` or `retries` nothing says how often."""
        common = step.common
        defaults = self.defaults["retry"] if self.defaults is not None else None
        if retry_of(common, defaults).max_attempts > 1:
            return
        said = common["retry"]
        if said is not None and set(said.plain) - {"max_attempts"}:
            message = f'"retry" has no effect: step "{step.id}" is tried once'
            hint = "Add max_attempts to it, or retries beside it."
            self.report.key("WF039", step.origin("retry"), message, hint)
        elif common["on_error"] == "retry":
            message = f'"on_error: retry" has no effect: step "{step.id}" is tried once'
            hint = "Let retries or max_attempts allow more than one attempt."
            self.report.key("WF039", step.origin("on_error"), message, hint)

    def _check_undo(self, step: Step) -> None:
        chain = step.within.chain()
        late = next((each.part for each in chain if each.part in _AFTER_UNDO), None)
        if late is not None and "undo" in step.lists:
            message = f'"undo" has no effect in {late.value}, which runs after everything is undone'
            self.report.key("WF039", step.origin("undo"), message)

    def _check_fallback(self, step: Step) -> None:
        on_error = step.common["on_error"]
        fallback = on_error.get("fallback") if isinstance(on_error, Mapping) else None
        is_container = any(each.part is Part.INNER for each in step.lists.values())
        if is_container and isinstance(fallback, str) and step.type is not None:
            message = f"no persona can do a {step.type.name} instead"
            hint = "Write the fallback as steps: {fallback: [{id: …, persona: …}]}."
            self.report.value("WF078", step.origin("on_error", "fallback"), message, hint)

    def _asked(self, step: Step) -> Iterator[tuple[Persona, tuple[str, ...]]]:
        """The personas that the step may ask, and the keys that name them."""
        if step.type is None or not step.type.asks_persona:
            return
        on_error = step.common["on_error"]
        fallback = on_error.get("fallback") if isinstance(on_error, Mapping) else None
        named = ((step.common["persona"], ("persona",)), (fallback, ("on_error", "fallback")))
        for name, key in named:
            persona = self.personas.find(name) if isinstance(name, str) else None
            if persona is not None:
                yield persona, key
        self._check_limits(step)

    def _check_limits(self, step: Step) -> None:
        """Limits on changes, where nobody who is asked changes anything."""
        persona = self.personas.find(str(step.common["persona"]))
        can_fall_back = isinstance(step.common["on_error"], Mapping)
        if step.common["git"] is None or persona is None or can_fall_back:
            return
        if persona.files is not Files.PATCH:
            message = f'"git" has no effect: the persona "{persona.name}" changes no files'
            self.report.key("WF039", step.origin("git"), message)

    def _check_needed(self, step: Step, persona: Persona, key: tuple[str, ...]) -> None:
        """Report params that the persona's command cannot be without and the step does not give."""
        given = step.common["params"] or {}
        told = persona.input_schema.get("required", ())
        for name in _needed_params(persona):
            if name not in given and not (isinstance(told, list) and name in told):
                at = step.origin("params") if step.common["params"] else step.origin(*key)
                message = f'the command of "{persona.name}" needs params.{name}'
                self.report.value("WF079", at, message)


def _needed_params(persona: Persona) -> list[str]:
    """The params that the command line reads without a way out."""
    found: dict[str, None] = {}
    for argument in persona.command:
        try:
            references = compile_template(argument).references
        except TemplateError:
            continue
        for each in references:
            if each.path[0] == "params" and len(each.path) > 1 and not each.guarded:
                found[each.path[1]] = None
    return list(found)
