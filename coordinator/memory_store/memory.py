"""What all stores of one process share: queues with owners, runs, timers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from coordinator.core.ids import Digest, RunId, run_id_for
from coordinator.ports import (
    ActiveBundle,
    DeadLetter,
    JournalRecord,
    Member,
    Question,
    SourceKind,
    StoredRun,
)

T = TypeVar("T")


@dataclass(slots=True)
class Owned:
    """An entry that was delivered and is not settled."""

    fields: Mapping[str, str]
    consumer: str
    since_ms: int
    deliveries: int = 1


class Taken(NamedTuple):
    """An entry as its new owner gets it."""

    queue: str
    id: str
    fields: Mapping[str, str]
    deliveries: int


@dataclass(slots=True)
class Queue:
    """Entries in order; each belongs to nobody yet or to one consumer, until it is settled."""

    name: str
    waiting: dict[str, Mapping[str, str]] = field(default_factory=dict)
    owned: dict[str, Owned] = field(default_factory=dict)

    def has(self, entry_id: str) -> bool:
        """Whether the entry is not settled."""
        return entry_id in self.waiting or entry_id in self.owned

    def settle(self, entry_id: str) -> Mapping[str, str] | None:
        """Remove the entry; its fields, or None if it was settled before."""
        owned = self.owned.pop(entry_id, None)
        return owned.fields if owned else self.waiting.pop(entry_id, None)

    def take(self, consumer: str, count: int, now_ms: int) -> list[Taken]:
        """New entries, now owned by `consumer`."""
        ids = list(self.waiting)[:count]
        for entry_id in ids:
            self.owned[entry_id] = Owned(self.waiting.pop(entry_id), consumer, now_ms)
        return [Taken(self.name, i, self.owned[i].fields, 1) for i in ids]

    def claim(self, consumer: str, count: int, now_ms: int, *, idle_ms: int) -> list[Taken]:
        """Entries not settled or kept for `idle_ms`, now owned by `consumer`."""
        idle = [i for i, owned in self.owned.items() if now_ms - owned.since_ms >= idle_ms]
        return [self._again(i, consumer, now_ms) for i in idle[:count]]

    def own(self, consumer: str, now_ms: int) -> list[Taken]:
        """What `consumer` owns already, delivered once more."""
        mine = [i for i, owned in self.owned.items() if owned.consumer == consumer]
        return [self._again(i, consumer, now_ms) for i in mine]

    def _again(self, entry_id: str, consumer: str, now_ms: int) -> Taken:
        owned = self.owned[entry_id]
        owned.consumer, owned.since_ms = consumer, now_ms
        owned.deliveries += 1
        return Taken(self.name, entry_id, owned.fields, owned.deliveries)


def wall_clock() -> int:
    """The host's time in milliseconds."""
    return time.time_ns() // 1_000_000


KINDS: Final = {"tasks": SourceKind.TASK, "inbox": SourceKind.INBOX}
"""What a coordinator reads, beside replies."""


class Slot(NamedTuple):
    """A run that holds a concurrency key, or waits for it."""

    run: RunId
    attempt: int
    limit: int
    is_held: bool = False


@dataclass(slots=True)
class Memory:
    """Everything; gone when the process is."""

    now_ms: Callable[[], int] = wall_clock
    queues: dict[str, Queue] = field(default_factory=dict)
    runs: dict[RunId, StoredRun] = field(default_factory=dict)
    open: set[RunId] = field(default_factory=set)
    """Runs that have not ended."""
    journals: dict[RunId, list[JournalRecord]] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    in_flight: dict[tuple[RunId, str], tuple[str, str]] = field(default_factory=dict)
    """Run and node -> queue and entry of the request that is out."""
    questions: dict[tuple[RunId, str], Question] = field(default_factory=dict)
    submissions: dict[str, RunId] = field(default_factory=dict)
    """Idempotency key -> run."""
    keys: dict[str, list[Slot]] = field(default_factory=dict)
    """Concurrency key -> those who hold it, then those who wait for it, in order."""
    personas: set[str] = field(default_factory=set)
    control: list[tuple[str, str]] = field(default_factory=list)
    """Target and message id of what is to be stopped."""
    dead: list[DeadLetter] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Large results by their hash."""
    definitions: dict[Digest, bytes] = field(default_factory=dict)
    active: dict[str, ActiveBundle] = field(default_factory=dict)
    statuses: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """Bundle -> what the last look at its source found."""
    _last: tuple[int, int] = (0, 0)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def queue(self, name: str) -> Queue:
        """The queue of that name; a new one if there was none."""
        return self.queues.setdefault(name, Queue(name))

    def add(self, queue: str, fields: Mapping[str, str]) -> str:
        """Put an entry on a queue; its id."""
        entry_id = self.next_id()
        self.queue(queue).waiting[entry_id] = dict(fields)
        self.changed()
        return entry_id

    def next_id(self) -> str:
        """An id after all others, `<ms>-<n>`."""
        now, (last, number) = self.now_ms(), self._last
        self._last = (now, 0) if now > last else (last, number + 1)
        return f"{self._last[0]}-{self._last[1]}"

    def changed(self) -> None:
        """Wake whoever waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    def bury(self, queue: str, entry_id: str, reason: str) -> None:
        """Move an entry to the dead letters."""
        fields = self.queue(queue).settle(entry_id)
        if fields is not None:
            letter = DeadLetter(
                id=self.next_id(),
                stream=queue,
                reason=reason,
                fields=fields,
                at_ms=self.now_ms(),
                entry_id=entry_id,
            )
            self.dead.append(letter)
            key = fields.get("idempotency_key", "")
            if queue == "tasks" and self.submissions.get(key) == run_id_for(entry_id):
                del self.submissions[key]

    async def wait_for(
        self,
        look: Callable[[], list[T]],
        *,
        wait_ms: int,
        is_over: Callable[[], bool] = lambda: False,
    ) -> list[T]:
        """What `look` finds, waiting up to `wait_ms` for it to find something, or for `is_over`."""
        deadline = asyncio.get_running_loop().time() + wait_ms / 1_000
        while True:
            changed = self._changed
            found = look()
            left = deadline - asyncio.get_running_loop().time()
            if found or left <= 0 or is_over():
                return found
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                return look()
