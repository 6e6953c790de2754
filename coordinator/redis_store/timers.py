"""Timers that fire by the server's clock."""

from __future__ import annotations

from coordinator import faults
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Server


class RedisTimers:
    """`Timers` on a Redis server."""

    def __init__(self, server: Server) -> None:
        self._keys = server.keys
        self.link = server.link()

    async def fire_due(self, *, count: int = 200) -> int | None:
        """As `Timers.fire_due`."""
        keys = [self._keys.named("timers"), self._keys.named("inbox")]
        # Firing twice is harmless: what the first call moved is no longer there.
        reply = await scripting.run_one(
            self.link, scripting.FIRE.on(keys, count), is_repeatable=True
        )
        faults.point("timers.after")
        return None if reply < 0 else int(reply)

    async def close(self) -> None:
        """Disconnect."""
        await self.link.close()
