"""Entries of streams as the server sends them, and groups that may vanish under their readers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis.exceptions import ResponseError

from coordinator.redis_store.connection import Command, Link
from coordinator.redis_store.errors import checked, code_of

LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts to read a group that vanishes again and again."""


class Entry(NamedTuple):
    """One entry of one stream."""

    stream: str
    id: str
    fields: Mapping[str, str]
    """Bytes that are not UTF-8 are kept as surrogates; whoever reads the fields refuses them."""
    is_deleted: bool
    """It was deleted while it belonged to its consumer."""


def entries_of(reply: Any) -> Iterator[Entry]:
    """The entries in the answer to XREADGROUP or XREAD."""
    for stream, items in reply or ():
        yield from listed(_text(stream), items)


def listed(stream: str, items: Iterable[Any]) -> Iterator[Entry]:
    """The entries in the answer to XRANGE or XAUTOCLAIM."""
    for identity, flat in items:
        yield Entry(stream, _text(identity), fields_of(flat), is_deleted=not flat)


def fields_of(flat: Sequence[bytes] | None) -> dict[str, str]:
    """Names and values in turn, as a mapping."""
    flat = flat or ()
    return {_text(flat[i]): _text(flat[i + 1]) for i in range(0, len(flat), 2)}


def milliseconds(time: Sequence[bytes]) -> int:
    """The answer to TIME in milliseconds since 1970."""
    return int(time[0]) * 1_000 + int(time[1]) // 1_000


async def ensure_groups(link: Link, streams: Iterable[str], group: str) -> None:
    """Make the group on each stream, from the beginning, where it is missing.

    Raises:
        StoreUnavailableError: as `Link.call`.
        StoreUnsuitableError: as `Link.call`, or a key is no stream.
    """
    commands: list[Command] = [
        ("XGROUP", "CREATE", stream, group, "0", "MKSTREAM") for stream in streams
    ]
    if not commands:
        return
    for reply in await link.call(*commands, is_repeatable=True):
        if not (isinstance(reply, ResponseError) and code_of(reply) == "BUSYGROUP"):
            checked(reply)


class Backoff:
    """Longer and longer pauses with jitter, until something succeeds."""

    def __init__(self, first: float = 0.05) -> None:
        self._first = first
        self._failures = 0

    def succeeded(self) -> None:
        """The next pause is short again."""
        self._failures = 0

    async def pause(self, at_most: float) -> None:
        """Wait, not longer than `at_most` seconds."""
        longest = min(self._first * 2.0**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 16)
        # Chance spreads readers that lost the same group; nothing depends on its quality.
        await asyncio.sleep(min(longest * random.uniform(0.5, 1.0), at_most))  # noqa: S311


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
