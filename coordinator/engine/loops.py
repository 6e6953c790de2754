"""The loops of a coordinator. Each is one turn, again and again, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from coordinator.engine.settler import Log, Settler
from coordinator.ports import (
    Delivery,
    EventSource,
    Member,
    Registry,
    StoreUnavailableError,
    Timers,
)

READ_MS: Final = 1_000
"""How long a read waits for something to come; also how long stopping may take."""
_LONGEST_PAUSE: Final = 5.0
_ANNOUNCE_SECONDS: Final = 10.0


class Stop:
    """Tells loops to end, and wakes those that sleep; told twice, whoever drains stops draining."""

    def __init__(self) -> None:
        self._once = asyncio.Event()
        self._twice = asyncio.Event()

    def now(self) -> None:
        """End after the turn under way; called again, at once."""
        if self._once.is_set():
            self._twice.set()
        self._once.set()

    @property
    def is_set(self) -> bool:
        """Whether loops are to end."""
        return self._once.is_set()

    async def wait(self) -> None:
        """Return when loops are to end."""
        await self._once.wait()

    async def wait_twice(self) -> None:
        """Return when they are to end at once."""
        await self._twice.wait()

    async def within(self, seconds: float) -> bool:
        """Sleep for `seconds`, less when stopped; whether it was stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._once.wait()
        return self.is_set


async def forever(stop: Stop, turn: Callable[[], Awaitable[None]], *, log: Log, name: str) -> None:
    """Take turns until stopped; while the store is away, wait longer and longer between them."""
    pause = 0.1
    while not stop.is_set:
        try:
            await turn()
            pause = 0.1
        except StoreUnavailableError as error:
            log.warning("store_unavailable", loop=name, error=str(error))
            await stop.within(pause * (0.5 + random.random()))  # noqa: S311  # jitter, no secret
            pause = min(2 * pause, _LONGEST_PAUSE)


class Decider:
    """Reads deliveries and settles them; now and then takes over those of the dead."""

    def __init__(
        self,
        source: EventSource,
        settler: Settler,
        *,
        lease_seconds: float,
        read_ms: int = READ_MS,
    ) -> None:
        self._source = source
        self._settler = settler
        self._lease = lease_seconds
        self._read_ms = read_ms
        self._next_claim = 0.0

    async def next(self) -> None:
        """One turn."""
        await self._settler.settle(await self._deliveries())

    async def _deliveries(self) -> list[Delivery]:
        now = asyncio.get_running_loop().time()
        if now >= self._next_claim:
            idle_ms = int(self._lease * 1_000)
            claimed = await self._source.claim_abandoned(idle_ms=idle_ms)
            if claimed:
                return claimed
            self._next_claim = now + self._lease / 3
        return await self._source.read(wait_ms=self._read_ms)


async def fire_timers_forever(timers: Timers, stop: Stop, *, log: Log) -> None:
    """Turn due timers into events; another coordinator's timers too."""

    async def turn() -> None:
        wait_ms = await timers.fire_due()
        seconds = 0.25 if wait_ms is None else min(max(wait_ms, 1), 250) / 1_000
        await stop.within(seconds)

    await forever(stop, turn, log=log, name="timers")


async def announce_forever(registry: Registry, member: Member, stop: Stop, *, log: Log) -> None:
    """Say that this process lives, and at the end that it has left."""

    async def turn() -> None:
        await registry.announce(replace(member))
        await stop.within(_ANNOUNCE_SECONDS)

    await forever(stop, turn, log=log, name="announce")
    with contextlib.suppress(StoreUnavailableError):
        await registry.leave(member.name)
