"""A compiled workflow: what could happen, with every default filled in and every reference checked.

Step types never reach the core. They are *lowered*, when a definition is compiled, to the
primitives below; `decide` knows nothing else. Every step sits in a `Graph`; containers hold graphs.

| primitive | what it asks of `decide`                  | lowered from                   |
|-----------|-------------------------------------------|--------------------------------|
| `Ask`     | send a request, settle with the reply     | persona-request, git-operation, |
|           |                                           | human, workflow, plugin types  |
| `Scope`   | run a graph; done when enough of it is    | parallel                       |
| `Choose`  | run one branch: the first whose condition | conditional, switch            |
|           | holds, or the one that a value names      |                                |
| `Map`     | run a graph once for each item of a list  | foreach                        |
| `Loop`    | run a graph again until a condition holds | repeat                         |
| `Compute` | write values into the workflow's own state | set                           |
| `Wait`    | let time pass, or wait for a named signal | wait                           |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from coordinator.core.concurrency import Concurrency
from coordinator.core.expressions import Expression
from coordinator.core.ids import Digest, static_path, underscored
from coordinator.core.retries import RETRIED_BY_DEFAULT as RETRIED_BY_DEFAULT
from coordinator.core.retries import Backoff as Backoff
from coordinator.core.retries import ErrorClass as ErrorClass
from coordinator.core.retries import Retry as Retry
from coordinator.core.schemas import Contract, Schema
from coordinator.core.templates import Value

DEFAULT_TIMEOUT_MS: Final = 3_600_000
"""What an attempt may take where nobody said anything."""


class Join(StrEnum):
    """Which outcomes of its dependencies let a node run (`ALWAYS` is read as `ALL_SETTLED`)."""

    NONE_FAILED = "none_failed"
    ALL_SUCCEEDED = "all_succeeded"
    ANY_SUCCEEDED = "any_succeeded"
    ANY_FAILED = "any_failed"
    ALL_SETTLED = "all_settled"


class OnErrorAction(StrEnum):
    """What a failure does once retries are used up."""

    ABORT = "abort"
    CONTINUE = "continue"
    FALLBACK = "fallback"
    ESCALATE = "escalate"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnError:
    """The action, and for `FALLBACK` the persona to ask instead or the steps to run instead."""

    action: OnErrorAction = OnErrorAction.ABORT
    persona: str | None = None
    graph: Graph | None = None


class Channel(StrEnum):
    """Who is asked: a persona's worker, the coordinator's own executor, a human's inbox, or a run
    of another workflow.
    """

    PERSONA = "persona"
    WORK = "work"
    HUMAN = "human"
    CHILD = "child"


class Files(StrEnum):
    """Whether a request carries the run's files, and whether the reply may change them."""

    NONE = "none"
    READ = "read"
    PATCH = "patch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A typed input of a workflow."""

    name: str
    type: str = "string"
    required: bool = False
    default: object = None
    enum: tuple[object, ...] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a step may change in the repository (globs); None = the defaults of the
    git operation.
    """

    branches: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    push: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to somebody, and its reply."""

    channel: Channel
    target: str
    """The persona's name, the type name whose executor runs (`git-operation`), `human`, or the id
    of the workflow that is run.
    """
    params: Value
    files: Files = Files.NONE
    timeout: Value | int | None = DEFAULT_TIMEOUT_MS
    """Per attempt, from dispatch: milliseconds, or a template that gives a duration; None, only of
    a child run, sets no limit.
    """
    deadline: Value | int | None = None
    """How long the request may wait for a worker, or a human's answer may take."""
    tests_required: bool = False
    """A pass that says no tests ran counts as fail."""
    limits: Limits = Limits()
    form: Mapping[str, object] = field(default_factory=dict)
    """Of a human: field name -> {type, …}."""
    assignees: tuple[str, ...] = ()
    on_deadline: Mapping[str, object] | None = None
    """Of a human: the answer that the deadline gives; None fails with `human_timeout`."""
    child: Digest | None = None
    """Of a child run: which definition of the workflow."""
    parameters: tuple[Parameter, ...] = ()
    """Of a child run: what the workflow takes."""


class OnRest(StrEnum):
    """What happens to branches still running once enough of them succeeded."""

    CANCEL = "cancel"
    KEEP = "keep"


class OnBranchError(StrEnum):
    """What a failed branch does to its siblings."""

    FAIL_FAST = "fail_fast"
    WAIT_ALL = "wait_all"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Run a graph; succeed when `need` of its nodes have (None = none may fail)."""

    graph: Graph
    need: int | None = None
    on_rest: OnRest = OnRest.CANCEL
    on_branch_error: OnBranchError = OnBranchError.FAIL_FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One way of a `Choose`: taken when `when` holds, or when the value's text is `case`."""

    graph: Graph
    when: Expression | None = None
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """Run one branch, else `otherwise`, else nothing.

    With `on` that is the branch whose `case` its value's text equals, without it the first one
    whose condition holds.
    """

    branches: tuple[Branch, ...]
    otherwise: Graph | None = None
    on: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Run the graph once for each item, begun in order, at most `max_concurrent` at a time."""

    graph: Graph
    items: Value
    """Gives a list when the node begins."""
    as_name: str = "item"
    """The name under which the steps inside read their item."""
    max_concurrent: int = 20
    on_branch_error: OnBranchError = OnBranchError.FAIL_FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Run the graph, at most `max_iterations` times, until `until` holds after an iteration."""

    graph: Graph
    until: Expression | None
    max_iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Write values into the workflow's own state; they are all rendered before any is written."""

    values: Value
    """A mapping from name to value; a null takes the name away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let time pass, or wait for a signal; exactly one of the first three is given."""

    duration: Value | int | None = None
    """How long: milliseconds, or a template that gives a duration."""
    until: Value | int | None = None
    """Until when: milliseconds since 1970, or a template that gives a moment with a zone."""
    signal: str | None = None
    timeout: Value | int | None = None
    """How long a signal may take to come; None waits for ever."""


Primitive = Ask | Scope | Choose | Map | Loop | Compute | Wait

CONTAINERS: Final = (Scope, Choose, Map, Loop)
"""The primitives that hold graphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step of the definition, at its place."""

    id: str
    path: str
    """Static: container ids and this id, joined by `/`."""
    type: str
    """The step type as written, for people."""
    primitive: Primitive
    index: int = 0
    """Its position in its graph; patches of concurrent nodes are applied in this order."""
    name: str = ""
    dependencies: tuple[str, ...] = ()
    """Ids in the same graph: named ones, then those that references made."""
    dependents: tuple[str, ...] = ()
    join: Join = Join.NONE_FAILED
    condition: Expression | None = None
    gate: str | None = None
    required: bool = False
    review: bool = False
    retry: Retry = field(default_factory=Retry)
    on_error: OnError = OnError()
    undo: Graph | None = None
    description: str = ""
    outputs: Mapping[str, Value] = field(default_factory=dict)
    """Rendered when it has succeeded; they become keys of the step."""
    result_schema: Schema | None = None
    """What a final reply has to fit, besides what the persona's file asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Steps and the edges between them; `nodes` is in file order."""

    path: str
    """What a child's static path begins with, without the slash; empty for the top level."""
    nodes: Mapping[str, Node]
    roots: tuple[str, ...]
    """Ids of the nodes without dependencies, in file order."""


def ask_of(node: Node) -> Ask:
    """The node's `Ask`.

    Raises:
        TypeError: the node has another primitive; a bug of the caller.
    """
    if not isinstance(node.primitive, Ask):
        raise TypeError(f"{node.path} asks nobody")
    return node.primitive


class NamedNode(NamedTuple):
    """Where a step id leads."""

    path: str
    is_repeated: bool
    """It is inside a loop or a map, so that a run has one of it per iteration or item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A whole compiled definition. Equal digests mean equal behaviour."""

    id: str
    """The lower-cased name with other characters as dashes; what people type."""
    name: str
    version: str
    digest: Digest
    graph: Graph
    on_failure: Graph | None = None
    finally_: Graph | None = None
    parameters: tuple[Parameter, ...] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)
    outputs: Mapping[str, Value] = field(default_factory=dict)
    concurrency: Concurrency | None = None
    timeout_ms: int | None = None
    max_steps: int = 10_000
    """Node starts of one run; iterations of loops count."""
    limits: Limits = Limits()
    uses_files: bool = False
    """Whether any step needs the run's git ref; then it is prepared before the first step."""
    merges: bool = False
    """Whether any step brings the run to its base branch."""
    description: str = ""
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    """By name, the personas it asks whose files have schemas."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    """Every node by its static path, those inside containers, undo and finally included."""
    children: Mapping[Digest, Workflow] = field(default_factory=dict)
    """The workflows that its steps run, and those that these run, by digest."""
    env: Mapping[str, object] = field(default_factory=dict)
    """The values of the environment that the definition reads."""
    names: Mapping[str, NamedNode] = field(init=False)
    """Every node by the name that expressions use for it."""
    item_names: frozenset[str] = field(init=False)
    """The names that maps give their items."""
    signals: frozenset[str] = field(init=False)
    """The names of the signals that some node waits for."""

    def __post_init__(self) -> None:
        loops = tuple(
            f"{path}/"
            for path, node in self.nodes.items()
            if isinstance(node.primitive, Loop | Map)
        )
        maps = (each.primitive for each in self.nodes.values())
        items = frozenset(each.as_name for each in maps if isinstance(each, Map))
        names = {
            underscored(node.id): NamedNode(
                path, is_repeated=bool(loops) and path.startswith(loops)
            )
            for path, node in self.nodes.items()
        }
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "item_names", items)
        waits = (node.primitive for node in self.nodes.values())
        signals = frozenset(one.signal for one in waits if isinstance(one, Wait) and one.signal)
        object.__setattr__(self, "signals", signals)

    def node(self, path: str) -> Node | None:
        """The definition of the node at `path` of a run."""
        return self.nodes.get(static_path(path))
