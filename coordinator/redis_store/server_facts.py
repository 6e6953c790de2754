"""What a server says of itself, and whether that will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from coordinator.ports import StoreUnsuitableError

LOWEST: Final = (7, 0)
_UNKNOWN: Final = "info_is_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server's own words."""

    version: tuple[int, int]
    """Of the Redis it is compatible with."""
    product: str
    """`redis 7.0.15`, `valkey 9.1.2`."""
    is_cluster: bool
    has_aof: bool
    eviction: str
    """`maxmemory-policy`; anything but `noeviction` may lose runs."""
    has_script_headers: bool
    """Whether scripts may begin with `#!lua`; fakeredis refuses it."""
    owner: tuple[str, int] | None = None
    """In a cluster: the node that holds our keys, where it is another one than we asked."""

    def check(self, place: str, *, require_aof: bool) -> None:
        """Return only if the server may be used.

        Raises:
            StoreUnsuitableError: it may not.
        """
        if self.version < LOWEST:
            raise StoreUnsuitableError(
                f"{place} runs {self.product}; Redis 7.0 or Valkey 7.2 is the least. Update it"
            )
        if require_aof and not self.has_aof:
            raise StoreUnsuitableError(
                f"{place} keeps no append-only file and would forget runs when it restarts. "
                "Set `appendonly yes`"
            )

    @property
    def warnings(self) -> list[str]:
        """What an operator should change."""
        found = []
        if not self.has_aof:
            found.append("no append-only file: runs do not survive a restart (`appendonly yes`)")
        if self.eviction not in ("", "noeviction"):
            found.append(f"maxmemory-policy {self.eviction} may evict runs; set `noeviction`")
        return found


async def learn(connection: AbstractConnection, key: str) -> ServerFacts:
    """Ask the server; `key` is any key of the partition, for clusters."""
    info: dict[str, str] = {}
    for section in ("server", "cluster", "persistence", "memory"):
        info.update(await _section(connection, section))
    is_cluster = info.get("cluster_enabled") == "1"
    compatible = info.get("redis_version", "7.0.0")
    product = f"valkey {info['valkey_version']}" if "valkey_version" in info else ""
    return ServerFacts(
        version=_version(compatible),
        product=product or f"redis {compatible}",
        is_cluster=is_cluster,
        has_aof=info.get("aof_enabled") == "1",
        eviction=info.get("maxmemory_policy", ""),
        has_script_headers=_UNKNOWN not in info,
        owner=await _owner(connection, key) if is_cluster else None,
    )


async def _section(connection: AbstractConnection, name: str) -> dict[str, str]:
    try:
        reply = await _ask(connection, "INFO", name)
    except ResponseError as error:
        # fakeredis has no INFO. A user who may not ask is refused by the commands that matter.
        return {_UNKNOWN: "1"} if "unknown command" in str(error).lower() else {}
    lines = reply.decode("utf-8", "replace").splitlines()
    return {key: value for key, _, value in (line.partition(":") for line in lines) if value}


async def _owner(connection: AbstractConnection, key: str) -> tuple[str, int] | None:
    slot = await _ask(connection, "CLUSTER", "KEYSLOT", key)
    myself = await _ask(connection, "CLUSTER", "MYID")
    for first, last, node, *_ in await _ask(connection, "CLUSTER", "SLOTS"):
        if first <= slot <= last:
            host, port, name = node[:3]
            if name == myself:
                return None
            known = (host or b"").decode() or getattr(connection, "host", "127.0.0.1")
            return known, port
    return None


async def _ask(connection: AbstractConnection, *command: str) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response()


def _version(text: str) -> tuple[int, int]:
    parts = text.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return 0, 0
