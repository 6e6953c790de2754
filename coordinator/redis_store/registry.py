"""Who is alive, on Redis."""

from __future__ import annotations

from coordinator.core.jsontext import dump
from coordinator.ports import Member
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Server


class RedisRegistry:
    """`Registry` on a Redis server."""

    def __init__(self, server: Server) -> None:
        self._members = server.keys.named("members")
        self.link = server.link()

    async def announce(self, member: Member) -> None:
        """As `Registry.announce`; the time is the server's."""
        about = {
            "role": member.role,
            "personas": member.personas,
            "concurrency": member.concurrency,
            "host": member.host,
            "pid": member.pid,
        }
        command = scripting.ANNOUNCE.on([self._members], member.name, dump(about))
        await scripting.run_one(self.link, command, is_repeatable=True)

    async def leave(self, name: str) -> None:
        """As `Registry.leave`."""
        await self.link.one("HDEL", self._members, name, is_repeatable=True)

    async def close(self) -> None:
        """Disconnect."""
        await self.link.close()
