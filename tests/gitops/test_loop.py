"""The loop: it looks again, waits longer after failures, and ends at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from coordinator import redis_store as redis
from coordinator.definitions import Fault, Severity
from coordinator.engine.loops import Stop
from coordinator.gitops import Source, SyncStatus, Tip, sync_forever
from coordinator.gitops.status import MAX_FAULTS, kept
from coordinator.gitops.sync import _pause
from coordinator.memory_store import Memory, MemoryDefinitionStore
from tests import servers
from tests.gitops.synced import BROKEN, Synced, version
from tests.gitx.gitrepos import Project

SOON = timedelta(milliseconds=20)


async def until(fact: Callable[[], Awaitable[object]]) -> None:
    """Wait for a fact, with a deadline."""
    async with asyncio.timeout(20):
        while not await fact():
            await asyncio.sleep(0.01)


async def test_commits_become_active_while_the_loop_runs_on_a_real_server(project: Project) -> None:
    server = redis.Server(servers.real_url(), keys=redis.Keys(prefix=f"sync-{project.tip()[:8]}:"))
    store = redis.RedisDefinitionStore(server)
    synced, stop = Synced.of(project, definitions=store), Stop()

    async def serves(revision: str) -> bool:
        return [bundle.revision[-40:] for bundle in await store.active()] == [revision]

    async def is_invalid() -> bool:
        status = await store.get_status("main")
        return status is not None and not SyncStatus.from_document(status).is_valid

    loop = asyncio.create_task(sync_forever(synced.sync, interval=SOON, stop=stop))
    await until(lambda: serves(project.tip()))
    bad = project.colleague_pushes({"workflows/ship.yml": BROKEN})
    await until(is_invalid)
    status = SyncStatus.from_document(await store.get_status("main") or {})
    fixed = project.colleague_pushes({"workflows/ship.yml": version("1.0.1")})
    await until(lambda: serves(fixed))
    stop.now()
    await loop

    assert status.attempted.endswith(bad)
    assert status.active == status.last_good != status.attempted
    assert status.faults[0].file == "workflows/ship.yml"
    assert await synced.stored() == "1.0.1"
    await store.close()


async def test_two_daemons_with_mirrors_of_their_own_agree(project: Project) -> None:
    definitions, stop = MemoryDefinitionStore(Memory()), Stop()
    both = [Synced.of(project, state, definitions) for state in ("one", "two")]

    async def serves() -> bool:
        return [each.revision[-40:] for each in await definitions.active()] == [project.tip()]

    loops = [
        asyncio.create_task(sync_forever(each.sync, interval=SOON, stop=stop)) for each in both
    ]
    for number in range(3):
        project.colleague_pushes({"workflows/ship.yml": version(f"2.0.{number}")})
        await until(serves)
    stop.now()
    await asyncio.gather(*loops)

    assert await both[0].stored() == "2.0.2"
    activations = [event for each in both for event in each.log.events]
    assert activations.count("definitions_activated") <= 4


async def test_stopping_does_not_wait_for_a_remote_that_hangs() -> None:
    release = threading.Event()

    class Hanging:
        name = "hanging"

        def look(self) -> Tip:
            release.wait(60)
            raise AssertionError("nobody waits for this")

    synced, stop = Synced(Hanging()), Stop()
    loop = asyncio.create_task(sync_forever(synced.sync, interval=SOON, stop=stop))
    await asyncio.sleep(0)
    began = time.monotonic()
    stop.now()
    await loop
    took = time.monotonic() - began
    release.set()

    assert took < 5


async def test_a_status_is_told_and_survives_the_store(project: Project) -> None:
    told: list[SyncStatus] = []
    synced, stop = Synced.of(project), Stop()

    def tell(status: SyncStatus) -> None:
        told.append(status)
        if len(told) == 3:
            stop.now()

    await sync_forever(replace(synced.sync, tell=tell), interval=SOON, stop=stop)

    kept_document = await synced.definitions.get_status("main")
    assert kept_document is not None
    stored = SyncStatus.from_document({**kept_document, "a_key_of_tomorrow": 1})
    assert replace(stored, at_ms=0) == replace(told[-1], at_ms=0)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 60.0), (1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (99, 300.0)]
)
def test_pauses_grow_with_failures_and_differ_by_a_fifth(failures: int, seconds: float) -> None:
    pauses = [_pause(60.0, failures) for _ in range(200)]

    assert seconds * 0.8 <= min(pauses) < max(pauses) <= seconds * 1.2


def test_an_interval_is_never_shorter_than_the_shortest() -> None:
    assert Source(url="/x", interval=timedelta(0)).interval == timedelta(milliseconds=200)


def test_of_too_many_faults_the_errors_are_kept() -> None:
    warning = Fault("a.yml", 1, 1, "WF033", Severity.WARNING, "so so")
    error = Fault("b.yml", 1, 1, "WF021", Severity.ERROR, "bad")

    some = kept((*(replace(warning, line=line) for line in range(MAX_FAULTS)), error))

    assert len(some) == MAX_FAULTS
    assert some[0] == error
