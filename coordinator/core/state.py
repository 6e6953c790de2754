"""The state of a run, and the state machine as a table.

`RunState` is what `decide` takes and returns. It is persistent: a new one shares everything that
did not change with the old one. A store keeps it as one field per entry, so that a commit writes
only what changed; `Decision.changes` names exactly those fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from coordinator.core.events import Parent
from coordinator.core.pmap import PMap


class RunStatus(StrEnum):
    """Where a run is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in _FINAL_RUN


class NodeStatus(StrEnum):
    """Where a node is."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    WAITING = "waiting"
    AWAITING_REVIEW = "awaiting_review"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to the node."""
        return self in SETTLED


_FINAL_RUN: Final = frozenset(
    {RunStatus.SUCCEEDED, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.CANCELLED}
)
SETTLED: Final = frozenset(
    {NodeStatus.SUCCEEDED, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELLED}
)

_N = NodeStatus
_ENDS: Final = frozenset({_N.SUCCEEDED, _N.FAILED, _N.SKIPPED, _N.CANCELLED})
_UNDER_WAY: Final = frozenset({_N.RUNNING, _N.WAITING, _N.BACKING_OFF, _N.AWAITING_REVIEW})
NODE_MOVES: Final[Mapping[NodeStatus, frozenset[NodeStatus]]] = {
    _N.PENDING: frozenset({_N.READY, *_UNDER_WAY}) | _ENDS,
    _N.READY: _UNDER_WAY | _ENDS,
    _N.RUNNING: frozenset({_N.READY, _N.BACKING_OFF, _N.WAITING, _N.AWAITING_REVIEW}) | _ENDS,
    _N.BACKING_OFF: frozenset({_N.READY, _N.RUNNING, _N.WAITING}) | _ENDS,
    _N.WAITING: frozenset({_N.READY, _N.RUNNING, _N.BACKING_OFF, _N.AWAITING_REVIEW}) | _ENDS,
    _N.AWAITING_REVIEW: frozenset({_N.READY, _N.WAITING, _N.RUNNING}) | _ENDS,
    _N.SUCCEEDED: frozenset(),
    _N.FAILED: frozenset(),
    _N.SKIPPED: frozenset(),
    _N.CANCELLED: frozenset(),
}
"""Which status may follow which; a move that is not listed is a bug and raises."""

_R = RunStatus
RUN_MOVES: Final[Mapping[RunStatus, frozenset[RunStatus]]] = {
    _R.PENDING: frozenset({_R.RUNNING, _R.WAITING, _R.PAUSED, *_FINAL_RUN}),
    _R.RUNNING: frozenset({_R.PENDING, _R.WAITING, _R.PAUSED, *_FINAL_RUN}),
    _R.WAITING: frozenset({_R.RUNNING, _R.PAUSED, *_FINAL_RUN}),
    _R.PAUSED: frozenset({_R.PENDING, _R.RUNNING, _R.WAITING, *_FINAL_RUN}),
    _R.SUCCEEDED: frozenset({_R.PENDING, _R.RUNNING}),
    _R.STOPPED: frozenset({_R.PENDING, _R.RUNNING}),
    _R.FAILED: frozenset({_R.PENDING, _R.RUNNING}),
    _R.CANCELLED: frozenset({_R.PENDING, _R.RUNNING}),
}
"""Which status may follow which; only a person's retry leads on from an end."""


class Phase(StrEnum):
    """Which part of the workflow a run is in; they follow each other in this order."""

    QUEUED = "queued"
    PREPARING = "preparing"
    MAIN = "main"
    UNDO = "undo"
    ON_FAILURE = "on_failure"
    FINALLY = "finally"
    RELEASING = "releasing"
    ENDED = "ended"


class NodeState(NamedTuple):
    """One node of one run."""

    status: NodeStatus = NodeStatus.PENDING
    attempt: int = 0
    unsettled: int = 0
    """While pending: how many dependencies have not settled yet."""
    succeeded: int = 0
    """While pending: dependencies that succeeded, tolerated failures included."""
    failed: int = 0
    """While pending: dependencies that failed and were not tolerated, or were cancelled."""
    failed_ones: int = 0
    """While pending: dependencies that failed, tolerated ones included, cancelled ones not."""
    iteration: int = 0
    """Of a loop: the current or last one, from 1. Of a map: how many items have begun."""
    iterations_before: int = 0
    """Of a loop: iterations of earlier attempts, which do not count against `max_iterations`."""
    branch: int = -1
    """Of a choice: which branch runs; -1 none, len(branches) the `otherwise`."""
    started_ms: int = 0
    ended_ms: int = 0
    settled: int = 0
    """The how-manieth node of the run to settle, from 1; 0 = not settled."""
    persona: str = ""
    """Who was asked, where it is not the step's own persona (a fallback)."""
    verdict: str | None = None
    error: Mapping[str, object] | None = None
    """`{class, message}` of the last failed attempt."""
    reason: str = ""
    """Why it was skipped or cancelled, or what it waits for, in words."""
    detail: object = None
    """Facts behind `reason` as JSON: operand values of a condition; while it waits for a time or a
    signal, what for.
    """
    is_tolerated: bool = False
    """It failed, and `on_error: continue` made that count as succeeded."""
    is_escalated: bool = False
    """It failed, and the question that waits for a human is what to do now."""
    spent: int = 0
    """Attempts of earlier rounds, before its container began again; they do not
    count as retries.
    """
    answered: str = ""
    """Id of the last answer applied; the same one again is a repetition."""
    is_handed_on: bool = False
    """Its attempt is over, and what follows from it still runs: its patch lands, or its fallback.
    """
    is_referenced: bool = False
    """What it returned is kept apart, and its result is `{ref, bytes, sha256}` of that."""
    is_cancelling: bool = False
    """A container whose steps are being cancelled; it is cancelled with the last of them."""
    child: str = ""
    """The run that does, or did, the last attempt of a step that runs another workflow."""
    goes_on: bool = False
    """A container that, when it begins, goes on where an earlier round of the run left it."""
    then: str = ""
    """With `is_cancelling`, where a person asked for it: `skipped` or `again` instead."""
    is_held: bool = False
    """It may start, and waits to be let go because the run advances by hand."""
    is_let_go: bool = False
    """A person let it start."""
    is_done: bool = False
    """It did what it should; whether that stays was, or is, for a person to say."""
    changed: Mapping[str, object] | None = None
    """What a person changed for its later attempts: `{params, prompt}`, and what was
    said last, `{comment, by, attempt}`.
    """

    @property
    def asks_a_human(self) -> bool:
        """Whether a question of it is in the inbox; else what waits is a `wait`."""
        is_wait = isinstance(self.detail, Mapping) and "since_ms" in self.detail
        return self.status is NodeStatus.WAITING and (self.is_escalated or not is_wait)

    @property
    def awaited_signal(self) -> str:
        """The name of the signal that it waits for; empty when it waits for none."""
        about = self.detail if self.status is NodeStatus.WAITING else None
        return str(about.get("signal") or "") if isinstance(about, Mapping) else ""

    @property
    def has_succeeded(self) -> bool:
        """Whether it counts as succeeded for those who follow: tolerated failures do."""
        return self.status is NodeStatus.SUCCEEDED or self.is_tolerated

    @property
    def has_failed(self) -> bool:
        """Whether it failed, and the failure was not tolerated."""
        return self.status is NodeStatus.FAILED and not self.is_tolerated


class ScopeState(NamedTuple):
    """How far one graph of a run is: the root, a container's, one iteration's, one item's.

    Of a map itself it counts items; what it says of verdicts is of the steps inside them.
    """

    unsettled: int
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    passes: int = 0
    fails: int = 0
    unknowns: int = 0
    is_closed: bool = False
    """Nothing in it starts any more: it was cancelled, failed, or had enough."""
    patchers: tuple[str, ...] = ()
    """Nodes in flight whose reply may change files, in step order."""
    is_kept: bool = False
    """Its container had enough and has succeeded; what is left runs to its own end."""
    kept: int = 0
    """How many kept scopes there are below it."""
    again: int = 0
    """Of a map that goes on: from which item on to look for the next one to begin again."""
    left: int = 0
    """Of a map that goes on: how many items there are still to begin again."""

    @property
    def verdict(self) -> str | None:
        """`fail` if any node's is, else `unknown` if any is, else `pass`; None without any."""
        if self.fails:
            return "fail"
        if self.unknowns:
            return "unknown"
        return "pass" if self.passes else None


class RunHead(NamedTuple):
    """What is written once, when the run starts."""

    workflow: str
    version: str
    digest: str
    revision: str | None
    task: Mapping[str, object]
    params: Mapping[str, object]
    variables: Mapping[str, object]
    env: Mapping[str, object]
    created_ms: int
    seed: str
    may_push: bool
    parent: Parent | None = None
    """Of a child run: whose step it is."""


class RunRecord(NamedTuple):
    """The small changing part of a run."""

    status: RunStatus = RunStatus.PENDING
    phase: Phase = Phase.PREPARING
    at_ms: int = 0
    """The time of the last event applied."""
    settled: int = 0
    """How many nodes have settled; numbers `NodeState.settled`."""
    starts: int = 0
    """How many node starts there were, against `max_steps`."""
    running: int = 0
    """Attempts in flight with a persona or executor."""
    waiting: int = 0
    """Nodes that wait for a human, a signal or a time."""
    outcome: str = ""
    """The ending that is already certain while `undo` and `finally` still run."""
    error: Mapping[str, object] | None = None
    """`{class, message, node}` of what failed the run."""
    paused_ms: int = 0
    """When it was paused; 0 = it is not."""
    steered: str = ""
    """Id of the newest pause or resume; an older one that comes late means nothing any more."""
    rolls_back: bool = False
    """A step failed that asks for what the run pushed to be rolled back."""
    round: int = 1
    """How often it has begun: once, and once more for every retry after its end."""
    begun_by: str = ""
    """Id of the retry that began this round; what was sent before it is about an earlier one."""
    advance: str = ""
    """`manual` while the run advances by hand."""
    slot: str = ""
    """The concurrency key that it holds or waits for; empty = it has none."""
    slot_attempt: int = 0
    """How often it has asked for a slot of its key."""
    asked_ms: int = 0
    """When it asked for one last."""
    granted_ms: int = 0
    """When it was given one; 0 = it has none yet."""
    files: Mapping[str, object] | None = None
    """`{repo, ref, branch, base_branch, base_revision, revision}` of the run's git ref."""
    files_as_of: str = ""
    """The entry that told last where `files` are; empty where they are as the run began with."""
    agenda: tuple[tuple[str, ...], ...] = ()
    """Work that did not fit into the last commit."""
    undoing: tuple[str, ...] = ()
    """Nodes that are undone next, some at a time; the one that settled last comes last."""
    outputs: object = None
    ended_ms: int = 0
    artifacts: int = 0
    """How many nodes have succeeded with artifacts; see `core.artifacts`."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A run. `nodes`, `scopes`, `results` and `values` are keyed by node path."""

    id: str
    head: RunHead
    record: RunRecord
    nodes: PMap[NodeState] = field(default_factory=PMap)
    scopes: PMap[ScopeState] = field(default_factory=PMap)
    results: PMap[object] = field(default_factory=PMap)
    """What settled nodes returned; a null result has no entry. Paths with an `@` are no nodes':
    `<node>@patch` is a patch that waits to land, `@signal/<name>` who waits for a signal,
    with those that are kept below it.
    """
    values: PMap[object] = field(default_factory=PMap)
    """What the workflow's own state holds (`set`), by name."""


class Changes(NamedTuple):
    """The parts of a run that a decision wrote; None for a removed entry."""

    head: RunHead | None
    """Only with the first event."""
    record: RunRecord
    nodes: Mapping[str, NodeState | None]
    scopes: Mapping[str, ScopeState | None]
    results: Mapping[str, object | None]
    values: Mapping[str, object | None]


class IllegalMoveError(Exception):
    """The decider tried a status change that the table does not list: a bug of ours."""

    def __init__(self, what: str, before: str, after: str) -> None:
        super().__init__(f"{what} cannot move from {before} to {after}")
        self.what = what
        self.before = before
        self.after = after
