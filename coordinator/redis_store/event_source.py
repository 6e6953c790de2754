"""Where a coordinator's work comes from, on Redis."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator import faults
from coordinator.child_messages import is_child
from coordinator.core.ids import OURSELVES, RunId, milliseconds_of, run_id_for
from coordinator.messages import MAX_KEY, short_name
from coordinator.ports import Delivery, SourceKind
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Server
from coordinator.redis_store.entries import fields_of
from coordinator.redis_store.errors import checked
from coordinator.redis_store.group_reader import Batch, GroupReader
from coordinator.redis_store.keys import COORDINATORS


class RedisEventSource:
    """`EventSource` on a Redis server; `consumer` is a name that no other process has."""

    def __init__(self, server: Server, *, consumer: str) -> None:
        keys = server.keys
        self._keys = keys
        self._kinds = {
            keys.named("tasks"): SourceKind.TASK,
            keys.named("inbox"): SourceKind.INBOX,
        }
        self.reader = GroupReader(
            server,
            group=COORDINATORS,
            consumer=consumer,
            streams=[*self._kinds, keys.replies(OURSELVES)],
            listing=(keys.named("personas"), keys.replies("")),
        )

    async def read(self, *, wait_ms: int, count: int = 128) -> list[Delivery]:
        """As `EventSource.read`."""
        deliveries = self._deliveries(await self.reader.read(wait_ms=wait_ms, count=count))
        if deliveries:
            faults.point("read.after")
        return deliveries

    async def claim_abandoned(self, *, idle_ms: int, count: int = 128) -> list[Delivery]:
        """As `EventSource.claim_abandoned`."""
        deliveries = self._deliveries(await self.reader.claim(idle_ms=idle_ms, count=count))
        if deliveries:
            faults.point("claim.after")
        return deliveries

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """As `EventSource.settle`."""
        by_stream: dict[str, list[str]] = {}
        for delivery in deliveries:
            by_stream.setdefault(delivery.stream, []).append(delivery.entry_id)
        if by_stream:
            commands = [
                scripting.SETTLE.on([stream], COORDINATORS, *ids)
                for stream, ids in by_stream.items()
            ]
            await scripting.run(self.reader.link, *commands, is_repeatable=True)

    async def refuse(self, delivery: Delivery, *, reason: str) -> None:
        """As `EventSource.refuse`."""
        keys = [delivery.stream, self._keys.named("dead")]
        key = delivery.fields.get("idempotency_key", "")
        if delivery.kind is SourceKind.TASK and 0 < len(key) <= MAX_KEY:
            keys.append(self._keys.idempotency(key))
        command = scripting.REFUSE.on(
            keys,
            *(COORDINATORS, delivery.entry_id, reason, short_name(delivery.stream)),
        )
        await scripting.run_one(self.reader.link, command, is_repeatable=True)

    async def is_queued(self, run: RunId) -> bool:
        """As `EventSource.is_queued`."""
        began = milliseconds_of(run)
        tasks, inbox = await self.reader.link.call(
            ("XRANGE", self._keys.named("tasks"), f"{began}-0", f"{began}-{2**64 - 1}"),
            ("XRANGE", self._keys.named("inbox"), f"{began}-0", "+"),
            is_repeatable=True,
        )
        if any(run_id_for(entry[0].decode()) == run for entry in checked(tasks)):
            return True
        waiting = (fields_of(flat) for _, flat in checked(inbox))
        return any(is_child(fields) and fields.get("run") == run for fields in waiting)

    def follow(self, personas: Sequence[str]) -> None:
        """As `EventSource.follow`."""
        self.reader.follow(self._keys.replies(persona) for persona in personas)

    async def close(self) -> None:
        """As `EventSource.close`."""
        await self.reader.close()

    def _deliveries(self, batch: Batch) -> list[Delivery]:
        return [
            Delivery(
                kind=self._kinds.get(entry.stream, SourceKind.REPLY),
                stream=entry.stream,
                entry_id=entry.id,
                fields=entry.fields,
                at_ms=batch.at_ms,
                deliveries=deliveries,
            )
            for entry, deliveries in zip(batch.entries, batch.deliveries, strict=True)
        ]
