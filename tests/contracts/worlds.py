"""The same ports on every store, for tests that hold all of them to one promise."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from coordinator import memory_store as memory
from coordinator import redis_store as redis
from coordinator.ports import (
    DefinitionStore,
    Delivery,
    Desk,
    EventSource,
    Registry,
    RequestQueue,
    RunStore,
    Timers,
)


class _Closable(Protocol):
    async def close(self) -> None: ...


A = TypeVar("A", bound=_Closable)
_numbers = itertools.count()


class World(Protocol):
    """One installation: everything made by it shares the same data."""

    def store(self) -> RunStore: ...
    def source(self, consumer: str = "c1") -> EventSource: ...
    def queue(
        self, *targets: str, consumer: str = "w1", group: str = "workers"
    ) -> RequestQueue: ...
    def timers(self) -> Timers: ...
    def desk(self) -> Desk: ...
    def registry(self) -> Registry: ...
    def definitions(self) -> DefinitionStore: ...
    async def add(self, stream: str, fields: Mapping[str, str | bytes]) -> str:
        """Put a raw entry on a stream, as anybody with the credential could."""
        ...

    async def close(self) -> None: ...


class MemoryWorld:
    """In the memory of this process."""

    def __init__(self) -> None:
        self.memory = memory.Memory()

    def store(self) -> RunStore:
        return memory.MemoryRunStore(self.memory)

    def source(self, consumer: str = "c1") -> EventSource:
        return memory.MemoryEventSource(self.memory, consumer=consumer)

    def queue(self, *targets: str, consumer: str = "w1", group: str = "workers") -> RequestQueue:
        return memory.MemoryRequestQueue(
            self.memory, targets=targets, consumer=consumer, group=group
        )

    def timers(self) -> Timers:
        return memory.MemoryTimers(self.memory)

    def desk(self) -> Desk:
        return memory.MemoryDesk(self.memory)

    def registry(self) -> Registry:
        return memory.MemoryRegistry(self.memory)

    def definitions(self) -> DefinitionStore:
        return memory.MemoryDefinitionStore(self.memory)

    async def add(self, stream: str, fields: Mapping[str, str | bytes]) -> str:
        return self.memory.add(stream, {k: _text(v) for k, v in fields.items()})

    async def close(self) -> None:
        pass


class RedisWorld:
    """On a server, under a prefix of its own."""

    def __init__(self, url: str) -> None:
        prefix = f"t{os.getpid()}-{next(_numbers)}:"
        self.server = redis.Server(url, keys=redis.Keys(prefix=prefix))
        self.link = self.server.link()
        self._open: list[Callable[[], Any]] = [self.link.close]

    def _kept(self, adapter: A) -> A:
        self._open.append(adapter.close)
        return adapter

    def store(self) -> redis.RedisRunStore:
        return self._kept(redis.RedisRunStore(self.server))

    def source(self, consumer: str = "c1") -> redis.RedisEventSource:
        return self._kept(redis.RedisEventSource(self.server, consumer=consumer))

    def queue(
        self, *targets: str, consumer: str = "w1", group: str = "workers"
    ) -> redis.RedisRequestQueue:
        queue = redis.RedisRequestQueue(
            self.server, targets=targets, consumer=consumer, group=group
        )
        return self._kept(queue)

    def timers(self) -> redis.RedisTimers:
        return self._kept(redis.RedisTimers(self.server))

    def desk(self) -> redis.RedisDesk:
        return self._kept(redis.RedisDesk(self.server))

    def registry(self) -> redis.RedisRegistry:
        return self._kept(redis.RedisRegistry(self.server))

    def definitions(self) -> redis.RedisDefinitionStore:
        return self._kept(redis.RedisDefinitionStore(self.server))

    async def add(self, stream: str, fields: Mapping[str, str | bytes]) -> str:
        flat = [item for pair in fields.items() for item in pair]
        entry_id: bytes = await self.link.one("XADD", self.key(stream), "*", *flat)
        return entry_id.decode()

    def key(self, name: str) -> str:
        """The full name of a key."""
        return self.server.keys.named(name)

    async def close(self) -> None:
        for close in reversed(self._open):
            await close()


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


async def read_all(source: EventSource, count: int, wait_ms: int = 3_000) -> list[Delivery]:
    """`count` deliveries, however many reads that takes."""
    found: list[Delivery] = []
    for _ in range(50):
        found += await source.read(wait_ms=wait_ms)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count} deliveries came")


def streams_of(deliveries: Sequence[Delivery]) -> list[str]:
    """The short names of the streams they came from."""
    return [delivery.stream.rpartition("}:")[2] for delivery in deliveries]
