"""What the engine needs from the outside, each port with its promise.

`redis_store` keeps these promises on a Redis or Valkey server, `memory_store` in one process; one
suite (`tests/contracts`) holds both to them. All times are milliseconds since 1970 by the store's
own clock.

Two ideas run through all of them. A **delivery** is an entry of a queue that belongs to one
consumer until it is settled; entries of a consumer that died are claimed by another. A
**transition** is one atomic save: everything in it happens, or nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from coordinator.core.commands import Command
from coordinator.core.events import Event, Failure, ReplyStatus
from coordinator.core.ids import Digest, RunId
from coordinator.core.state import Changes, RunHead, RunState


class StoreUnavailableError(Exception):
    """The store cannot be reached, is loading, or refuses writes; time may heal it. Try again."""


class StoreUnsuitableError(Exception):
    """The server answers but must not be used (too old, wrong settings); a person has to act."""


class SourceKind(StrEnum):
    """What kind of queue a delivery came from."""

    TASK = "task"
    REPLY = "reply"
    INBOX = "inbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One entry of a queue, owned by this consumer until it is settled."""

    kind: SourceKind
    stream: str
    """The queue's name; opaque to the engine."""
    entry_id: str
    fields: Mapping[str, str]
    """As it came; untrusted. Empty when the entry was deleted under its consumer."""
    at_ms: int
    """The store's clock when it was read."""
    deliveries: int = 1
    """How often it has been delivered, this time included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One event as applied, and the moves it caused, for readers: `(path, status, attempt)`."""

    event: Event
    moves: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One atomic save of a run: the fold of one or more events."""

    run: RunId
    revision: int
    """The revision the decision was made on; 0 = the run does not exist yet."""
    head: RunHead
    """For the fields of requests and of lists; written only with revision 0."""
    changes: Changes
    commands: tuple[Command, ...]
    journal: tuple[JournalEntry, ...]
    inputs: tuple[Delivery, ...] = ()
    """The deliveries that this save settles: acknowledged and deleted with it."""
    idempotency_key: str | None = None
    """Only with revision 0: no second run is ever created under this key."""


class CommitStatus(StrEnum):
    """What became of a transition."""

    OK = "ok"
    CONFLICT = "conflict"
    """The run is no longer at that revision. Nothing was changed."""
    DUPLICATE = "duplicate"
    """An input was settled before, or the idempotency key has a run. Nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """The answer to one transition."""

    status: CommitStatus
    revision: int
    """The run's revision now."""
    existing_run: RunId | None = None
    """With `DUPLICATE` by idempotency key: the run that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it was last committed."""

    revision: int
    state: RunState


class RunStore(Protocol):
    """Keeps runs."""

    async def load(self, runs: Sequence[RunId]) -> list[StoredRun | None]:
        """The runs as last committed, in the order asked; None for one that does not exist.

        Raises:
            StoreUnavailableError: nothing was read.
        """

    async def revisions(self, runs: Sequence[RunId]) -> list[int]:
        """The revisions of the runs now, in the order asked; 0 for one that does not exist."""

    async def commit(self, transitions: Sequence[Transition]) -> list[CommitResult]:
        """Save each transition atomically (each for itself), in one round trip for all.

        A transition that is `OK` has written the changed fields, sent every request, set and
        cleared every timer, appended the journal, and settled its inputs. Any other result changed
        nothing.

        Raises:
            StoreUnavailableError: whether anything was saved is unknown; committing the same
                transitions again is safe.
        """


class EventSource(Protocol):
    """Where a coordinator's work comes from: new tasks, replies, due timers and signals."""

    async def read(self, *, wait_ms: int, count: int = 128) -> list[Delivery]:
        """New deliveries; waits up to `wait_ms` for the first one. May return an empty list early.

        After a connection was lost, entries that this consumer owns already come first.
        """

    async def claim_abandoned(self, *, idle_ms: int, count: int = 128) -> list[Delivery]:
        """Deliveries that their consumers have not settled for `idle_ms`; they are ours now."""

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge and delete deliveries that need no transition (late, repeated)."""

    async def refuse(self, delivery: Delivery, *, reason: str) -> None:
        """Move a delivery that can never apply to the dead letters, in one step; the idempotency
        key of a task is free again, so that a corrected or replayed one may run."""

    async def is_queued(self, run: RunId) -> bool:
        """Whether the task of this run is still in the queue, read or not."""

    def follow(self, personas: Sequence[str]) -> None:
        """Read the replies of these personas too, from their beginning."""

    async def close(self) -> None:
        """Stop reading; what is owned and unsettled stays for others to claim."""


class Timers(Protocol):
    """Fires what `SetTimer` asked for."""

    async def fire_due(self, *, count: int = 200) -> int | None:
        """Turn due timers into inbox events; the milliseconds until the next one, None = there is
        none. The store's clock decides; each timer fires once, however many call this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as a worker or executor gets it."""

    stream: str
    entry_id: str
    target: str
    """The persona, or the work type."""
    msg_id: str
    run: str
    node: str
    attempt: int
    token: str
    workflow: str
    digest: str
    """Of the run's definition; the persona as the run knows it is in that document."""
    payload: Mapping[str, object]
    deadline_ms: int | None
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A worker's answer to a request."""

    msg_id: str
    token: str
    status: ReplyStatus
    verdict: str | None = None
    result: object = None
    failure: Failure | None = None
    patch: Mapping[str, object] | None = None
    files: Mapping[str, object] | None = None
    usage: Mapping[str, object] | None = None
    worker: str = ""


class RequestQueue(Protocol):
    """A worker's or an executor's end of the request streams it serves."""

    async def take(self, *, wait_ms: int, count: int) -> list[Request]:
        """New requests; waits up to `wait_ms` for the first. Entries that are no request at all are
        moved to the dead letters and not returned. Own pending entries come first after a
        (re)start.
        """

    async def claim_abandoned(self, *, idle_ms: int, count: int) -> list[Request]:
        """Requests whose worker was silent for `idle_ms`; the same attempt, the same token."""

    async def keep(self, requests: Sequence[Request]) -> list[Request]:
        """Show life, so that nobody claims these; those that are still ours, and not settled."""

    async def reply(self, request: Request, reply: Reply) -> None:
        """Send the answer. The commit that applies a final one takes the request off the queue."""

    async def hand_back(self, requests: Sequence[Request]) -> None:
        """Let others claim these at once; used when shutting down."""

    async def cancellations(self, *, wait_ms: int) -> list[str]:
        """Message ids that are to be stopped, as they come; waits up to `wait_ms`."""

    async def close(self) -> None:
        """Stop reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process that serves: `role` is `coordinator` or `worker`."""

    name: str
    role: str
    personas: tuple[str, ...] = ()
    concurrency: int = 0
    host: str = ""
    pid: int = 0
    seen_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that waits for a human."""

    run: RunId
    node: str
    kind: str
    since_ms: int
    question: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could never apply."""

    id: str
    stream: str
    reason: str
    fields: Mapping[str, str]
    at_ms: int
    entry_id: str = ""
    """The id it had where it came from; a task's run id is derived from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How much waits in one queue."""

    name: str
    lag: int
    """Entries not delivered yet."""
    pending: int
    """Entries delivered and not settled."""
    consumers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A line of a list of runs."""

    id: RunId
    workflow: str
    version: str
    title: str
    status: str
    created_ms: int
    ended_ms: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """A journal entry as read back: its id in the journal, and the entry."""

    id: str
    entry: JournalEntry


class Desk(Protocol):
    """What people and programs do with a running system: submit, signal, look."""

    async def submit(
        self, fields: Mapping[str, str], *, idempotency_key: str | None = None
    ) -> RunId:
        """Put a task on the queue; its run's id. The same key gives the same id, once."""

    async def signal(self, run: RunId, signal: Mapping[str, object]) -> None:
        """Send a run an outside event, as JSON with a `kind` (see `core.codec`)."""

    async def runs(self, *, open_only: bool = False, limit: int = 50) -> list[RunSummary]:
        """Newest first."""

    async def open_count(self) -> int:
        """How many runs have not ended."""

    async def find(self, prefix: str) -> list[RunId]:
        """Ids of runs that begin with `prefix`, at most ten."""

    async def journal(
        self, run: RunId, *, after: str = "0-0", wait_ms: int = 0, count: int = 500
    ) -> list[JournalRecord]:
        """Journal entries after one; waits up to `wait_ms` for the first."""

    async def questions(self) -> list[Question]:
        """Everything that waits for a human, oldest first."""

    async def dead_letters(self, *, limit: int = 50) -> list[DeadLetter]:
        """Newest first."""

    async def replay(self, letter: DeadLetter) -> None:
        """Put the message back where it came from and drop the dead letter, in one step."""

    async def members(self) -> list[Member]:
        """Processes seen within the last minute."""

    async def depths(self) -> list[QueueDepth]:
        """Every queue with its lag."""

    async def now_ms(self) -> int:
        """The store's clock."""


class Registry(Protocol):
    """Who is alive."""

    async def announce(self, member: Member) -> None:
        """Record that this process lives, now."""

    async def leave(self, name: str) -> None:
        """Take it off the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBundle:
    """Which definitions serve new runs."""

    bundle: str
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """Workflow id -> digest."""
    revision: str = ""
    """`ref@sha1:<commit>`, or `dir:<path>` outside git."""
    routes: Sequence[Mapping[str, object]] = ()
    """`match:` rules in order: `{workflow, types, when}`."""
    personas: Sequence[str] = ()
    activated_ms: int = 0


class DefinitionStore(Protocol):
    """Keeps compiled definitions by their digest, and which of them are active."""

    async def put(self, documents: Mapping[Digest, bytes]) -> None:
        """Store canonical documents under their digests; storing again changes nothing."""

    async def get(self, digest: Digest) -> bytes | None:
        """The document, as stored; the caller checks that it hashes to `digest`."""

    async def active(self) -> list[ActiveBundle]:
        """All active bundles."""

    async def activate(self, bundle: ActiveBundle, *, replaces: str | None) -> bool:
        """Make `bundle` the active one if the active revision is still `replaces`; else False."""

    async def put_status(self, bundle: str, status: Mapping[str, object]) -> None:
        """Keep what the last look at the bundle's source found, in place of the one before."""

    async def get_status(self, bundle: str) -> Mapping[str, object] | None:
        """What was kept last; None if nobody has looked yet."""
