"""Intents that come out of `decide`, in the imperative. The shell carries them out in the same
atomic commit that saves the state, so none is lost and none is done for a decision that was not
saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.core.concurrency import OnConflict
from coordinator.core.definition import Channel
from coordinator.core.events import Failure, Parent, TimerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """Ask a persona (or the coordinator's own executors) to do one attempt of a node."""

    channel: Channel
    target: str
    node: str
    attempt: int
    token: str
    payload: Mapping[str, object]
    """JSON: `{task, params, context, files, attempt, feedback}`, for git work `{type, params, …}`,
    for a child run `{run, digest, task, params, …}` (`children.py`).
    """
    deadline_ms: int | None = None
    """When waiting for a worker ends (milliseconds since 1970)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRequest:
    """The attempt is over: take its request off the queue (acknowledge and delete)."""

    channel: Channel
    target: str
    node: str
    attempt: int
    stop: bool = False
    """Tell a worker that may be busy with it to stop; a child run is cancelled."""
    child: str = ""
    """The child run that does the attempt, if one does."""
    at_once: bool = False
    """The child run is terminated instead: neither its `undo` nor its `finally` run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Send `TimerFired` for this node, attempt and kind at `due_ms` (milliseconds since 1970)."""

    node: str
    attempt: int
    kind: TimerKind
    due_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTimer:
    """That timer is not wanted any more."""

    node: str
    attempt: int
    kind: TimerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHuman:
    """Put a question into the inbox of humans."""

    node: str
    attempt: int
    kind: str
    """`human`: answers `approve` or `reject`; `escalation`: `retry`, `skip`, `continue`, `abort`;
    `review`: `continue`, `retry`, `reject`.
    """
    question: Mapping[str, object]
    """JSON: `{title, step, form, assignees, deadline_ms, error, …}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawQuestion:
    """The question is answered or no longer of interest: take it out of the inbox."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueLater:
    """Send this run a `Continued` event: one commit could not hold everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentReply:
    """How a child run ended, for the step that waits for it."""

    parent: Parent
    child: str
    """The run that ended."""
    verdict: str | None = None
    result: object = None
    failure: Failure | None = None
    files: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquireSlot:
    """Ask for a slot of the key, of which this run knows `limit`.

    `SlotGranted` comes when it has one. Runs of a key have their turn in the order in which they
    asked. Where none is free at once, `SKIP` has `SlotRefused` come, and `REPLACE` has the runs
    cancelled that hold the key or wait for it.
    """

    key: str
    limit: int
    on_conflict: OnConflict
    attempt: int
    """How often this run has asked, this time included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSlot:
    """Give the slot back, or stop waiting for it; those whose turn it is then are told."""

    key: str
    limit: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """The run is over; take it off the list of open runs, and tell its parent if it has one."""

    status: str
    reply: ParentReply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenRun:
    """A run that had ended goes on; put it back on the list of open runs."""


Command = (
    SendRequest
    | SettleRequest
    | SetTimer
    | ClearTimer
    | AskHuman
    | WithdrawQuestion
    | ContinueLater
    | AcquireSlot
    | ReleaseSlot
    | EndRun
    | ReopenRun
)
