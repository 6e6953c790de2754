"""Where a workflow file uses another spelling than the canonical one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coordinator.core.lowering import StepType
from coordinator.definitions.errors import ON_ERROR_SPELLINGS
from coordinator.definitions.models import WorkflowKeys
from coordinator.definitions.parameters import TYPE_SPELLINGS
from coordinator.definitions.read import Path
from coordinator.definitions.report import ON_CONFLICT_SPELLINGS, STEP_SPELLINGS, WORKFLOW_SPELLINGS
from coordinator.definitions.walk import lists_inside, lists_of, steps_of


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
        concurrency = value.get("concurrency")
        if isinstance(concurrency, Mapping):
            self._value(concurrency, "on_conflict", ("concurrency",), ON_CONFLICT_SPELLINGS)
        for path, inner in lists_of(WorkflowKeys, value, keys, ()):
            self._steps(inner, path)

    def _steps(self, value: object, at: Path) -> None:
        for step in steps_of(value, at):
            if isinstance(step.value, Mapping):
                self._step(step.value, step.path)

    def _step(self, step: Mapping[str, object], at: Path) -> None:
        self._keys(step, at, STEP_SPELLINGS)
        self._value(step, "on_error", at, ON_ERROR_SPELLINGS)
        for path, inner in lists_inside(step, at, self.step_types):
            self._steps(inner, path)

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
