"""One call of `decide` at work: the state it reads, what it has written so far, what it will
command.

A turn writes into small dictionaries of its own; the state that came in stays as it was. What is
left to do is an **agenda** of small items. When one commit has no room for more (`MAX_COMMANDS`),
the rest of the agenda is saved with the run and goes on with a `Continued` event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from typing import Final

from coordinator.core.commands import ClearTimer, Command, SetTimer
from coordinator.core.definition import (
    Ask,
    Channel,
    Graph,
    Node,
    Retry,
    Workflow,
)
from coordinator.core.events import Event, TimerKind
from coordinator.core.ids import static_path
from coordinator.core.places import container_graph, is_place
from coordinator.core.state import (
    NODE_MOVES,
    IllegalMoveError,
    NodeState,
    RunHead,
    RunRecord,
    RunState,
    ScopeState,
)
from coordinator.core.templates import compile_value

MAX_COMMANDS: Final = 500
MAX_NODE_CHANGES: Final = 1_000
CHUNK: Final = 100
"""How many nodes one agenda item handles before it makes room for others."""
PHASE_SCOPES: Final = ("", "finally", "on_failure")
"""Scopes that are a part of the run rather than of a container."""
TERMINATED: Final = "terminated"
"""The outcome of a run that was ended at once; its status is `cancelled`."""
PREPARE: Final = "@prepare"
RELEASE: Final = "@release"
ROLLBACK: Final = "@rollback"
LAND: Final = "@land"
"""What the path of a node ends with while the coordinator applies the patch of its reply."""
PATCH: Final = "@patch"
"""What follows the path of a node where that patch is kept, among the results."""

_GIT_RETRY: Final = Retry(max_attempts=6, delay_ms=1_000, max_delay_ms=30_000)


def _git_node(path: str, operation: str) -> Node:
    ask = Ask(
        channel=Channel.WORK,
        target="git-operation",
        params=compile_value({"operation": operation}),
        timeout=600_000,
    )
    return Node(id=path, path=path, type="git-operation", primitive=ask, retry=_GIT_RETRY)


OWN_NODES: Final[Mapping[str, Node]] = {
    PREPARE: _git_node(PREPARE, "prepare"),
    RELEASE: _git_node(RELEASE, "release"),
    ROLLBACK: _git_node(ROLLBACK, "rollback"),
    LAND: _git_node(LAND, "apply-patch"),
}
"""Work that the coordinator gives itself; it is in no definition."""

_FRESH: Final = NodeState()
Item = tuple[str, ...]


class Turn:
    """The working memory of one decision."""

    def __init__(self, definition: Workflow, state: RunState, event: Event) -> None:
        self.definition: Final = definition
        self.state: Final = state
        self.event: Final = event
        self.head: Final[RunHead] = state.head
        self.at_ms: Final = max(event.at_ms, state.record.at_ms)
        self.record: RunRecord = state.record
        self.settled = state.record.settled
        self.starts = state.record.starts
        self.running = state.record.running
        self.waiting = state.record.waiting
        self.nodes: dict[str, NodeState | None] = {}
        self.scopes: dict[str, ScopeState | None] = {}
        self.results: dict[str, object | None] = {}
        self.values: dict[str, object | None] = {}
        self.commands: list[Command] = []
        self.moves: list[tuple[str, str, int]] = []
        self.agenda: deque[Item] = deque(state.record.agenda)
        self.ignored = ""
        self.refused = ""
        self.undone: Set[str] | None = None
        """What `reopen` has to know of all scopes; found once."""

    # What is

    def find(self, path: str) -> NodeState | None:
        """The node's state; None when nothing has touched it yet."""
        if path in self.nodes:
            return self.nodes[path]
        return self.state.nodes.get(path)

    def node(self, path: str) -> NodeState:
        """The node's state; a fresh one when nothing has touched it yet."""
        state = self.nodes.get(path) or self.find(path)
        return state if state is not None else _FRESH

    def scope(self, path: str) -> ScopeState | None:
        """How far the graph at `path` is; None when it was never opened."""
        if path in self.scopes:
            return self.scopes[path]
        return self.state.scopes.get(path)

    def result(self, path: str) -> object:
        """What the node returned; None also when it returned nothing."""
        if path in self.results:
            return self.results[path]
        return self.state.results.get(path)

    def value(self, name: str) -> object:
        """A value of the workflow's own state."""
        if name in self.values:
            return self.values[name]
        return self.state.values.get(name)

    def value_names(self) -> frozenset[str]:
        """Names that the workflow's own state has."""
        known = frozenset(self.state.values) | frozenset(self.values)
        return frozenset(name for name in known if self.value(name) is not None)

    def define(self, path: str) -> Node:
        """The definition of the node at `path`."""
        there = self.definition.nodes.get(path)
        if there is not None:  # most are neither in a loop nor the coordinator's own
            return there
        mark = path.rfind("@")
        if mark >= 0:
            return OWN_NODES[path[mark:]]
        found = self.definition.node(path)
        if found is None:
            raise KeyError(path)
        return found

    def is_known(self, path: str) -> bool:
        """Whether the definition has a node for this path of a run."""
        mark = path.rfind("@")
        if mark >= 0:
            return path[mark:] in OWN_NODES
        return self.find(path) is not None or is_place(self.definition, path)

    def graph(self, scope: str) -> Graph | None:
        """The graph that runs in the scope at `path`; None when the definition has none there."""
        if not scope:
            return self.definition.graph
        if scope == "finally":
            return self.definition.finally_
        if scope == "on_failure":
            return self.definition.on_failure
        owner, _, last = scope.rpartition("/")
        if last == "undo":
            return self.define(owner).undo
        if last == "fallback":
            return self.define(owner).on_error.graph
        return container_graph(self, scope, self.define(static_path(scope)))

    # What becomes

    def move(self, path: str, after: NodeState) -> None:
        """Write the node's state, having checked the move against the table."""
        before = self.node(path).status
        if after.status is not before and after.status not in NODE_MOVES[before]:
            raise IllegalMoveError(f"node {path}", before, after.status)
        self.nodes[path] = after
        self.moves.append((path, after.status.value, after.attempt))

    def note(self, path: str, after: NodeState) -> None:
        """Write the node's state where its status stays the same."""
        self.nodes[path] = after

    def put_result(self, path: str, result: object) -> None:
        """Keep what the node returned; None keeps nothing."""
        if result is not None or self.result(path) is not None:
            self.results[path] = result

    def put_value(self, name: str, value: object) -> None:
        """Write a value of the workflow's own state; None takes it away."""
        if value is not None or self.value(name) is not None:
            self.values[name] = value

    def command(self, command: Command) -> None:
        """Have this done with the commit."""
        self.commands.append(command)

    def set_timer(self, path: str, attempt: int, kind: TimerKind, delay_ms: int) -> None:
        """Have `TimerFired` come after `delay_ms`."""
        due = self.at_ms + delay_ms
        self.command(SetTimer(node=path, attempt=attempt, kind=kind, due_ms=due))

    def clear_timer(self, path: str, attempt: int, kind: TimerKind) -> None:
        """That timer is not wanted any more."""
        self.command(ClearTimer(node=path, attempt=attempt, kind=kind))

    def push(self, *item: str) -> None:
        """Put an item at the end of the agenda."""
        self.agenda.append(item)

    def push_next(self, *item: str) -> None:
        """Put an item at the front of the agenda."""
        self.agenda.appendleft(item)

    def count(self, *, running: int = 0, waiting: int = 0) -> None:
        """Adjust how many attempts are in flight and how many nodes wait."""
        self.running += running
        self.waiting += waiting

    @property
    def is_full(self) -> bool:
        """Whether this commit has no room for more."""
        return len(self.commands) >= MAX_COMMANDS or len(self.nodes) >= MAX_NODE_CHANGES


def parent_scope(path: str) -> str:
    """The scope that a node is in; empty for the top level."""
    return path.rpartition("/")[0]


def child_path(scope: str, step: str) -> str:
    """The path of a step in a scope."""
    return f"{scope}/{step}" if scope else step


def owner_of(scope: str) -> str:
    """The container whose scope this is: `fix` of `fix#2`, `a` of `a/fallback` and of `a/undo`."""
    head, _, last = scope.rpartition("/")
    if last in ("undo", "fallback"):
        return head
    cut = max(scope.rfind("#"), scope.rfind("["))
    return scope[:cut] if cut > scope.rfind("/") else scope
