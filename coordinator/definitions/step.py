"""A step between file and node: checked keys, the lists inside it, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from coordinator.core.definition import Parameter
from coordinator.core.expressions import Expression
from coordinator.core.lowering import StepType
from coordinator.core.references import Reference
from coordinator.core.schemas import Schema
from coordinator.definitions.check import Checked
from coordinator.definitions.environments import NO_ENVIRONMENTS, Environments
from coordinator.definitions.read import Path
from coordinator.definitions.report import Named


class Part(Enum):
    """What a list of steps is for, which decides when it runs."""

    MAIN = "main"
    INNER = "inner"
    """A container's own steps."""
    FALLBACK = "fallback"
    """Instead of a step that failed, in its place."""
    UNDO = "undo"
    """At the end of a failed run, for a step that had finished."""
    ON_FAILURE = "on_failure"
    FINALLY = "finally"


class How(Enum):
    """In what kind of text something is read."""

    TEMPLATE = "template"
    """A missing value is an error at run time."""
    CONDITION = "condition"
    """A missing value is null."""
    AFTER = "after"
    """A condition asked after the step's inner steps."""
    OUTPUT = "output"
    """A template rendered after the step's own success, inner steps included."""
    LABEL = "label"
    """A template for people; it makes no edge."""


@dataclass(frozen=True, slots=True)
class Read:
    """One place where a step reads something."""

    reference: Reference
    at: Path
    how: How


@dataclass(slots=True, eq=False)
class Step:
    """One step of a file."""

    id: str
    path: str
    """Static path."""
    type: StepType | None
    """None when it is unknown, or not available."""
    named: Named
    common: Checked
    own: Checked
    within: StepList
    index: int
    bit: int = 0
    """Its number among all the file's steps."""
    lists: dict[str, StepList] = field(default_factory=dict)
    """The lists inside it by key, `undo` and `fallback` included."""
    item_name: str | None = None
    """What the steps inside call the item that they run for; None where they run for none."""
    conditions: dict[str, Expression] = field(default_factory=dict)
    result_schema: Schema | None = None
    reads: list[Read] = field(default_factory=list)
    edges: dict[str, Read | None] = field(default_factory=dict)
    """Ids in the same list that it waits for; with the read that made an edge that has no name."""

    @property
    def chooses(self) -> bool:
        """Whether its condition picks a branch instead of skipping it."""
        return "condition" in self.own.values

    @property
    def tolerates_failure(self) -> bool:
        """Whether it counts as succeeded even when it failed."""
        return bool(self.common["on_error"] == "continue")

    @property
    def succeeds_otherwise(self) -> bool:
        """Whether it may count as succeeded although its own steps did not succeed."""
        return self.tolerates_failure or isinstance(self.common["on_error"], Mapping)

    def origin(self, *location: str | int) -> Path:
        """Where one of its keys came from."""
        return self.named.origin(*location)

    def items_around(self) -> list[Step]:
        """The steps around it that run what is in them once for each item, innermost first."""
        if self.within.owner is None:
            return []
        lists = [self.within, *(each.within for each in self.ancestors())]
        owners = [each.owner for each in lists if each.part is Part.INNER]
        return [each for each in owners if each is not None and each.item_name]

    def ancestors(self) -> list[Step]:
        """The steps around it, innermost first."""
        found: list[Step] = []
        around = self.within.owner
        while around is not None:
            found.append(around)
            around = around.within.owner
        return found


@dataclass(slots=True, eq=False)
class StepList:
    """Steps that may depend on each other."""

    path: str
    part: Part
    key: str
    """The key of the file that it stands under."""
    owner: Step | None = None
    case: str | None = None
    """Of one of several lists under the key: the value that it is for."""
    steps: dict[str, Step] = field(default_factory=dict)
    """By id, in file order."""

    def chain(self) -> list[StepList]:
        """From the outermost list that this one is in to this one."""
        found = [self]
        while found[-1].owner is not None:
            found.append(found[-1].owner.within)
        return found[::-1]


@dataclass(slots=True)
class Names:
    """What a file defines."""

    steps: dict[str, Step] = field(default_factory=dict)
    """Every step of the file by the name that expressions use, in file order."""
    parameters: frozenset[str] = frozenset()
    declared: Mapping[str, Parameter] = field(default_factory=dict)
    """The parameters with their types."""
    variables: frozenset[str] = frozenset()
    state: dict[str, list[Step]] = field(default_factory=dict)
    """The steps that write a value of the workflow's own state, by its name."""
    environments: Environments = NO_ENVIRONMENTS
    env: set[str] = field(default_factory=set)
    """What the file reads of `env`; the name `*` stands for all of it."""
    unreadable: set[str] = field(default_factory=set)
    """Ids inside steps of types that are not available: known, but not looked into."""

    def env_read(self) -> dict[str, object]:
        """The values of the environment that the file reads."""
        there = self.environments.values
        return {key: there[key] for key in sorted(there) if key in self.env or "*" in self.env}

    def all_steps(self) -> list[Step]:
        """Every step of the file, in file order, a container before what is in it."""
        return list(self.steps.values())


def plain_steps(steps: StepList) -> list[Any]:
    """The list as it stands in the canonical document."""
    return [plain_step(each) for each in steps.steps.values()]


def plain_step(step: Step) -> dict[str, object]:
    """The step with canonical keys, as JSON."""
    plain: dict[str, object] = {**step.common.plain, **step.own.plain}
    by_case: dict[str, dict[str, object]] = {}
    for key, inner in step.lists.items():
        if key == "fallback":
            plain["on_error"] = {"fallback": plain_steps(inner)}
        elif inner.case is not None:
            by_case.setdefault(inner.key, {})[inner.case] = plain_steps(inner)
        else:
            plain[key] = plain_steps(inner)
    return {**plain, **by_case}
