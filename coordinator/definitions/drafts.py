"""Workflow files on their way to definitions, each after those that its steps run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, Protocol

from coordinator.core.lowering import StepType
from coordinator.definitions.called import Workflows, calls
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.environments import NO_ENVIRONMENTS, Environments
from coordinator.definitions.faults import Faults
from coordinator.definitions.layout import stem_of
from coordinator.definitions.overlay import overlaid
from coordinator.definitions.personas import Personas
from coordinator.definitions.read import Document, read
from coordinator.definitions.report import Reporter
from coordinator.definitions.workflow import (
    WorkflowFile,
    finish_workflow,
    read_workflow,
    workflow_id,
)


class Source(NamedTuple):
    """A workflow file that another one asks for, and the personas around it."""

    path: str
    text: str | bytes
    personas: Personas


class Around(Protocol):
    """Where workflows are looked for that a file runs."""

    def find(self, workflow: str) -> Source | None:
        """The file of the workflow with this id."""

    def names(self) -> Collection[str]:
        """The ids of all that can be found."""


class Nowhere:
    """There is no other workflow."""

    def find(self, _workflow: str) -> Source | None:
        """None."""
        return None

    def names(self) -> Collection[str]:
        """No name."""
        return ()


@dataclass(slots=True, eq=False)
class Draft:
    """A file that was read."""

    path: str
    faults: Faults
    personas: Personas
    named: str
    """The id that the document says, whatever else is wrong with it; empty when it says none."""
    file: WorkflowFile | None
    """None where it is no workflow at all."""
    compiled: Compiled | None = None

    @property
    def id(self) -> str:
        """The id of the workflow; where it says none, what the file's name would make of it."""
        return self.named or stem_of(self.path)

    @property
    def calls(self) -> list[str]:
        """The ids of the workflows that its steps run."""
        return [called for _, called in calls(self.file.names)] if self.file else []

    def finish(self, workflows: Workflows) -> None:
        """Compile it, now that the workflows that it runs are."""
        found = None
        if self.file is not None:
            found = finish_workflow(self.file, self.personas, workflows)
        self.compiled = None if self.faults.has_errors else found


def draft_of(
    source: Source,
    *,
    step_types: Mapping[str, StepType],
    environments: Environments = NO_ENVIRONMENTS,
) -> Draft:
    """The file, read, under the overlay that was chosen."""
    faults = Faults(source.path)
    document = read(source.path, source.text, faults)
    named, file, overlay = id_of(document), None, environments.overlay
    if document is not None and overlay is not None:
        document, more = overlaid(document, overlay, named, step_types=step_types)
        faults.found += more
    if document is not None:
        report = Reporter(document.positions, faults)
        file = read_workflow(document, report, step_types=step_types, environments=environments)
    return Draft(source.path, faults, source.personas, named, file)


def id_of(document: Document | None) -> str:
    """The id that a workflow's document says; empty when it says none."""
    value = document.value if document else None
    name = value.get("name") if isinstance(value, Mapping) else None
    return workflow_id(name) if isinstance(name, str) else ""


def drafts_below(
    first: Draft,
    around: Around,
    *,
    step_types: Mapping[str, StepType],
    environments: Environments = NO_ENVIRONMENTS,
) -> list[Draft]:
    """The draft, and those of all workflows that a run of it may run."""
    found, known = [first], {first.id}
    for each in found:
        for called in each.calls:
            source = None if called in known else around.find(called)
            known.add(called)
            if source is not None:
                found.append(draft_of(source, step_types=step_types, environments=environments))
    return found


@dataclass(slots=True)
class _Order:
    """Drafts by id, and how far they are."""

    drafts: Mapping[str, Draft]
    names: Collection[str]
    compiled: dict[str, Compiled] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def finish(self, workflow: str, circles: Mapping[str, tuple[str, ...]]) -> None:
        draft = self.drafts[workflow]
        draft.finish(Workflows(self.compiled, self.broken, circles, self.names))
        if draft.compiled is None:
            self.broken.add(workflow)
        else:
            self.compiled[workflow] = draft.compiled


def compile_drafts(drafts: Sequence[Draft], *, names: Iterable[str] = ()) -> None:
    """Compile all of them, those first that others run. `names` are the ids of more workflows, for
    hints.

    Of two drafts with the same id the first is the one that others run.
    """
    by_id: dict[str, Draft] = {}
    for draft in drafts:
        by_id.setdefault(draft.id, draft)
    order = _Order(by_id, {*by_id, *names})
    graph = {own: set(each.calls) & by_id.keys() for own, each in by_id.items()}
    left = _finish_in_order(order, graph)
    order.broken |= left
    for own in by_id:
        if own in left:
            ways = {called: _way_back(own, called, graph, left) for called in graph[own]}
            order.finish(own, {called: way for called, way in ways.items() if way is not None})
    for draft in drafts:
        if draft is not by_id[draft.id]:
            draft.finish(Workflows(order.compiled, order.broken, {}, order.names))


def _finish_in_order(order: _Order, graph: Mapping[str, set[str]]) -> set[str]:
    """Finish what can be; the ids of those that run each other in a circle, or such a one."""
    sorter = TopologicalSorter({own: sorted(called - {own}) for own, called in graph.items()})
    left = set(graph)
    with suppress(CycleError):  # the sorter still gives all that are before the circles
        sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        if not ready:
            break
        for own in ready:
            order.finish(own, {own: ()} if own in graph[own] else {})
        left.difference_update(ready)
        sorter.done(*ready)
    return left


def _way_back(
    own: str, called: str, graph: Mapping[str, set[str]], among: Collection[str]
) -> tuple[str, ...] | None:
    """The ids from the one that `called` runs to `own`; None where none leads there."""
    if called == own:
        return ()
    ways: dict[str, tuple[str, ...]] = {called: ()}
    pending = [called]
    for each in pending:
        for after in sorted(graph[each]):
            if after == own:
                return (*ways[each], own)
            if after in among and after not in ways:
                ways[after] = (*ways[each], after)
                pending.append(after)
    return None
