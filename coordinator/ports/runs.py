"""Where runs are kept: one atomic save for what one or more deliveries changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from coordinator.core.commands import Command
from coordinator.core.events import Event
from coordinator.core.ids import RunId
from coordinator.core.state import Changes, RunHead, RunRecord, RunState


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

    async def records(self, runs: Sequence[RunId]) -> list[RunRecord | None]:
        """The small changing part of each run, in the order asked; None for one that does not
        exist. What it costs does not depend on how many nodes a run has.

        Raises:
            StoreUnavailableError: nothing was read.
        """

    async def revisions(self, runs: Sequence[RunId]) -> list[int]:
        """The revisions of the runs now, in the order asked; 0 for one that does not exist."""

    async def keep_blob(self, sha256: str, content: bytes) -> None:
        """Keep a large result under its hash, for as long as runs are kept.

        Raises:
            StoreUnavailableError: whether it was kept is unknown; keeping it again is safe.
        """

    async def blob(self, sha256: str) -> bytes | None:
        """The content kept under this hash; None if there is none.

        Raises:
            StoreUnavailableError: nothing was read.
        """

    async def commit(self, transitions: Sequence[Transition]) -> list[CommitResult]:
        """Save each transition atomically (each for itself), in one round trip for all.

        A transition that is `OK` has written the changed fields, sent every request, set and
        cleared every timer, appended the journal, and settled its inputs. Any other result changed
        nothing.

        Raises:
            StoreUnavailableError: whether anything was saved is unknown; committing the same
                transitions again is safe.
        """
