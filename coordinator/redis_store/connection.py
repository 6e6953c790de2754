"""Connections to one Redis or Valkey server, or to the node of a cluster that holds our keys.

A `Link` is one connection with no magic: it never sends anything twice by itself unless the caller
says that twice is as good as once, it never reuses a connection after a timeout or a cancelled
call, and a call that blocks on the server gets its own link and five seconds more than it blocks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, cast

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from coordinator.ports import StoreUnavailableError, StoreUnsuitableError
from coordinator.redis_store import errors
from coordinator.redis_store.keys import Keys
from coordinator.redis_store.server_facts import ServerFacts, learn

Argument = str | bytes | int | float
Command = Sequence[Argument]

TIMEOUT: Final = 5.0
"""Seconds for a round trip, beside the time that a command may block on the server."""
_SLICE: Final = 16
"""Commands per write while more are being made."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", ""})


@dataclass(slots=True)
class Server:
    """Which server to use, and how. Opens links; asks once what kind of server it is.

    Raises:
        StoreUnsuitableError: the URL is none, or leads over a network without a password.
    """

    url: str
    keys: Keys = field(default_factory=Keys)
    name: str = "coordinator"
    """How the server's operator sees our connections."""
    allow_insecure: bool = False
    """Accept a server on another host without a password."""
    require_aof: bool = False
    """Refuse a server that does not keep an append-only file."""
    timeout: float = TIMEOUT
    facts: ServerFacts | None = None
    """What the server said of itself; None before the first connection."""
    _options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._options = dict(parse_url(self.url))
        except ValueError as error:
            raise StoreUnsuitableError(f"the Redis URL is not usable: {error}") from None
        if not self.allow_insecure and not self._is_local() and not self._options.get("password"):
            raise StoreUnsuitableError(
                f"{self.place} is on another host and the Redis URL has no password. Add one "
                "(redis://:PASSWORD@host), use a unix socket, or allow it explicitly"
            )

    @property
    def place(self) -> str:
        """Where the server is, without any secret."""
        path = self._options.get("path")
        if path:
            return f"unix:{path}"
        return f"{self._options.get('host', 'localhost')}:{self._options.get('port', 6379)}"

    def link(self) -> Link:
        """A new link; it connects when it is first used."""
        return Link(self)

    async def connect(self) -> ServerFacts:
        """What kind of server it is, after having talked to it.

        Raises:
            StoreUnavailableError: it does not answer.
            StoreUnsuitableError: it must not be used.
        """
        link = self.link()
        try:
            await link.call(("PING",))
        finally:
            await link.close()
        return self.facts or await self.connect()

    async def open(self) -> AbstractConnection:
        """A connected connection to the node that holds our keys."""
        connection = await self._connect(self._options)
        if self.facts is None:
            try:
                facts = await learn(connection, self.keys.root)
                facts.check(self.place, require_aof=self.require_aof)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self.facts = facts
        if self.facts.owner is None:
            return connection
        await connection.disconnect()
        host, port = self.facts.owner
        options = {name: value for name, value in self._options.items() if name != "path"}
        return await self._connect({**options, "host": host, "port": port})

    def forget(self) -> None:
        """Ask again what the server is: it may have been replaced."""
        self.facts = None

    async def _connect(self, options: dict[str, Any]) -> AbstractConnection:
        settings = {
            "socket_keepalive": True,
            **options,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "socket_timeout": None,
            "socket_connect_timeout": self.timeout,
            "driver_info": None,
            "client_name": self.name,
        }
        kind = settings.pop("connection_class", Connection)
        if "path" in settings:
            del settings["socket_keepalive"]
        connection: Any = kind(**settings)
        async with asyncio.timeout(self.timeout):
            await connection.connect()
        return cast("AbstractConnection", connection)

    def _is_local(self) -> bool:
        return "path" in self._options or self._options.get("host", "") in _LOOPBACK


class Link:
    """One connection, opened when needed and again after it broke; one call at a time."""

    __slots__ = ("_connection", "_lock", "_server", "bytes_sent", "calls", "connections")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()
        self.bytes_sent = 0
        self.calls = 0
        self.connections = 0
        """How often it has connected; it changed = what was blocked or in flight is uncertain."""

    async def call(
        self, *commands: Command, wait_ms: int = 0, is_repeatable: bool = False
    ) -> list[Any]:
        """The replies to `commands`, sent in one write; an error reply stands in its place.

        `wait_ms` is how long the server may block. `is_repeatable`: once more if the connection was
        lost, because doing it twice is as good as once.

        Raises:
            StoreUnavailableError: no connection, no reply in time, or the server cannot serve now.
            StoreUnsuitableError: the server refuses us, or must not be used.
        """
        packed = [(_packed(commands), len(commands))]
        async with self._lock:
            try:
                replies = await self._attempt(packed, wait_ms)
            except StoreUnavailableError:
                if not is_repeatable:
                    raise
                replies = await self._attempt(packed, wait_ms)
        return replies

    async def stream(self, commands: Iterable[Command]) -> list[Any]:
        """The replies to `commands`, each written soon after it is made; as `call` otherwise.

        Raises:
            StoreUnavailableError: as `call`.
            StoreUnsuitableError: as `call`.
        """
        made = iter(commands)
        slices = iter(lambda: list(islice(made, _SLICE)), [])
        async with self._lock:
            return await self._attempt(((_packed(some), len(some)) for some in slices), 0)

    async def one(self, *command: Argument, wait_ms: int = 0, is_repeatable: bool = False) -> Any:
        """The reply to one command.

        Raises:
            StoreUnavailableError: as `call`.
            StoreUnsuitableError: as `call`, or the command was refused.
        """
        [reply] = await self.call(command, wait_ms=wait_ms, is_repeatable=is_repeatable)
        return errors.checked(reply)

    @property
    def has_script_headers(self) -> bool:
        """Whether the server takes scripts that begin with `#!lua`; assumed until it was asked."""
        return self._server.facts is None or self._server.facts.has_script_headers

    async def close(self) -> None:
        """Disconnect."""
        async with self._lock:
            await self._drop()

    async def _attempt(self, packed: Iterable[tuple[bytes, int]], wait_ms: int) -> list[Any]:
        """Send and receive; afterwards the connection is either in order or gone."""
        try:
            async with asyncio.timeout(self._server.timeout + wait_ms / 1000):
                replies = await self._exchange(packed)
        except (StoreUnavailableError, StoreUnsuitableError):
            raise
        except (OSError, RedisError, TimeoutError) as error:
            await self._drop()
            raise errors.translated(error, self._server.place) from error
        except BaseException:
            # Cancelled between question and answer: the next caller would read this one's reply.
            await self._drop()
            raise
        for reply in replies:
            if isinstance(reply, ResponseError) and errors.is_passing(reply):
                if errors.is_elsewhere(reply):
                    self._server.forget()
                    await self._drop()
                raise errors.translated(reply, self._server.place)
        return replies

    async def _exchange(self, packed: Iterable[tuple[bytes, int]]) -> list[Any]:
        if self._connection is None:
            self._connection = await self._server.open()
            self.connections += 1
        connection = self._connection
        self.calls += 1
        sent = 0
        for text, count in packed:
            await connection.send_packed_command(text, check_health=False)
            self.bytes_sent += len(text)
            sent += count
        replies: list[Any] = []
        for _ in range(sent):
            try:
                replies.append(await connection.read_response(timeout=math.inf))
            except ResponseError as error:
                replies.append(error)
        return replies

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def _packed(commands: Iterable[Command]) -> bytes:
    return b"".join([pack_command(cast("Any", tuple(command))) for command in commands])
