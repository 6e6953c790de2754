"""What happens to the stores when the server or the link misbehaves; real servers only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.bus import start_bus
from coordinator.messages import MAX_FIELD, BadMessageError, task_from_delivery
from coordinator.ports import (
    CommitStatus,
    Delivery,
    EventSource,
    StoreUnavailableError,
    StoreUnsuitableError,
)
from coordinator.redis_store import Server
from coordinator.redis_store.server_facts import ServerFacts
from tests import servers
from tests.contracts.building import OTHER, RUN, ask, first, later
from tests.contracts.worlds import RedisWorld, read_all


@pytest.fixture
async def alone() -> AsyncIterator[RedisWorld]:
    """An installation on a server of its own, to be broken."""
    bus = start_bus(servers.new_folder())
    world = RedisWorld(bus.url)
    yield world
    await world.close()
    bus.stop()


async def read_through(source: EventSource, seconds: float = 10.0) -> list[Delivery]:
    """The next deliveries, reading on through interruptions as the engine does."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(StoreUnavailableError):
                found = await source.read(wait_ms=200)
                if found:
                    return found


async def lose_a_reply(world: RedisWorld, consumer: str) -> None:
    """Have the server deliver an entry to a link that dies before it can read."""
    thief = world.server.link()
    key = world.key("tasks")
    command = ("XREADGROUP", "GROUP", "coordinators", consumer, "STREAMS", key, ">")
    await thief.call(command)
    await thief.close()


async def test_an_entry_whose_delivery_was_lost_comes_after_the_next_connect(
    real: RedisWorld,
) -> None:
    source = real.source("c1")
    await source.read(wait_ms=1)
    entry = await real.add("tasks", {"task": "{}"})
    await lose_a_reply(real, "c1")
    assert await source.read(wait_ms=50) == []

    await real.link.one("CLIENT", "KILL", "ID", source.reader._client)

    [delivery] = await read_through(source)
    assert (delivery.entry_id, delivery.deliveries) == (entry, 2)


async def test_a_link_that_dies_while_it_waits_is_made_again(real: RedisWorld) -> None:
    source = real.source("c1")
    await source.read(wait_ms=1)
    reading = asyncio.create_task(source.read(wait_ms=30_000))
    await asyncio.sleep(0)
    await real.link.one("CLIENT", "KILL", "ID", source.reader._client)
    with pytest.raises(StoreUnavailableError):
        await reading
    entry = await real.add("tasks", {"task": "{}"})
    assert [d.entry_id for d in await read_through(source)] == [entry]


async def test_a_deleted_stream_and_its_group_are_made_again(real: RedisWorld) -> None:
    source = real.source()
    await source.read(wait_ms=1)
    for name in ("tasks", "inbox", "res:coordinator"):
        await real.link.one("DEL", real.key(name))
    entry = await real.add("tasks", {"task": "{}"})
    assert [d.entry_id for d in await read_through(source)] == [entry]


async def test_a_group_that_vanishes_again_and_again_does_not_make_a_reader_spin(
    real: RedisWorld,
) -> None:
    source = real.source()
    await source.read(wait_ms=1)
    before, until = source.reader.reads, time.monotonic() + 1.0

    async def destroy() -> None:
        while time.monotonic() < until:
            await real.link.one("DEL", real.key("tasks"))
            await asyncio.sleep(0.001)

    destroying = asyncio.create_task(destroy())
    while time.monotonic() < until:
        assert await source.read(wait_ms=1_000) == []
    await destroying
    assert source.reader.reads - before < 25


async def test_a_flushed_server_is_read_on_without_spinning(alone: RedisWorld) -> None:
    source = alone.source()
    await source.read(wait_ms=1)
    reading = asyncio.create_task(source.read(wait_ms=20_000))
    while b"blocked_clients:1" not in await alone.link.one("INFO", "clients"):
        await asyncio.sleep(0)
    before = source.reader.reads
    await alone.link.one("FLUSHALL")
    async with asyncio.timeout(10):
        assert await reading == []
    entry = await alone.add("tasks", {"task": "{}"})
    assert [d.entry_id for d in await read_through(source)] == [entry]
    assert source.reader.reads - before < 5


async def test_a_read_may_block_longer_than_any_default_timeout(alone: RedisWorld) -> None:
    source = alone.source()
    await source.read(wait_ms=1)
    before, began = source.reader.reads, time.monotonic()
    assert await source.read(wait_ms=5_600) == []
    assert time.monotonic() - began > 5.5
    assert source.reader.reads - before == 1


async def test_entries_deleted_under_their_owner_are_counted_and_forgotten(
    real: RedisWorld,
) -> None:
    source = real.source("c1")
    entries = [await real.add("tasks", {"task": str(n)}) for n in range(3)]
    await read_all(source, 3)
    await source.close()
    await real.link.one("XDEL", real.key("tasks"), *entries[:2])

    again = real.source("c1")
    assert [d.entry_id for d in await again.read(wait_ms=100)] == entries[2:]
    assert again.reader.lost_entries == 2
    pending = await real.link.one("XPENDING", real.key("tasks"), "coordinators")
    assert pending[0] == 1


async def test_a_task_with_a_huge_field_goes_to_the_dead_letters_whole(real: RedisWorld) -> None:
    source, size = real.source(), MAX_FIELD + 1_000_000
    await real.add("tasks", {"task": '"' + "x" * size + '"'})
    [delivery] = await read_all(source, 1)
    with pytest.raises(BadMessageError, match="longer than") as refused:
        task_from_delivery(delivery)
    await source.refuse(delivery, reason=refused.value.reason)
    [letter] = await real.desk().dead_letters()
    assert len(letter.fields["task"]) == size + 2


async def test_a_cancelled_call_never_leaves_its_answer_to_the_next(real: RedisWorld) -> None:
    link = real.server.link()
    for n in range(60):
        call = asyncio.create_task(link.one("ECHO", f"cancelled {n}"))
        for _ in range(n % 6):
            await asyncio.sleep(0)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        assert await link.one("ECHO", f"wanted {n}") == f"wanted {n}".encode()
    await link.close()


async def test_a_consumer_that_owns_nothing_leaves_and_one_that_does_stays(
    real: RedisWorld,
) -> None:
    idle, busy = real.source("idle"), real.source("busy")
    await idle.read(wait_ms=1)
    await real.add("tasks", {"task": "{}"})
    await read_all(busy, 1)
    await idle.close()
    await busy.close()
    consumers = await real.link.one("XINFO", "CONSUMERS", real.key("tasks"), "coordinators")
    assert [consumer[1] for consumer in consumers] == [b"busy"]


async def test_a_full_server_takes_no_new_run_and_lets_old_ones_go_on(alone: RedisWorld) -> None:
    store, source = alone.store(), alone.source()
    await store.commit([first()])
    await source.read(wait_ms=1)
    await alone.add("tasks", {"task": "{}"})
    await alone.link.one("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailableError, match="OOM"):
        await store.commit([first(OTHER)])
    [result] = await store.commit([later(commands=[ask()])])
    assert result.status is CommitStatus.OK
    await source.settle(await read_through(source))


async def test_whoever_waits_for_a_run_hears_of_it_although_the_link_breaks(
    alone: RedisWorld,
) -> None:
    store, desk = alone.store(), alone.desk()
    await store.commit([first()])
    waiting = asyncio.create_task(desk.journal(RUN, after="1-0", wait_ms=20_000))
    while not await alone.link.one("PUBSUB", "SHARDCHANNELS"):
        await asyncio.sleep(0)
    await alone.link.one("CLIENT", "KILL", "TYPE", "pubsub")
    await store.commit([later()])
    async with asyncio.timeout(10):
        assert len(await waiting) == 1


async def test_a_server_that_became_a_replica_is_not_available_for_a_time(
    alone: RedisWorld,
) -> None:
    store = alone.store()
    await store.commit([first()])
    await alone.link.one("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailableError, match="READONLY"):
        await store.commit([later()])
    await alone.link.one("REPLICAOF", "NO", "ONE")
    [result] = await store.commit([later()])
    assert result.status is CommitStatus.OK


async def test_no_server_is_said_so_at_once(tmp_path: Path) -> None:
    server = Server(f"unix://{tmp_path}/none.sock")
    with pytest.raises(StoreUnavailableError, match=r"none\.sock"):
        await server.connect()


async def test_a_stopped_server_ends_a_call_in_time(alone: RedisWorld) -> None:
    info = (await alone.link.one("INFO", "server")).decode()
    pid = int(info.partition("process_id:")[2].split()[0])
    server = Server(alone.server.url, timeout=0.3)
    await server.connect()
    link = server.link()
    await link.one("PING")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailableError):
            await link.one("PING")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await link.one("PING") == b"PONG"
    await link.close()


async def test_a_password_is_needed_beyond_this_host() -> None:
    with pytest.raises(StoreUnsuitableError, match="no password"):
        Server("redis://redis.example.org:6379")
    Server("redis://:secret@redis.example.org:6379")
    Server("redis://redis.example.org:6379", allow_insecure=True)
    for local in ("redis://localhost", "redis://127.0.0.1:1", "redis://[::1]:1", "unix:///x"):
        Server(local)


async def test_what_is_no_url_is_said_without_its_secret() -> None:
    with pytest.raises(StoreUnsuitableError, match="not usable"):
        Server("http://:secret@localhost")
    assert "secret" not in Server("redis://:secret@localhost:7").place


async def test_a_wrong_password_needs_a_person(alone: RedisWorld) -> None:
    await alone.link.one("CONFIG", "SET", "requirepass", "right")
    wrong = alone.server.url.replace("unix://", "unix://:wrong@")
    with pytest.raises(StoreUnsuitableError, match="password"):
        await Server(wrong).connect()
    with pytest.raises(StoreUnsuitableError, match="NOAUTH"):
        await Server(alone.server.url).connect()
    right = alone.server.url.replace("unix://", "unix://:right@")
    assert (await Server(right).connect()).version >= (7, 0)
    await alone.link.one("CONFIG", "SET", "requirepass", "")


def facts(**more: object) -> ServerFacts:
    values: dict[str, Any] = {
        "version": (7, 0),
        "product": "redis 7.0.15",
        "is_cluster": False,
        "has_aof": True,
        "eviction": "noeviction",
        "has_script_headers": True,
        **more,
    }
    return ServerFacts(**values)


def test_a_server_that_is_too_old_or_forgets_is_refused() -> None:
    facts().check("here", require_aof=True)
    with pytest.raises(StoreUnsuitableError, match=r"redis 6\.2"):
        facts(version=(6, 2), product="redis 6.2").check("here", require_aof=False)
    with pytest.raises(StoreUnsuitableError, match="append"):
        facts(has_aof=False).check("here", require_aof=True)
    assert facts().warnings == []
    assert len(facts(has_aof=False, eviction="allkeys-lru").warnings) == 2


KILLED = """
import asyncio, sys
from coordinator.redis_store import Keys, RedisEventSource, RedisRunStore, Server
from tests.contracts.building import first
async def main(url, prefix):
    server = Server(url, keys=Keys(prefix=prefix))
    deliveries = await RedisEventSource(server, consumer="dies").read(wait_ms=5_000)
    await RedisRunStore(server).commit([first(inputs=deliveries)])
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("point", "status"),
    [("read.after", "ok"), ("commit.before", "ok"), ("commit.after", "duplicate")],
)
async def test_a_coordinator_killed_around_a_commit_leaves_all_or_nothing(
    real: RedisWorld, point: str, status: str
) -> None:
    await real.add("tasks", {"task": "{}"})
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, real.server.url, real.server.keys.prefix),
        env={**os.environ, "COORDINATOR_FAULT": f"{point}:1:kill"},
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    )
    _, said = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL, said.decode()

    heir, store = real.source("heir"), real.store()
    deliveries = await heir.claim_abandoned(idle_ms=0)
    if status == "ok":
        [result] = await store.commit([first(inputs=deliveries)])
        assert (result.status, len(deliveries)) == ("ok", 1)
    else:
        assert deliveries == []
        [stored] = await store.load([RUN])
        assert stored is not None
