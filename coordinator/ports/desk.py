"""What people and programs see of a running system, and who is alive in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from coordinator.core.ids import RunId
from coordinator.ports.runs import JournalEntry


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
    slot: str = ""
    """The concurrency key that it holds or waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQueue:
    """The runs of one concurrency key that have not ended."""

    holders: tuple[RunId, ...] = ()
    waiting: tuple[RunId, ...] = ()
    """In the order in which their turns come."""


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

    async def slot_queue(self, key: str) -> SlotQueue:
        """Who holds a concurrency key, and who waits for it."""

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
