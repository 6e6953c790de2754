"""From a command to the server and back: connecting, finding runs by a prefix."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from coordinator.cli.errors import BadUsageError, NotFoundError
from coordinator.cli.session import Session, say
from coordinator.ports import (
    DefinitionStore,
    Desk,
    Member,
    RunStore,
    StoredRun,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from coordinator.config import Settings
    from coordinator.core.definition import Workflow
    from coordinator.core.ids import RunId
    from coordinator.engine.loops import Stop
    from coordinator.wiring import Connection

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, on a loop of its own. SIGTERM cancels it, as Ctrl-C does.

    Raises:
        KeyboardInterrupt: somebody ended it; `work` was cancelled and has cleaned up.
    """
    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    if task is not None:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


@asynccontextmanager
async def connect(session: Session) -> AsyncIterator[Connection]:
    """A connection to the configured server.

    Where none is configured and none answers at the usual place, it is the one that `run --local`
    and `dev` left in the state folder, if they did; the session uses that one from then on.
    """
    settings = session.settings()
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connected(settings))
        except StoreUnavailableError:
            if not _may_be_embedded(settings):
                raise
            say(
                f"no server is configured, and none at {shown_url(settings)}: "
                f"using the embedded one of {settings.state_dir}"
            )
            session.flags["redis.url"] = "embedded"
            connection = await stack.enter_async_context(connected(session.settings()))
        yield connection


def _may_be_embedded(settings: Settings) -> bool:
    """Whether nobody chose a server, and there is an embedded one to look at."""
    from coordinator.bus import has_bus

    chosen = settings.origins["redis.url"] != "default" or settings.redis.password_file
    return not chosen and has_bus(settings.state_dir)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the server of these settings."""
    from coordinator import wiring

    async with wiring.connect(settings) as connection:
        yield connection


def shown_url(settings: Settings) -> str:
    """The server's address without secrets."""
    from coordinator.config import mask_url

    return mask_url(settings.redis.url)


def has_coordinator(members: list[Member]) -> bool:
    """Whether somebody would notice a task."""
    return any(member.role == "coordinator" for member in members)


async def find_run(desk: Desk, prefix: str) -> RunId:
    """The run whose id begins with `prefix`.

    Raises:
        NotFoundError: there is none.
        BadUsageError: there are several.
    """
    found = await desk.find(prefix.lower()) if prefix else []
    if not found:
        raise NotFoundError(
            f'no run has an id that begins with "{prefix}"; see coordinator runs list'
        )
    exact = [run for run in found if run == prefix.lower()]
    if len(found) > 1 and not exact:
        listed = ", ".join(found[:5])
        raise BadUsageError(
            f'"{prefix}" begins the ids of several runs: {listed}; write more of it'
        )
    return (exact or found)[0]


async def load_run(store: RunStore, desk: Desk, prefix: str) -> StoredRun:
    """The run whose id begins with `prefix`, as last committed.

    Raises:
        NotFoundError: there is none.
    """
    run = await find_run(desk, prefix)
    [stored] = await store.load([run])
    if stored is None:
        raise NotFoundError(f"run {run} does not exist any more")
    return stored


async def definition_of(definitions: DefinitionStore, digest: str) -> Workflow | None:
    """A run's definition; None, with a remark, when it cannot be read here."""
    from coordinator.core.ids import Digest
    from coordinator.engine.catalogue import DefinitionUnusableError
    from coordinator.wiring import load_workflow

    document = await definitions.get(Digest(digest))
    if document is None:
        say(f"warning: the definition {digest} is not in the store")
        return None
    try:
        return load_workflow(Digest(digest), document)
    except DefinitionUnusableError as error:
        say(f"warning: {error}")
        return None


def stop_on_signals(stop: Stop) -> None:
    """The first Ctrl-C or SIGTERM lets what runs come to an end, the second ends it at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.now)
