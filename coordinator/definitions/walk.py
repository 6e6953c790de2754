"""Going through the steps of a document as it was read, wherever the models say that there are
some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel

from coordinator.core.lowering import Mark, StepType
from coordinator.definitions.check import marks_in
from coordinator.definitions.models import StepKeys, WorkflowKeys
from coordinator.definitions.read import Path
from coordinator.definitions.report import STEP_SPELLINGS, WORKFLOW_SPELLINGS


class Found(NamedTuple):
    """A step as it is written."""

    path: Path
    name: str | None
    """What it is called by its place, where steps are a mapping."""
    value: object

    @property
    def id(self) -> object:
        """Its id; anything, when the file has faults."""
        given = self.value.get("id") if isinstance(self.value, Mapping) else None
        return self.name if given is None else given


def every_step(workflow: object, step_types: Mapping[str, StepType]) -> Iterator[Found]:
    """Every step of a workflow's document, in file order."""
    if not isinstance(workflow, Mapping):
        return
    pending = list(lists_of(WorkflowKeys, workflow, keys_of(workflow, WORKFLOW_SPELLINGS), ()))
    while pending:
        at, value = pending.pop(0)
        inner: list[tuple[Path, object]] = []
        for step in steps_of(value, at):
            yield step
            if isinstance(step.value, Mapping):
                inner += lists_inside(step.value, step.path, step_types)
        pending = inner + pending


def lists_inside(
    step: Mapping[str, object], at: Path, step_types: Mapping[str, StepType]
) -> Iterator[tuple[Path, object]]:
    """Every list of steps that is inside a step."""
    keys = keys_of(step, STEP_SPELLINGS)
    yield from lists_of(StepKeys, step, keys, at)
    step_type = step_types.get(str(step.get("type")))
    if step_type is not None:
        yield from lists_of(step_type.keys, step, keys, at)
    on_error = step.get("on_error")
    if isinstance(on_error, Mapping):
        yield (*at, "on_error", "fallback"), on_error.get("fallback")


def keys_of(value: Mapping[str, object], spellings: Mapping[str, str]) -> dict[str, str]:
    """The keys as they are written, by their canonical names; of two spellings the first."""
    found: dict[str, str] = {}
    for given in value:
        found.setdefault(spellings.get(given, given), given)
    return found


def lists_of(
    model: type[BaseModel], value: Mapping[str, object], keys: Mapping[str, str], at: Path
) -> Iterator[tuple[Path, object]]:
    """What stands under the keys of a model that hold steps; `keys` as from `keys_of`."""
    for key, mark in marks_in(model).items():
        if key not in keys:
            continue
        inner, there = value[keys[key]], (*at, keys[key])
        if mark is Mark.STEPS:
            yield there, inner
        elif mark is Mark.CASES and isinstance(inner, Mapping):
            for case, steps in inner.items():
                yield (*there, case), steps


def steps_of(value: object, at: Path) -> Iterator[Found]:
    """The steps of a list, or of a mapping from id to step."""
    entries: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, list):
        entries = enumerate(value)
    elif isinstance(value, Mapping):
        entries = value.items()
    for name, step in entries:
        yield Found((*at, name), name if isinstance(name, str) else None, step)
