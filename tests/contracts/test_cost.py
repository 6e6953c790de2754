"""What one transition costs, by the size of its run: the same for 10 nodes and for 10,000."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from coordinator.bus import start_bus
from coordinator.core.commands import ClearTimer
from coordinator.core.events import TimerKind
from coordinator.core.state import NodeState, NodeStatus
from coordinator.ports import CommitStatus
from tests import servers
from tests.contracts.building import OTHER, RUN, ask, first, later, running, settle, timer
from tests.contracts.worlds import RedisWorld, read_all

_CALLS = re.compile(rb"cmdstat_([a-z|]+):calls=(\d+)")


@pytest.fixture
async def alone() -> AsyncIterator[RedisWorld]:
    bus = start_bus(servers.new_folder())
    world = RedisWorld(bus.url)
    yield world
    await world.close()
    bus.stop()


async def cost_of_a_step(world: RedisWorld, nodes: int) -> dict[str, int]:
    """Commands on the server and bytes from the client, of one reply applied and one step begun."""
    store, source = world.store(), world.source()
    many = {f"n{n:05}": running() for n in range(nodes)}
    await store.commit([first(nodes=many, commands=[ask("n00001")])])
    await world.queue("qa").take(wait_ms=1_000, count=1)
    await world.add("inbox", {"run": RUN, "continue": "1"})
    deliveries = await read_all(source, 1)
    done = NodeState(status=NodeStatus.SUCCEEDED, attempt=1, settled=1)
    step = later(
        nodes={"n00001": done, "n00002": running()},
        results={"n00001": {"ok": True}},
        commands=[
            settle("n00001"),
            ClearTimer(node="n00001", attempt=1, kind=TimerKind.TIMEOUT),
            ask("n00002"),
            timer("n00002"),
        ],
        inputs=deliveries,
    )
    await store.commit([later(OTHER)])  # a conflict, but now the server knows the script
    sent = store.link.bytes_sent
    await world.link.one("CONFIG", "RESETSTAT")
    [result] = await store.commit([step])
    assert result.status is CommitStatus.OK
    stats = dict(_CALLS.findall(await world.link.one("INFO", "commandstats")))
    for ours in (b"config|resetstat", b"info", b"script|load"):
        stats.pop(ours, None)
    cost = {name.decode(): int(calls) for name, calls in sorted(stats.items())}
    round_trips = cost.pop("evalsha")
    return {
        "nodes in the run": nodes,
        "scripts sent": round_trips,
        "bytes sent": store.link.bytes_sent - sent,
        "commands inside": sum(cost.values()),
        **cost,
    }


async def test_a_transition_costs_the_same_in_a_run_of_any_size(alone: RedisWorld) -> None:
    rows = []
    for nodes in (10, 10_000):
        await alone.link.one("FLUSHALL")
        rows.append(await cost_of_a_step(alone, nodes))
    for name in rows[0]:
        print(f"{name:18} {rows[0][name]:>8,} {rows[1].get(name, 0):>8,}")
    small, large = ({k: v for k, v in row.items() if k != "nodes in the run"} for row in rows)
    assert small == large
    assert small["scripts sent"] == 1
    assert small["bytes sent"] < 2_500
    assert small["commands inside"] < 40
