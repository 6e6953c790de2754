"""A worker's or an executor's end of the request streams, on Redis."""

from __future__ import annotations

import time
from collections.abc import Sequence

from coordinator import faults
from coordinator.core.ids import OURSELVES
from coordinator.messages import (
    BadMessageError,
    reply_fields,
    request_from_fields,
    short_name,
)
from coordinator.ports import Reply, Request
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Command, Server
from coordinator.redis_store.control_reader import ControlReader
from coordinator.redis_store.entries import Entry
from coordinator.redis_store.group_reader import Batch, GroupReader
from coordinator.redis_store.keys import EXECUTORS, WORKERS

HANDED_BACK_MS = 7 * 24 * 3_600_000
"""The idle time of a request that was handed back: longer than anybody waits before claiming."""


class RedisRequestQueue:
    """`RequestQueue` on a Redis server.

    `targets` are the personas served; an executor (`group` = `executors`) serves the coordinator's
    own work, all of it. `consumer` is a name that no other process has.
    """

    def __init__(
        self, server: Server, *, targets: Sequence[str], consumer: str, group: str = WORKERS
    ) -> None:
        keys = server.keys
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._is_executor = group == EXECUTORS
        streams = [keys.named("work")] if self._is_executor else map(keys.requests, targets)
        self.reader = GroupReader(server, group=group, consumer=consumer, streams=streams)
        names = [OURSELVES] if self._is_executor else targets
        self._control = ControlReader(server, [keys.control(name) for name in names])

    async def take(self, *, wait_ms: int, count: int) -> list[Request]:
        """As `RequestQueue.take`."""
        requests = await self._requests(await self.reader.read(wait_ms=wait_ms, count=count))
        if requests:
            faults.point("take.after")
        return requests

    async def claim_abandoned(self, *, idle_ms: int, count: int) -> list[Request]:
        """As `RequestQueue.claim_abandoned`."""
        requests = await self._requests(await self.reader.claim(idle_ms=idle_ms, count=count))
        if requests:
            faults.point("takeover.after")
        return requests

    async def keep(self, requests: Sequence[Request]) -> list[Request]:
        """As `RequestQueue.keep`."""
        return await self._be_idle(requests, 0)

    async def hand_back(self, requests: Sequence[Request]) -> None:
        """As `RequestQueue.hand_back`."""
        await self._be_idle(requests, HANDED_BACK_MS)

    async def reply(self, request: Request, reply: Reply) -> None:
        """As `RequestQueue.reply`.

        Raises:
            TooLargeError: nobody would accept the reply; nothing was sent.
            StoreUnavailableError: whether it was sent is unknown; sending it again is safe.
        """
        fields = reply_fields(reply, at_ms=time.time_ns() // 1_000_000)
        to = self._keys.replies(OURSELVES if self._is_executor else request.target)
        send: Command = ("XADD", to, "*", *[item for pair in fields.items() for item in pair])
        faults.point("reply.before")
        # Sent twice it counts once, for it carries the attempt's token. The sign of life beside it
        # gives the coordinator its time before others take the request over.
        await scripting.run(self.reader.link, send, self._alive([request], 0), is_repeatable=True)
        faults.point("reply.after")

    async def cancellations(self, *, wait_ms: int) -> list[str]:
        """As `RequestQueue.cancellations`."""
        return await self._control.read(wait_ms=wait_ms)

    async def close(self) -> None:
        """As `RequestQueue.close`."""
        await self.reader.close()
        await self._control.close()

    def _alive(self, requests: Sequence[Request], idle_ms: int) -> Command:
        ids = [request.entry_id for request in requests]
        stream = requests[0].stream
        return scripting.KEEP.on([stream], self._group, self._consumer, idle_ms, *ids)

    async def _be_idle(self, requests: Sequence[Request], idle_ms: int) -> list[Request]:
        """Set how long these were idle; those of them that are ours."""
        by_stream: dict[str, list[Request]] = {}
        for request in requests:
            by_stream.setdefault(request.stream, []).append(request)
        commands = [self._alive(several, idle_ms) for several in by_stream.values()]
        if not commands:
            return []
        replies = await scripting.run(self.reader.link, *commands, is_repeatable=True)
        ours = {
            (stream, entry.decode())
            for stream, entries in zip(by_stream, replies, strict=True)
            for entry in entries
        }
        return [request for request in requests if (request.stream, request.entry_id) in ours]

    async def _requests(self, batch: Batch) -> list[Request]:
        requests = []
        for entry, deliveries in zip(batch.entries, batch.deliveries, strict=True):
            try:
                request = request_from_fields(
                    entry.fields, stream=entry.stream, entry_id=entry.id, deliveries=deliveries
                )
            except BadMessageError as error:
                await self._refuse(entry, error.reason)
            else:
                requests.append(request)
        return requests

    async def _refuse(self, entry: Entry, reason: str) -> None:
        command = scripting.REFUSE.on(
            [entry.stream, self._keys.named("dead")],
            *(self._group, entry.id, reason, short_name(entry.stream)),
        )
        await scripting.run_one(self.reader.link, command, is_repeatable=True)
