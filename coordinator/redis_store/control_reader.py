"""Reading the control streams; every worker reads all of them, from their end when it began."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coordinator.redis_store.connection import Server
from coordinator.redis_store.entries import entries_of
from coordinator.redis_store.errors import checked

_COUNT = 200


class ControlReader:
    """What workers are told to stop.

    A lost read loses nothing: positions move only when an answer has arrived.
    """

    def __init__(self, server: Server, streams: Sequence[str]) -> None:
        self._link = server.link()
        self._positions: dict[str, str] = {}
        self._streams = list(streams)

    async def read(self, *, wait_ms: int) -> list[str]:
        """The message ids that came, waiting up to `wait_ms` for the first.

        Raises:
            StoreUnavailableError: the next read brings what this one missed.
        """
        if not self._streams:
            await asyncio.sleep(wait_ms / 1_000)
            return []
        if not self._positions:
            await self._begin()
        block = ("BLOCK", wait_ms) if wait_ms else ()
        reply = await self._link.one(
            *("XREAD", "COUNT", _COUNT, *block, "STREAMS", *self._positions),
            *self._positions.values(),
            wait_ms=wait_ms,
        )
        messages = []
        for entry in entries_of(reply):
            self._positions[entry.stream] = entry.id
            if entry.fields.get("kind") == "cancel" and entry.fields.get("msg_id"):
                messages.append(entry.fields["msg_id"])
        return messages

    async def close(self) -> None:
        """Stop reading."""
        await self._link.close()

    async def _begin(self) -> None:
        commands = [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in self._streams]
        replies = await self._link.call(*commands, is_repeatable=True)
        for stream, reply in zip(self._streams, replies, strict=True):
            last = checked(reply)
            self._positions[stream] = last[0][0].decode() if last else "0-0"
