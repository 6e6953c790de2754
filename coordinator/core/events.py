"""Facts that go into `decide`, in the past tense.

Every event carries what a rule may need of the world: when it happened by the clock of Redis
(`at_ms`, milliseconds since 1970, never below the run's last), a `seed` for chance, and an `id`
under which a repeated delivery is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

AUTO: Final = "auto"
MANUAL: Final = "manual"
"""How a run advances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    id: str
    run: str
    at_ms: int
    seed: str = ""


class Parent(NamedTuple):
    """The step of another run that a run was started by, and that waits for its end."""

    run: str
    node: str
    attempt: int
    token: str
    depth: int = 1
    """How many runs are above this one."""
    files_of: str = ""
    """The run whose git ref both work on; empty where each has one of its own, or none."""
    keys: tuple[str, ...] = ()
    """Concurrency keys that the runs above hold; a child needs no slot of its own of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Event):
    """A task was accepted; this is its run's first event."""

    workflow: str
    digest: str
    revision: str | None = None
    """`ref@sha1:<commit>` of the definition's source, for people."""
    task: Mapping[str, object]
    params: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, object] = field(default_factory=dict)
    may_push: bool = True
    idempotency_key: str | None = None
    parent: Parent | None = None
    """Of a child run: whose step it is."""
    files: Mapping[str, object] | None = None
    """Of a child run: where the parent's files are, which it works on too."""
    problem: str = ""
    """Why the run can do nothing but fail at once."""
    advance: str = AUTO
    """`manual` holds every node before it starts, until somebody lets it go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed. `error_class` is one of `definition.ErrorClass`."""

    error_class: str
    message: str
    retryable: bool | None = None
    """What the replier said; None leaves it to the step's `retry.on`."""


class ReplyStatus(StrEnum):
    """What a reply says of its request."""

    DONE = "done"
    ERROR = "error"
    PROGRESS = "progress"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied(_Event):
    """A persona or an executor answered a request."""

    node: str
    attempt: int
    token: str
    status: ReplyStatus
    verdict: str | None = None
    result: object = None
    failure: Failure | None = None
    patch: Mapping[str, object] | None = None
    """`{base, diff}`: the change to the run's files that came with the reply."""
    files: Mapping[str, object] | None = None
    """Of git work: the changed keys of the run's files; of a child run: its files, and in `as_of`
    the entry that told last where they are.
    """
    is_reference: bool = False
    """The result is `{ref, bytes, sha256}` of one that is too large for a run; see `verdict`."""
    no_tests_ran: bool = False
    """Of such a result: it says so."""
    usage: Mapping[str, object] | None = None
    artifacts: tuple[Mapping[str, object], ...] = ()
    """`{name, path | url | ref, type, bytes, sha256, …}`: what was made besides the result."""
    worker: str = ""
    is_stand_in: bool = False
    """Of a simulation: nobody wrote this reply, so it is held against no schema."""
    sender: str = ""
    """Whose replies the stream holds that it came on, a persona's or the executors'; only one who
    was asked may answer. Empty where nobody can know.
    """


class TimerKind(StrEnum):
    """What a timer is for."""

    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    RETRY = "retry"
    RUN_TIMEOUT = "run_timeout"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(_Event):
    """A time came that a `SetTimer` had named."""

    node: str
    attempt: int
    kind: TimerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(_Event):
    """A human answered: `approve`, `reject`; of an escalation `retry`, `skip`,
    `continue`, `abort`.
    """

    node: str
    answer: str
    by: str = ""
    comment: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    attempt: int = 0
    """Which asking it answers, so that it cannot answer a later one; 0 = whichever waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled(_Event):
    """Somebody sent the run a signal that nodes wait for by its name."""

    name: str
    by: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(_Event):
    """Somebody wants the run ended: what is in flight stops, `undo` and `finally` run."""

    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateRequested(_Event):
    """Somebody wants the run ended at once: neither `undo` nor `finally` run."""

    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested(_Event):
    """Somebody wants nothing new started; replies still apply."""

    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested(_Event):
    """Somebody wants a paused run to go on."""

    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRequested(_Event):
    """Somebody lets a held node start, or is content with one that waits for a review."""

    node: str = ""
    """Empty: every node that is held now."""
    by: str = ""
    comment: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    """Of a failure that was put before a human: the result to go on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested(_Event):
    """Somebody wants a node asked again; of a run that has ended, what did not succeed."""

    node: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    """Laid over the step's own params, for this attempt of the node and later ones."""
    prompt: str = ""
    """What whoever is asked is told besides."""
    by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRequested(_Event):
    """Somebody wants a node left out."""

    node: str
    by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRequested(_Event):
    """Somebody sets values of the workflow's own state; null removes one."""

    state: Mapping[str, object]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceRequested(_Event):
    """Somebody wants the run to advance by hand, or by itself again."""

    mode: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotGranted(_Event):
    """The run has a slot of its concurrency key."""

    attempt: int
    """Which asking of the run this answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRefused(_Event):
    """No slot of the run's concurrency key was free, and it did not want to wait."""

    attempt: int
    holder: str = ""
    """A run that holds the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued(_Event):
    """The run goes on with what the last commit had no room for."""


ByHand = ContinueRequested | RetryRequested | SkipRequested | PatchRequested | AdvanceRequested
"""What a person does to a run that they take into their own hands."""

Event = (
    RunStarted
    | Replied
    | TimerFired
    | Answered
    | Signalled
    | CancelRequested
    | TerminateRequested
    | PauseRequested
    | ResumeRequested
    | ByHand
    | SlotGranted
    | SlotRefused
    | Continued
)
