"""Reading several streams as one consumer of a group, so that no entry is lost from sight."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from coordinator.ports import StoreUnavailableError, StoreUnsuitableError
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Command, Server
from coordinator.redis_store.entries import (
    Backoff,
    Entry,
    ensure_groups,
    entries_of,
    listed,
    milliseconds,
)
from coordinator.redis_store.errors import checked, is_missing_group


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read brought."""

    at_ms: int
    entries: Sequence[Entry]
    deliveries: Sequence[int]
    """How often each entry was delivered."""


NOTHING: Final = Batch(0, (), ())
GONE_MS: Final = 3_600_000
"""A consumer that was idle for so long and owns nothing is forgotten."""


class GroupReader:
    """One consumer of one group on several streams.

    After each connect the entries that this consumer already owns come first: a reply may have been
    lost on the way, and only the server knows. A read that a caller gives up on is not cancelled;
    the next one gets what it brings. Groups that vanish are made again, with growing pauses.
    """

    def __init__(
        self,
        server: Server,
        *,
        group: str,
        consumer: str,
        streams: Iterable[str] = (),
        listing: tuple[str, str] | None = None,
    ) -> None:
        """`listing`: a set to look at now and then, and what to put before each member to get the
        name of a stream that is to be read too."""
        self._group = group
        self._consumer = consumer
        self._listing = listing
        self._blocking = server.link()
        self.link = server.link()
        """For everything that does not block."""
        self._cursors: dict[str, str] = {}
        """Where to go on in the entries we own already; `>` = all of them were read."""
        self._scan: dict[str, str] = {}
        self._new: list[str] = []
        self._connections = 0
        self._client = 0
        self._looked_at = 0.0
        self._task: asyncio.Task[Batch] | None = None
        self._tidied_at = time.monotonic()
        self._backoff = Backoff()
        self._is_closed = False
        self.reads = 0
        """How many reads were sent."""
        self.lost_entries = 0
        """Entries that somebody deleted or trimmed while we owned them."""
        self.follow(streams)

    def follow(self, streams: Iterable[str]) -> None:
        """Read these streams too, from their beginning."""
        for stream in streams:
            if stream not in self._cursors:
                self._cursors[stream] = "0"
                self._new.append(stream)

    @property
    def streams(self) -> list[str]:
        """What is read."""
        return list(self._cursors)

    async def read(self, *, wait_ms: int, count: int) -> Batch:
        """What there is, waiting up to `wait_ms` for the first entry; may be empty earlier.

        Raises:
            StoreUnavailableError: nothing was read, or its answer was lost; the next read gets it.
        """
        if self._is_closed:
            return NOTHING
        if self._task is None:
            self._task = asyncio.create_task(self._read(wait_ms, count))
        try:
            batch = await asyncio.shield(self._task)
        except asyncio.CancelledError:
            # Giving up the read itself would leave its entries owned by us and unseen.
            raise
        except BaseException:
            self._task, self._client = None, 0
            raise
        self._task = None
        return batch

    async def claim(self, *, idle_ms: int, count: int) -> Batch:
        """Entries that their consumers have not settled for `idle_ms`; they are ours now.

        Raises:
            StoreUnavailableError: what was claimed, if anything, is ours and comes again.
        """
        streams = self.streams
        if not streams:
            return NOTHING
        if time.monotonic() - self._tidied_at > GONE_MS / 1_000:
            self._tidied_at = time.monotonic()
            await self._tidy("")
        positions = [self._scan.get(stream, "0-0") for stream in streams]
        command = scripting.CLAIM.on(
            streams, self._group, self._consumer, idle_ms, count, *positions
        )
        now, answers = await scripting.run_one(self.link, command)
        entries: list[Entry] = []
        deliveries: list[int] = []
        for stream, (position, items, counts, deleted) in zip(streams, answers, strict=True):
            self._scan[stream] = position.decode()
            self.lost_entries += deleted
            entries += listed(stream, items)
            deliveries += counts
        return Batch(int(now), entries, deliveries)

    async def close(self) -> None:
        """Stop reading. What a read under way brings stays ours, for others to claim."""
        self._is_closed = True
        with contextlib.suppress(StoreUnavailableError, StoreUnsuitableError):
            while self._task is not None and not self._task.done():
                # Again and again, for the read may be about to block. It ends by itself at last.
                await self.link.call(("CLIENT", "UNBLOCK", self._client))
                await asyncio.wait([self._task], timeout=0.05)
            await self._tidy(self._consumer)
        await self._blocking.close()
        await self.link.close()

    async def _tidy(self, leaving: str) -> None:
        """Take consumers off the list that own nothing: one that leaves, and those long gone."""
        if self.streams and self.link.connections:
            command = scripting.LEAVE.on(self.streams, self._group, leaving, GONE_MS)
            await scripting.run_one(self.link, command, is_repeatable=True)

    async def _read(self, wait_ms: int, count: int) -> Batch:
        await self._prepare()
        owned = [stream for stream, cursor in self._cursors.items() if cursor != ">"]
        batch = await self._owned(owned, count) if owned else NOTHING
        if batch.entries or not self._cursors:
            return batch
        return await self._fresh(wait_ms, count)

    async def _prepare(self) -> None:
        """Groups on all streams; after a new connection everything starts over."""
        if self._listing and time.monotonic() - self._looked_at > 2.0:
            self._looked_at = time.monotonic()
            key, before = self._listing
            members = await self.link.one("SMEMBERS", key, is_repeatable=True)
            self.follow(before + member.decode("utf-8", "replace") for member in sorted(members))
        if self._blocking.connections != self._connections or not self._client:
            self._client = await self._blocking.one("CLIENT", "ID", is_repeatable=True)
            self._connections = self._blocking.connections
            self._cursors = dict.fromkeys(self._cursors, "0")
            self._new = list(self._cursors)
        if self._new:
            await ensure_groups(self.link, self._new, self._group)
            self._new = []

    async def _owned(self, streams: Sequence[str], count: int) -> Batch:
        """The next entries that we own already."""
        cursors = [self._cursors[stream] for stream in streams]
        replies = await self._ask(streams, cursors, count, wait_ms=0)
        if replies is None:
            return NOTHING
        found: dict[str, list[Entry]] = {stream: [] for stream in streams}
        for entry in entries_of(replies[0]):
            found[entry.stream].append(entry)
        for stream, entries in found.items():
            self._cursors[stream] = entries[-1].id if entries else ">"
        await self._forget([entry for entries in found.values() for entry in entries])
        alive = [e for entries in found.values() for e in entries if not e.is_deleted]
        return Batch(milliseconds(replies[1]), alive, await self._counts(alive))

    async def _forget(self, entries: Sequence[Entry]) -> None:
        """Acknowledge what was deleted under us, or it would come again for ever."""
        deleted = [entry for entry in entries if entry.is_deleted]
        self.lost_entries += len(deleted)
        if deleted:
            commands = [("XACK", entry.stream, self._group, entry.id) for entry in deleted]
            await self.link.call(*commands, is_repeatable=True)

    async def _counts(self, entries: Sequence[Entry]) -> list[int]:
        if not entries:
            return []
        commands: list[Command] = [
            ("XPENDING", entry.stream, self._group, entry.id, entry.id, 1) for entry in entries
        ]
        replies = await self.link.call(*commands, is_repeatable=True)
        return [
            reply[0][3] if reply and not isinstance(reply, ResponseError) else 1
            for reply in replies
        ]

    async def _fresh(self, wait_ms: int, count: int) -> Batch:
        """New entries of all streams."""
        streams = self.streams
        before = time.monotonic()
        replies = await self._ask(streams, [">"] * len(streams), count, wait_ms)
        if replies is None:
            return NOTHING
        entries = list(entries_of(replies[0]))
        early = wait_ms / 1_000 - (time.monotonic() - before)
        if entries:
            self._backoff.succeeded()
        elif early > 0.02 and not self._is_closed:
            # Not every server waits (fakeredis with COUNT); a loop over us must not spin.
            await asyncio.sleep(min(0.02, early))
        return Batch(milliseconds(replies[1]), entries, [1] * len(entries))

    async def _ask(
        self, streams: Sequence[str], positions: Sequence[str], count: int, wait_ms: int
    ) -> list[Any] | None:
        """The answers to XREADGROUP and TIME; None when a group had vanished."""
        block = ("BLOCK", wait_ms) if wait_ms else ()
        command: Command = (
            *("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", count, *block),
            *("STREAMS", *streams, *positions),
        )
        self.reads += 1
        entries, now = await self._blocking.call(command, ("TIME",), wait_ms=wait_ms)
        if is_missing_group(entries):
            await self._backoff.pause(max(wait_ms, 50) / 1_000)
            self._new = list(self._cursors)
            return None
        return [checked(entries), checked(now)]
