"""What `Desk`, `Registry` and `DefinitionStore` promise, on every store."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from coordinator.core.events import Answered, Signalled
from coordinator.core.ids import Digest
from coordinator.core.state import RunRecord, RunStatus
from coordinator.core.steering import BadSignalError
from coordinator.messages import MAX_FIELD, BadMessageError, TooLargeError, event_from_delivery
from coordinator.ports import ActiveBundle, Member
from tests.contracts.building import OTHER, RUN, ask, first, head, later
from tests.contracts.worlds import World, read_all


async def test_the_same_key_gives_the_same_run_and_one_task(world: World) -> None:
    desks = [world.desk() for _ in range(5)]
    runs = await asyncio.gather(
        *(desk.submit({"task": "{}"}, idempotency_key="k ä") for desk in desks)
    )
    assert len(set(runs)) == 1
    other = await desks[0].submit({"task": "{}"})
    assert other not in runs
    [tasks] = [depth for depth in await desks[0].depths() if depth.name == "tasks"]
    assert (tasks.lag, tasks.pending) == (2, 0)


async def test_what_is_no_task_is_not_submitted(world: World) -> None:
    desk = world.desk()
    with pytest.raises(BadMessageError, match="no field 'task'"):
        await desk.submit({})
    with pytest.raises(BadMessageError, match="not JSON"):
        await desk.submit({"task": "{"})
    with pytest.raises(BadMessageError, match="no JSON object"):
        await desk.submit({"task": "[]"})
    with pytest.raises(TooLargeError):
        await desk.submit({"task": '{"x": "' + "y" * MAX_FIELD + '"}'})
    with pytest.raises(BadMessageError, match="idempotency_key"):
        await desk.submit({"task": "{}"}, idempotency_key="k" * 201)
    assert await world.source().read(wait_ms=1) == []


async def test_a_signal_arrives_as_the_event_it_means(world: World) -> None:
    desk, source = world.desk(), world.source()
    signal = {"kind": "answer", "node": "merge", "answer": "approve", "values": {"n": 1}}
    await desk.signal(RUN, signal)
    [delivery] = await read_all(source, 1)
    event = event_from_delivery(delivery)
    assert isinstance(event, Answered)
    assert (event.run, event.node, event.answer, event.values) == (
        RUN,
        "merge",
        "approve",
        {"n": 1},
    )
    with pytest.raises(BadSignalError):
        await desk.signal(RUN, {"kind": "explode"})


async def test_a_named_signal_arrives_with_who_sent_it_and_what_came_with_it(world: World) -> None:
    desk, source = world.desk(), world.source()
    values = {"n": 1, "list": [None, {"ä": 2.5}]}
    await desk.signal(RUN, {"kind": "signal", "name": "go", "by": "ann", "values": values})
    [delivery] = await read_all(source, 1)
    event = event_from_delivery(delivery)
    assert isinstance(event, Signalled)
    assert (event.run, event.name, event.by, event.values) == (RUN, "go", "ann", values)
    with pytest.raises(BadSignalError, match="'values' has 70012 bytes as JSON; at most 65536"):
        await desk.signal(RUN, {"kind": "signal", "name": "go", "values": {"x": "y" * 70_004}})


async def test_runs_are_listed_newest_first(world: World) -> None:
    desk = world.desk()
    await world.store().commit([first(RUN), first(OTHER, about=head(task={}))])
    ended = RunRecord(status=RunStatus.SUCCEEDED, at_ms=9, ended_ms=9)
    await world.store().commit([later(RUN, record=ended)])
    newest, oldest = await desk.runs()
    assert (newest.id, newest.title, newest.status) == (OTHER, "", "running")
    assert (oldest.id, oldest.title, oldest.status) == (RUN, "A täsk", "succeeded")
    assert (oldest.workflow, oldest.version) == ("ship", "1.0.0")
    assert (oldest.created_ms, oldest.ended_ms, oldest.revision) == (1_700_000_000_000, 9, 2)
    assert [run.id for run in await desk.runs(limit=1)] == [OTHER]
    assert await desk.runs(limit=0) == []


async def test_runs_are_found_by_the_beginning_of_their_id(world: World) -> None:
    desk = world.desk()
    await world.store().commit([first(RUN), first(OTHER)])
    assert await desk.find(RUN[:9]) == sorted([RUN, OTHER])
    assert await desk.find(RUN[:16]) == [RUN]
    assert await desk.find(RUN) == [RUN]
    for nothing in ("zzz", "", "*", "[", RUN + "0", "ä"):
        assert await desk.find(nothing) == []


async def test_a_journal_is_read_on_from_any_entry(world: World) -> None:
    store, desk = world.store(), world.desk()
    await store.commit([first()])
    for revision in range(1, 12):
        await store.commit([later(revision=revision)])
    ids = [record.id for record in await desk.journal(RUN)]
    assert len(ids) == 12
    assert [r.id for r in await desk.journal(RUN, after=ids[8], count=2)] == ids[9:11]
    assert await desk.journal(RUN, after=ids[-1]) == []
    assert await desk.journal(OTHER) == []


async def test_reading_a_journal_waits_for_the_next_entry(world: World) -> None:
    store, desk = world.store(), world.desk()
    await store.commit([first(), first(OTHER)])
    [begun] = await desk.journal(RUN)
    waiting = [
        asyncio.create_task(desk.journal(run, after=begun.id, wait_ms=20_000))
        for run in (RUN, RUN, OTHER)
    ]
    await asyncio.sleep(0)
    await store.commit([later()])
    async with asyncio.timeout(1.5):
        assert [record.entry for record in await waiting[0]] == list(later().journal)
        assert await waiting[0] == await waiting[1]
    assert not waiting[2].done()
    waiting[2].cancel()
    began = asyncio.get_running_loop().time()
    assert await desk.journal(OTHER, after=begun.id, wait_ms=60) == []
    assert asyncio.get_running_loop().time() - began < 1.5


async def test_members_are_those_seen_lately(world: World) -> None:
    registry, desk = world.registry(), world.desk()
    worker = Member(
        name="w1", role="worker", personas=("qa", "lead"), concurrency=3, host="h", pid=7
    )
    await registry.announce(worker)
    await registry.announce(Member(name="c1", role="coordinator"))
    coordinator, found = await desk.members()
    assert coordinator.name == "c1"
    assert (found.personas, found.concurrency, found.host, found.pid) == (
        ("qa", "lead"),
        3,
        "h",
        7,
    )
    assert abs(found.seen_ms - await desk.now_ms()) < 60_000
    await registry.leave("c1")
    assert [member.name for member in await desk.members()] == ["w1"]


async def test_depths_tell_what_waits_and_what_is_being_done(world: World) -> None:
    await world.store().commit([first(commands=[ask("a"), ask("b"), ask("c")])])
    queue = world.queue("qa")
    assert len(await queue.take(wait_ms=2_000, count=2)) == 2
    depths = {depth.name: depth for depth in await world.desk().depths()}
    assert (depths["req:qa"].lag, depths["req:qa"].pending) == (1, 2)
    assert depths["req:qa"].consumers == 1
    assert {"tasks", "inbox", "work", "res:qa", "res:coordinator", "dead"} <= set(depths)


async def test_definitions_are_kept_by_their_digest(world: World) -> None:
    store = world.definitions()
    document = b'{"steps": [1, "\xc3\xa4"]}'
    digest = Digest("sha256:" + hashlib.sha256(document).hexdigest())
    await store.put({digest: document})
    await store.put({digest: document})
    await store.put({})
    assert await store.get(digest) == document
    assert await store.get(Digest("sha256:" + "0" * 64)) is None


async def test_of_two_activations_on_the_same_revision_one_wins(world: World) -> None:
    store = world.definitions()
    one = ActiveBundle(
        bundle="main",
        revision="main@sha1:1",
        digests={"ship": Digest("sha256:1")},
        routes=({"workflow": "ship", "types": ["bug"], "when": None},),
        personas=("qa",),
        activated_ms=5,
    )
    assert await store.active() == []
    assert not await store.activate(one, replaces="main@sha1:0")
    assert await store.activate(one, replaces=None)
    assert not await store.activate(one, replaces=None)
    [active] = await store.active()
    assert (active.bundle, active.revision, active.digests) == (
        one.bundle,
        one.revision,
        one.digests,
    )
    assert [dict(route) for route in active.routes] == [dict(one.routes[0])]
    assert (list(active.personas), active.activated_ms) == (["qa"], 5)

    rivals = [ActiveBundle(bundle="main", revision=f"main@sha1:{n}") for n in range(2, 6)]
    won = await asyncio.gather(
        *(world.definitions().activate(rival, replaces=one.revision) for rival in rivals)
    )
    assert sorted(won) == [False, False, False, True]
