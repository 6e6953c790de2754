"""What the engine needs from the outside, each port with its promise.

`redis_store` keeps these promises on a Redis or Valkey server, `memory_store` in one process; one
suite (`tests/contracts`) holds both to them. All times are milliseconds since 1970 by the store's
own clock.

Two ideas run through all of them. A **delivery** is an entry of a queue that belongs to one
consumer until it is settled; entries of a consumer that died are claimed by another. A
**transition** is one atomic save: everything in it happens, or nothing does.
"""

from __future__ import annotations

from coordinator.ports.definitions import ActiveBundle, DefinitionStore
from coordinator.ports.desk import (
    DeadLetter,
    Desk,
    JournalRecord,
    Member,
    Question,
    QueueDepth,
    Registry,
    RunSummary,
    SlotQueue,
)
from coordinator.ports.errors import StoreUnavailableError, StoreUnsuitableError
from coordinator.ports.requests import Reply, Request, RequestQueue
from coordinator.ports.runs import (
    CommitResult,
    CommitStatus,
    Delivery,
    JournalEntry,
    RunStore,
    SourceKind,
    StoredRun,
    Transition,
)
from coordinator.ports.sources import EventSource, Timers

__all__ = [
    "ActiveBundle",
    "CommitResult",
    "CommitStatus",
    "DeadLetter",
    "DefinitionStore",
    "Delivery",
    "Desk",
    "EventSource",
    "JournalEntry",
    "JournalRecord",
    "Member",
    "Question",
    "QueueDepth",
    "Registry",
    "Reply",
    "Request",
    "RequestQueue",
    "RunStore",
    "RunSummary",
    "SlotQueue",
    "SourceKind",
    "StoreUnavailableError",
    "StoreUnsuitableError",
    "StoredRun",
    "Timers",
    "Transition",
]
