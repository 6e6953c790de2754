"""Putting an environment's overlay over the documents of workflows and personas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from coordinator.core.lowering import Mark, StepType
from coordinator.definitions.check import marks_in
from coordinator.definitions.environments import FIXED_IN_STEPS, Overlay, refuse
from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.merge import Merge
from coordinator.definitions.models import StepKeys
from coordinator.definitions.read import Document, Path
from coordinator.definitions.report import STEP_SPELLINGS, WORKFLOW_SPELLINGS, Reporter
from coordinator.definitions.walk import Found, every_step, keys_of

_PLAIN: Final = ("timeout", "concurrency")


def overlaid(
    document: Document,
    overlay: Overlay,
    workflow: str,
    *,
    step_types: Mapping[str, StepType],
) -> tuple[Document, list[Fault]]:
    """A workflow's document under the overlay, and what is wrong with the overlay of it."""
    put = _Put(document, overlay, ("workflows", workflow), step_types)
    if not isinstance(document.value, Mapping):
        return document, []
    put.declared("variables", overlay.part("variables"), ("variables",), skips_unknown=True)
    put.mapping("defaults", overlay.part("defaults"), ("defaults",))
    mine = overlay.part("workflows", workflow)
    for key in ("variables", "params"):
        put.declared(key, overlay.part("workflows", workflow, key), (*put.at, key))
    put.mapping("defaults", overlay.part("workflows", workflow, "defaults"), (*put.at, "defaults"))
    for key in _PLAIN:
        if key in mine:
            put.key(key, mine[key], (*put.at, key))
    put.steps(overlay.part("workflows", workflow, "steps"))
    return put.merge.document, put.report.faults.found


def overlaid_persona(document: Document, overlay: Overlay) -> Document:
    """A persona's document under the overlay."""
    name = document.value.get("name") if isinstance(document.value, Mapping) else None
    merge = Merge(document)
    for key, value in overlay.part("personas", str(name)).items():
        merge.put((key,), value, source=overlay.document, at=("personas", str(name), key))
    return merge.document


def names_missing(
    overlay: Overlay, workflows: Mapping[str, Collection[str] | None], personas: Collection[str]
) -> list[Fault]:
    """A fault for each workflow, persona and variable of the overlay that there is not.

    `workflows` are the variables that each declares, by id; None where they are not known.
    """
    report = _reporter(overlay)
    for what, known in (("workflow", workflows), ("persona", personas)):
        for name in overlay.part(f"{what}s"):
            if name not in known:
                _missing(what, name, (f"{what}s", name), known, report)
    declared = {name for each in workflows.values() for name in each or ()}
    is_complete = None not in workflows.values()
    for name, value in overlay.part("variables").items():
        if is_complete and value is not None and name not in declared:
            _missing("variable", name, ("variables", name), declared, report)
    return report.faults.found


class _Put:
    """Puts the parts of one overlay over one workflow."""

    def __init__(
        self,
        document: Document,
        overlay: Overlay,
        at: Path,
        step_types: Mapping[str, StepType],
    ) -> None:
        self.merge = Merge(document)
        self.report = _reporter(overlay)
        self.at = at
        self._base = document.value if isinstance(document.value, Mapping) else {}
        self._keys = keys_of(self._base, WORKFLOW_SPELLINGS)
        self._source = overlay.document
        self._step_types = step_types

    def key(self, key: str, value: object, at: Path) -> None:
        """Put a value over a key of the workflow."""
        self.merge.put((self._keys.get(key, key),), value, source=self._source, at=at)

    def mapping(self, key: str, values: Mapping[str, object], at: Path) -> None:
        """Put values over those under a key of the workflow."""
        for name, value in values.items():
            to = (self._keys.get(key, key), name)
            self.merge.put(to, value, source=self._source, at=(*at, name))

    def declared(
        self, key: str, values: Mapping[str, object], at: Path, *, skips_unknown: bool = False
    ) -> None:
        """Put values over those that the workflow declares; any other one is a fault, or passed."""
        found = self._base.get(self._keys.get(key, key))
        known = found if isinstance(found, Mapping) else {}
        for name in values:
            if name not in known and not skips_unknown:
                _missing(key.removesuffix("s"), name, (*at, name), known, self.report)
        there = {name: value for name, value in values.items() if name in known}
        self.mapping(key, there, at)

    def steps(self, changes: Mapping[str, object]) -> None:
        """Put changes over the steps of these ids, wherever they are in the file."""
        if not changes:
            return
        found = {
            step.id: step
            for step in every_step(self._base, self._step_types)
            if isinstance(step.id, str)
        }
        for name, change in changes.items():
            at = (*self.at, "steps", name)
            if name not in found:
                _missing("step", name, at, found, self.report)
            elif isinstance(change, Mapping):
                self._step(found[name], change, at)

    def _step(self, step: Found, change: Mapping[str, object], at: Path) -> None:
        base = step.value if isinstance(step.value, Mapping) else {}
        keys = keys_of(base, STEP_SPELLINGS)
        if "tool" in base:
            keys.setdefault("persona", "tool")
        fixed = set(self._fixed(base))
        for given, value in change.items():
            key = STEP_SPELLINGS.get(given, given)
            if key in fixed or (key == "on_error" and _has_steps(value)):
                refuse(given, (*at, given), self.report)
                continue
            to = (*step.path, keys.get(key, key))
            self.merge.put(to, value, source=self._source, at=(*at, given))

    def _fixed(self, step: Mapping[str, object]) -> Iterator[str]:
        yield from FIXED_IN_STEPS
        step_type = self._step_types.get(str(step.get("type")))
        models: list[type[Any]] = [StepKeys, *([step_type.keys] if step_type else [])]
        for model in models:
            for key, mark in marks_in(model).items():
                if mark in (Mark.STEPS, Mark.CASES):
                    yield key


def _has_steps(on_error: object) -> bool:
    fallback = on_error.get("fallback") if isinstance(on_error, Mapping) else None
    return isinstance(fallback, list | Mapping)


def _reporter(overlay: Overlay) -> Reporter:
    return Reporter(overlay.document.positions, Faults(overlay.document.path))


def _missing(what: str, name: str, at: Path, known: Iterable[str], report: Reporter) -> None:
    near = report.faults.did_you_mean(name, known)
    report.key("WF081", at, f'there is no {what} "{name}" to put this over', near)
