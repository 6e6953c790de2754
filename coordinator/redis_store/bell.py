"""Waiting for news of many runs over one connection.

The bell is a convenience: it says that something has happened, never what. Whoever hears it looks,
and whoever hears nothing looks now and then, so a bell that fails costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from coordinator.ports import StoreUnavailableError, StoreUnsuitableError
from coordinator.redis_store.connection import Server


@dataclass(slots=True)
class _Channel:
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: set[asyncio.Event] = field(default_factory=set)


class Bell:
    """Listens to the channels that somebody waits for, as long as somebody does."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._channels: dict[str, _Channel] = {}
        self._connection: AbstractConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listening(self, name: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set by the next message on the channel, or when the link breaks.

        Inside, the server knows that we listen: what is not there yet when we look will be heard.
        """
        heard = asyncio.Event()
        channel = self._channels.setdefault(name, _Channel())
        channel.listeners.add(heard)
        try:
            if len(channel.listeners) == 1:
                await self._say("SSUBSCRIBE", name)
            waiting = [asyncio.ensure_future(e.wait()) for e in (channel.is_ready, heard)]
            await asyncio.wait(
                waiting, timeout=self._server.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            for each in waiting:
                each.cancel()
            yield heard
        finally:
            channel.listeners.discard(heard)
            if not channel.listeners and self._channels.get(name) is channel:
                del self._channels[name]
                with contextlib.suppress(StoreUnavailableError, StoreUnsuitableError):
                    await self._say("SUNSUBSCRIBE", name)

    async def close(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._hang_up()

    async def _say(self, command: str, name: str) -> None:
        async with self._lock:
            try:
                if self._connection is None:
                    self._connection = await self._server.open()
                    self._reading = asyncio.create_task(self._read(self._connection))
                packed = pack_command(cast("Any", (command, name)))
                await self._connection.send_packed_command(packed, check_health=False)
            except (OSError, RedisError, TimeoutError):
                # Whoever waits looks again before long; by then it may work.
                await self._hang_up()

    async def _read(self, connection: AbstractConnection) -> None:
        try:
            while True:
                kind, name, _ = await connection.read_response(timeout=math.inf)
                channel = self._channels.get(name.decode())
                if channel is None:
                    continue
                if kind == b"ssubscribe":
                    channel.is_ready.set()
                elif kind == b"smessage":
                    for heard in channel.listeners:
                        heard.set()
        except (OSError, RedisError):
            await self._hang_up()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            for heard in channel.listeners:
                heard.set()
        if connection is not None:
            await connection.disconnect(nowait=True)
