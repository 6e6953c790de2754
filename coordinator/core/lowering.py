"""How a step type becomes a primitive: what a type says of itself, and what it gets to work with.

A step type is data: its name, a model of the keys that are its own, and one pure function. The
compiler checks the keys against the model, compiles what the marks below say is more than a plain
value, and hands the parts to `lower`. So a type never sees YAML, positions or other steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from coordinator.core.definition import (
    DEFAULT_TIMEOUT_MS,
    Channel,
    Files,
    Graph,
    Limits,
    Parameter,
    Primitive,
)
from coordinator.core.expressions import Expression
from coordinator.core.ids import Digest
from coordinator.core.templates import Value


class Mark(Enum):
    """What a key of a model holds beyond its plain type; put into `Annotated[..., Mark.X]`."""

    STEPS = "steps"
    """A list of steps (or a mapping from id to step): it arrives as a `Graph`."""
    CASES = "cases"
    """A mapping from a value to a list of steps: it arrives as a mapping from text to `Graph`."""
    CONDITION = "condition"
    """A condition over what is known before the step starts: it arrives as an `Expression`."""
    CONDITION_AFTER = "condition_after"
    """A condition that is asked after the step's own inner steps, and may name them."""
    TEMPLATE = "template"
    """Any value whose texts may be templates; it arrives as written."""
    DURATION = "duration"
    """A duration: it arrives in milliseconds."""
    DURATION_TEMPLATE = "duration_template"
    """A duration, or a template that gives one: milliseconds, or a `Value`."""
    MOMENT_TEMPLATE = "moment_template"
    """A moment with a zone, or a template that gives one: milliseconds since 1970, or a `Value`."""
    STATE_VALUES = "state_values"
    """A mapping from names of the workflow's own state to values as `TEMPLATE` has them."""
    ITEM_NAME = "item_name"
    """The name under which the steps inside read what they run for; they run once for each."""


class StepKeyError(ValueError):
    """A key of a step does not fit the step's other keys; raised by `StepType.lower`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """What a step has to know of the persona that it asks."""

    name: str
    channel: Channel = Channel.PERSONA
    files: Files = Files.NONE
    tests_required: bool = False
    form: Mapping[str, object] = field(default_factory=dict)
    assignees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a step has to know of the workflow that it runs."""

    id: str
    digest: Digest
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One step, checked and compiled, ready to be put together."""

    id: str
    type: str
    own: Mapping[str, Any]
    """The type's own keys by name, defaults filled in, marked ones compiled."""
    params: Mapping[str, object]
    """The step's `params` as written; templates in it are known to compile."""
    timeout: Value | int = DEFAULT_TIMEOUT_MS
    """The step's, else the persona's, else the file's default."""
    given_timeout: Value | int | None = None
    """The same without the file's default: None where neither step nor persona gives one."""
    limits: Limits = field(default_factory=Limits)
    addressee: Addressee | None = None
    """Only for types that ask a persona."""
    called: Called | None = None
    """Only for types that run a workflow."""

    def graph(self, key: str) -> Graph | None:
        """The compiled steps under `key`; None where the file has none."""
        found = self.own.get(key)
        return found if isinstance(found, Graph) else None

    def condition(self, key: str) -> Expression | None:
        """The compiled condition under `key`; None where the file has none."""
        found = self.own.get(key)
        return found if isinstance(found, Expression) else None


class Need(StrEnum):
    """What has to be there when a step of a type runs."""

    PERSONA = "persona"
    """A worker that serves the persona."""
    EXECUTOR = "executor"
    """A coordinator that does work of its own."""
    GIT = "git"
    """The program `git`, where the executor is."""
    REPOSITORY = "repository"
    """The task names a repository, or the coordinator has one of its own."""
    HUMAN = "human"
    """Somebody who answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What one value of a type's `variant_key` takes and gives."""

    params: tuple[str, ...]
    """The names that `params` may have."""
    result: Mapping[str, Any]
    """JSON Schema of the step's result."""


class Doubt(NamedTuple):
    """Something in a step's keys that compiles and cannot be meant."""

    path: tuple[str | int, ...]
    """The key, and the place in its value."""
    message: str
    is_idle: bool = False
    """Whether it does nothing, rather than failing the step when it runs."""


def _no_doubts(own: Mapping[str, Any], common: Mapping[str, Any]) -> Iterable[Doubt]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepType:
    """One step type, built-in or plugin."""

    name: str
    description: str
    keys: type[Any]
    """A pydantic model of the type's own keys, some of them marked with `Mark`."""
    lower: Callable[[Parts], Primitive]
    """Pure: the same parts give the same primitive. Raises `StepKeyError`."""
    asks_persona: bool = False
    runs_workflow: bool = False
    """Its own key `workflow` names another workflow."""
    executor: type[Any] | None = None
    """A `WorkflowStep` whose `execute` does the work, for types that do work of their own."""
    all_inner_succeed: Callable[[dict[str, Any]], bool] | None = None
    """Of a container: whether, with these own keys, its success means that each inner step
    succeeded or was skipped."""
    unused: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _: ()
    """Which keys of every step do nothing here, given the type's own keys."""
    is_loop: bool = False
    """Its inner steps run more than once, so they know their `iteration`."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of what the step leaves in `steps.<id>.result`; empty where nothing is known."""
    variant_key: str = ""
    """The own key whose value decides what `params` and the result are."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """By value of that key."""
    doubts: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Doubt]] = _no_doubts
    """What in the type's own keys, and in those of every step, cannot be meant; templates stand
    there as they are written."""
    has_verdict: bool = True
    """Whether a step of the type may conclude something; a container concludes what the steps
    inside it do."""
    also_needs: tuple[Need, ...] = ()
    """What it needs that does not follow from whom it asks."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """Everything it needs."""
        asked = (Need.PERSONA,) if self.asks_persona else ()
        done = (Need.EXECUTOR,) if self.executor is not None else ()
        return (*asked, *done, *self.also_needs)
