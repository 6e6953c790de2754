"""A connection to the configured server, and the definitions of runs as they lie there."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from coordinator.bus import Bus, start_bus
from coordinator.config import Settings
from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest
from coordinator.definitions.compile import Bundle, compile_bundle, load_document
from coordinator.definitions.digest import TamperedDefinitionError, UnreadableDefinitionError
from coordinator.definitions.layout import is_example_path
from coordinator.definitions.persona import Persona
from coordinator.engine.catalogue import DefinitionUnusableError
from coordinator.nearby import FolderNames
from coordinator.ports import DefinitionStore
from coordinator.redis_store import (
    RedisDefinitionStore,
    RedisDesk,
    RedisRegistry,
    RedisRunStore,
    RedisTimers,
    Server,
)
from steps.registry import step_types

EMBEDDED: Final = "embedded"
"""As `redis.url`: the bus of the state directory, started for as long as somebody uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything that looks at or talks to one store."""

    server: Server
    store: RedisRunStore
    desk: RedisDesk
    registry: RedisRegistry
    definitions: RedisDefinitionStore
    timers: RedisTimers
    bus: Bus | None


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the configured server, closed at the end.

    Raises:
        StoreUnavailableError: it cannot be reached.
        StoreUnsuitableError: it must not be used.
        BusError: an embedded bus could not be started.
    """
    bus = None
    url = settings.redis.connection_url()
    if url == EMBEDDED:
        bus = await asyncio.to_thread(start_bus, settings.state_dir)
        url = bus.url
    server = Server(
        url,
        name=instance_name(settings),
        allow_insecure=settings.redis.allow_insecure,
        require_aof=settings.redis.require_aof,
    )
    async with AsyncExitStack() as stack:
        if bus is not None:
            stack.callback(bus.stop)
        await server.connect()
        connection = Connection(
            server=server,
            store=RedisRunStore(server),
            desk=RedisDesk(server),
            registry=RedisRegistry(server),
            definitions=RedisDefinitionStore(server),
            timers=RedisTimers(server),
            bus=bus,
        )
        for part in (
            connection.store,
            connection.desk,
            connection.registry,
            connection.definitions,
            connection.timers,
        ):
            stack.push_async_callback(part.close)
        yield connection


def instance_name(settings: Settings) -> str:
    """The configured name of this process, else one of host and process id."""
    return settings.instance or f"{socket.gethostname()}-{os.getpid()}"


def load_workflow(digest: Digest, document: bytes) -> Workflow:
    """A stored definition, checked against its digest and compiled with the step types here.

    Raises:
        DefinitionUnusableError: it was tampered with, or needs what this program does not have.
    """
    return _load(digest, document)[0]


def _load(digest: Digest, document: bytes) -> tuple[Workflow, Mapping[str, Persona]]:
    try:
        return load_document(digest, document, step_types=step_types())
    except (TamperedDefinitionError, UnreadableDefinitionError) as error:
        raise DefinitionUnusableError(digest, str(error)) from error


class PersonaShelf:
    """Personas as the definitions of runs have them, each document read once."""

    def __init__(self, definitions: DefinitionStore) -> None:
        self._definitions = definitions
        self._known: dict[str, Mapping[str, Persona]] = {}

    async def __call__(self, digest: str, name: str) -> Persona | None:
        """The persona in that document; None when the document or the persona is missing."""
        if digest not in self._known:
            document = await self._definitions.get(Digest(digest))
            if document is None:
                return None
            self._known[digest] = _load(Digest(digest), document)[1]
        return self._known[digest].get(name)


def compile_files(files: Mapping[str, bytes], settings: Settings) -> Bundle:
    """Everything in these files but examples, with the step types installed here, as the settings
    say: under the overlay of their environment, with their names of folders.
    """
    names = (settings.folders.workflows, settings.folders.personas)
    usual = {path: _renamed(path, names, FolderNames()) for path in files}
    served = {usual[path]: text for path, text in files.items() if not is_example_path(usual[path])}
    bundle = compile_bundle(served, step_types=step_types(), env=settings.env)
    if names == FolderNames():
        return bundle
    faults = (
        replace(each, file=_renamed(each.file, FolderNames(), names)) for each in bundle.faults
    )
    return replace(bundle, faults=tuple(faults))


def _renamed(path: str, old: Sequence[str], new: Sequence[str]) -> str:
    """The path with one of the new folders in the place of the old one that it is in."""
    for was, is_now in zip(old, new, strict=True):
        if path.startswith(f"{was}/"):
            return f"{is_now}{path.removeprefix(was)}"
    return path
