"""Both ends of the queues in memory: the coordinator's and the workers'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coordinator import faults
from coordinator.child_messages import is_child
from coordinator.core.ids import RunId, run_id_for
from coordinator.memory_store.memory import KINDS, Memory, Queue, Taken
from coordinator.messages import BadMessageError, reply_fields, request_from_fields
from coordinator.ports import Delivery, Reply, Request, SourceKind


class _Reader:
    """One consumer's way of reading: what it owns already comes first, then what is new."""

    def __init__(self, memory: Memory, consumer: str) -> None:
        self.memory = memory
        self._consumer = consumer
        self._has_read: set[str] = set()
        self._is_closed = False

    async def read(
        self, queues: Callable[[], list[Queue]], *, wait_ms: int, count: int
    ) -> list[Taken]:
        def look() -> list[Taken]:
            found: list[Taken] = []
            for queue in queues():
                if queue.name not in self._has_read:
                    self._has_read.add(queue.name)
                    found += queue.own(self._consumer, self.memory.now_ms())
            for queue in [] if found else queues():
                found += queue.take(self._consumer, count, self.memory.now_ms())
            return found

        return await self.memory.wait_for(look, wait_ms=wait_ms, is_over=lambda: self._is_closed)

    def close(self) -> None:
        self._is_closed = True
        self.memory.changed()

    def claim(self, queues: Sequence[Queue], *, idle_ms: int, count: int) -> list[Taken]:
        now = self.memory.now_ms()
        return [
            taken
            for queue in queues
            for taken in queue.claim(self._consumer, count, now, idle_ms=idle_ms)
        ]


class MemoryEventSource:
    """`EventSource` in memory."""

    def __init__(self, memory: Memory, *, consumer: str) -> None:
        self._memory = memory
        self._reader = _Reader(memory, consumer)
        self._followed: set[str] = {"coordinator"}

    async def read(self, *, wait_ms: int, count: int = 128) -> list[Delivery]:
        """As `EventSource.read`."""
        deliveries = self._deliveries(
            await self._reader.read(self._queues, wait_ms=wait_ms, count=count)
        )
        if deliveries:
            faults.point("read.after")
        return deliveries

    async def claim_abandoned(self, *, idle_ms: int, count: int = 128) -> list[Delivery]:
        """As `EventSource.claim_abandoned`."""
        return self._deliveries(self._reader.claim(self._queues(), idle_ms=idle_ms, count=count))

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """As `EventSource.settle`."""
        for delivery in deliveries:
            self._memory.queue(delivery.stream).settle(delivery.entry_id)

    async def refuse(self, delivery: Delivery, *, reason: str) -> None:
        """As `EventSource.refuse`."""
        self._memory.bury(delivery.stream, delivery.entry_id, reason)

    async def is_queued(self, run: RunId) -> bool:
        """As `EventSource.is_queued`."""
        tasks, inbox = self._memory.queue("tasks"), self._memory.queue("inbox")
        if any(run_id_for(entry) == run for entry in (*tasks.waiting, *tasks.owned)):
            return True
        owned = (each.fields for each in inbox.owned.values())
        entries = (*inbox.waiting.values(), *owned)
        return any(is_child(fields) and fields.get("run") == run for fields in entries)

    def follow(self, personas: Sequence[str]) -> None:
        """As `EventSource.follow`."""
        self._followed.update(personas)

    async def close(self) -> None:
        """As `EventSource.close`."""
        self._reader.close()

    def _queues(self) -> list[Queue]:
        replies = sorted(self._followed | self._memory.personas)
        return [self._memory.queue(name) for name in (*KINDS, *(f"res:{p}" for p in replies))]

    def _deliveries(self, taken: Sequence[Taken]) -> list[Delivery]:
        now = self._memory.now_ms()
        return [
            Delivery(
                kind=KINDS.get(entry.queue, SourceKind.REPLY),
                stream=entry.queue,
                entry_id=entry.id,
                fields=entry.fields,
                at_ms=now,
                deliveries=entry.deliveries,
            )
            for entry in taken
        ]


class MemoryRequestQueue:
    """`RequestQueue` in memory; `group` `executors` serves the coordinator's own work."""

    def __init__(
        self, memory: Memory, *, targets: Sequence[str], consumer: str, group: str = "workers"
    ) -> None:
        self._memory = memory
        self._consumer = consumer
        self._reader = _Reader(memory, consumer)
        self._is_executor = group == "executors"
        self._names = ["work"] if self._is_executor else [f"req:{target}" for target in targets]
        self._stops = {"coordinator"} if self._is_executor else set(targets)
        self._position = len(memory.control)

    async def take(self, *, wait_ms: int, count: int) -> list[Request]:
        """As `RequestQueue.take`."""
        return self._requests(await self._reader.read(self._queues, wait_ms=wait_ms, count=count))

    async def claim_abandoned(self, *, idle_ms: int, count: int) -> list[Request]:
        """As `RequestQueue.claim_abandoned`."""
        return self._requests(self._reader.claim(self._queues(), idle_ms=idle_ms, count=count))

    async def keep(self, requests: Sequence[Request]) -> list[Request]:
        """As `RequestQueue.keep`."""
        return self._touch(requests, self._memory.now_ms())

    async def hand_back(self, requests: Sequence[Request]) -> None:
        """As `RequestQueue.hand_back`."""
        self._touch(requests, 0)

    async def reply(self, request: Request, reply: Reply) -> None:
        """As `RequestQueue.reply`.

        Raises:
            TooLargeError: nobody would accept the reply; nothing was sent.
        """
        fields = reply_fields(reply, at_ms=self._memory.now_ms())
        faults.point("reply.before")
        self._memory.add(f"res:{'coordinator' if self._is_executor else request.target}", fields)
        self._touch([request], self._memory.now_ms())
        faults.point("reply.after")

    async def cancellations(self, *, wait_ms: int) -> list[str]:
        """As `RequestQueue.cancellations`."""

        def look() -> list[str]:
            news = self._memory.control[self._position :]
            self._position += len(news)
            return [message for target, message in news if target in self._stops]

        return await self._memory.wait_for(look, wait_ms=wait_ms)

    async def close(self) -> None:
        """As `RequestQueue.close`."""
        self._reader.close()

    def _queues(self) -> list[Queue]:
        return [self._memory.queue(name) for name in self._names]

    def _touch(self, requests: Sequence[Request], since_ms: int) -> list[Request]:
        ours = []
        for request in requests:
            owned = self._memory.queue(request.stream).owned.get(request.entry_id)
            if owned and owned.consumer == self._consumer:
                owned.since_ms = since_ms
                ours.append(request)
        return ours

    def _requests(self, taken: Sequence[Taken]) -> list[Request]:
        requests = []
        for entry in taken:
            try:
                request = request_from_fields(
                    entry.fields,
                    stream=entry.queue,
                    entry_id=entry.id,
                    deliveries=entry.deliveries,
                )
            except BadMessageError as error:
                self._memory.bury(entry.queue, entry.id, error.reason)
            else:
                requests.append(request)
        return requests
