"""Where a workflow file uses another spelling than the canonical one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from coordinator.core.lowering import Mark, StepType
from coordinator.definitions.check import fields_of, mark_of
from coordinator.definitions.errors import ON_ERROR_SPELLINGS
from coordinator.definitions.models import StepKeys, WorkflowKeys
from coordinator.definitions.parameters import TYPE_SPELLINGS
from coordinator.definitions.read import Path
from coordinator.definitions.report import STEP_SPELLINGS, WORKFLOW_SPELLINGS


@dataclass(frozen=True, slots=True)
class Respelling:
    """One key or value, and the canonical word for it."""

    path: Path
    is_key: bool
    given: str
    canonical: str


def respellings(value: object, step_types: Mapping[str, StepType]) -> list[Respelling]:
    """Every other spelling in a workflow's document, in file order.

    Where one mapping has two spellings of the same key, none of them is named: that is a fault, and
    one key twice would be a worse one.
    """
    walk = _Walk(step_types)
    walk.workflow(value)
    return walk.found


@dataclass(slots=True)
class _Walk:
    """Goes through steps wherever the models say that there are some."""

    step_types: Mapping[str, StepType]
    found: list[Respelling] = field(default_factory=list)

    def workflow(self, value: object) -> None:
        if not isinstance(value, Mapping):
            return
        keys = self._keys(value, (), WORKFLOW_SPELLINGS)
        declared = value.get(keys.get("params"))
        for name, about in declared.items() if isinstance(declared, Mapping) else ():
            if isinstance(about, Mapping):
                self._value(about, "type", (keys["params"], name), TYPE_SPELLINGS)
        self._lists(WorkflowKeys, value, keys, ())

    def _steps(self, value: object, at: Path) -> None:
        entries: Iterable[tuple[str | int, object]] = ()
        if isinstance(value, list):
            entries = enumerate(value)
        elif isinstance(value, Mapping):
            entries = value.items()
        for name, step in entries:
            if isinstance(step, Mapping):
                self._step(step, (*at, name))

    def _step(self, step: Mapping[str, object], at: Path) -> None:
        keys = self._keys(step, at, STEP_SPELLINGS)
        self._value(step, "on_error", at, ON_ERROR_SPELLINGS)
        self._lists(StepKeys, step, keys, at)
        step_type = self.step_types.get(str(step.get("type")))
        if step_type is not None:
            self._lists(step_type.keys, step, keys, at)
        on_error = step.get("on_error")
        if isinstance(on_error, Mapping):
            self._steps(on_error.get("fallback"), (*at, "on_error", "fallback"))

    def _lists(
        self,
        model: type[BaseModel],
        value: Mapping[str, object],
        keys: Mapping[str, str],
        at: Path,
    ) -> None:
        for key, about in fields_of(model).items():
            if key not in keys:
                continue
            inner, there = value[keys[key]], (*at, keys[key])
            if mark_of(about) is Mark.STEPS:
                self._steps(inner, there)
            elif mark_of(about) is Mark.CASES and isinstance(inner, Mapping):
                for case, steps in inner.items():
                    self._steps(steps, (*there, case))

    def _keys(
        self, value: Mapping[str, object], at: Path, spellings: Mapping[str, str]
    ) -> dict[str, str]:
        """The keys as they are written, by canonical name."""
        written: dict[str, list[str]] = {}
        for given in value:
            written.setdefault(spellings.get(given, given), []).append(given)
        for canonical, names in written.items():
            if names != [canonical] and len(names) == 1:
                self.found.append(Respelling((*at, names[0]), True, names[0], canonical))
        return {canonical: names[0] for canonical, names in written.items()}

    def _value(
        self, value: Mapping[str, object], key: str, at: Path, spellings: Mapping[str, str]
    ) -> None:
        given = value.get(key)
        if isinstance(given, str) and given in spellings:
            self.found.append(Respelling((*at, key), False, given, spellings[given]))
