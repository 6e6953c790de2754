"""What `EventSource` and `Timers` promise, on every store."""

from __future__ import annotations

import asyncio

import pytest

from coordinator.core.events import TimerFired
from coordinator.core.ids import run_id_for
from coordinator.messages import event_from_delivery
from coordinator.ports import CommitStatus, SourceKind
from tests.contracts.building import RUN, ask, first, later, timer
from tests.contracts.worlds import World, read_all, streams_of


async def test_tasks_replies_and_inbox_events_come_with_their_kind(world: World) -> None:
    source = world.source()
    source.follow(["qa"])
    await world.add("tasks", {"task": "{}"})
    await world.add("inbox", {"run": RUN, "continue": "1"})
    await world.add("res:qa", {"msg_id": "x"})
    await world.add("res:coordinator", {"msg_id": "y"})

    deliveries = await read_all(source, 4)

    kinds = {(short, d.kind) for short, d in zip(streams_of(deliveries), deliveries, strict=True)}
    assert kinds == {
        ("tasks", SourceKind.TASK),
        ("inbox", SourceKind.INBOX),
        ("res:qa", SourceKind.REPLY),
        ("res:coordinator", SourceKind.REPLY),
    }
    assert {d.deliveries for d in deliveries} == {1}
    now = await world.desk().now_ms()
    assert all(now - 60_000 < d.at_ms <= now for d in deliveries)


async def test_replies_of_personas_that_were_asked_are_followed_unbidden(world: World) -> None:
    await world.store().commit([first(commands=[ask(target="ghost-writer")])])
    await world.add("res:ghost-writer", {"msg_id": "x"})
    assert streams_of(await read_all(world.source(), 1)) == ["res:ghost-writer"]


async def test_nothing_to_read_is_an_empty_list_after_the_wait(world: World) -> None:
    assert await world.source().read(wait_ms=30) == []


async def test_a_waiting_read_wakes_for_a_new_entry(world: World) -> None:
    source = world.source()
    await source.read(wait_ms=1)
    waiting = asyncio.create_task(read_all(source, 1, wait_ms=20_000))
    await world.add("tasks", {"task": "{}"})
    async with asyncio.timeout(10):
        assert streams_of(await waiting) == ["tasks"]


async def test_an_entry_is_given_to_one_reader_only(world: World) -> None:
    one, two = world.source("one"), world.source("two")
    await one.read(wait_ms=1)
    for _ in range(5):
        await world.add("tasks", {"task": "{}"})
    assert len(await read_all(one, 5)) == 5
    assert await two.read(wait_ms=30) == []


async def test_what_a_reader_left_behind_comes_first_when_it_returns(world: World) -> None:
    before = world.source("same-name")
    old = [await world.add("tasks", {"task": str(n)}) for n in range(3)]
    await read_all(before, 3)
    await before.close()
    await world.add("tasks", {"task": "new"})

    again = await read_all(world.source("same-name"), 3)

    assert [d.entry_id for d in again][:3] == old
    assert {d.deliveries for d in again[:3]} == {2}


async def test_others_claim_what_was_not_settled_in_time(world: World) -> None:
    dead, alive = world.source("dead"), world.source("alive")
    entry = await world.add("tasks", {"task": "{}"})
    await read_all(dead, 1)
    assert await alive.claim_abandoned(idle_ms=3_600_000) == []
    [claimed] = await alive.claim_abandoned(idle_ms=0)
    assert (claimed.entry_id, claimed.deliveries, claimed.kind) == (entry, 2, SourceKind.TASK)
    assert claimed.fields == {"task": "{}"}


async def test_a_settled_delivery_never_comes_again(world: World) -> None:
    source = world.source()
    for n in range(3):
        await world.add("tasks", {"task": str(n)})
    deliveries = await read_all(source, 3)
    await source.settle(deliveries)
    await source.settle(deliveries)
    await source.settle([])
    assert await source.claim_abandoned(idle_ms=0) == []
    assert await world.source().read(wait_ms=10) == []


async def test_a_refused_delivery_is_a_dead_letter_once(world: World) -> None:
    source, desk = world.source(), world.desk()
    await world.add("tasks", {"task": "[", "note": "ä"})
    [delivery] = await read_all(source, 1)
    await source.refuse(delivery, reason="not JSON")
    await source.refuse(delivery, reason="not JSON")

    [letter] = await desk.dead_letters()
    assert (letter.stream, letter.reason) == ("tasks", "not JSON")
    assert letter.fields == {"task": "[", "note": "ä"}
    assert abs(letter.at_ms - delivery.at_ms) < 60_000
    assert await source.claim_abandoned(idle_ms=0) == []


async def test_a_replayed_dead_letter_is_back_in_its_queue_once(world: World) -> None:
    source, desk = world.source(), world.desk()
    await world.add("tasks", {"task": "{}"})
    [delivery] = await read_all(source, 1)
    await source.refuse(delivery, reason="no workflow")
    [letter] = await desk.dead_letters()
    await desk.replay(letter)
    await desk.replay(letter)

    assert await desk.dead_letters() == []
    [again] = await read_all(source, 1)
    assert again.fields == {"task": "{}"}
    assert await source.read(wait_ms=10) == []


async def test_giving_up_on_reads_loses_none_of_what_they_bring(world: World) -> None:
    source = world.source()
    await source.read(wait_ms=1)
    sent, seen = set(), set()
    for n in range(40):
        reading = asyncio.create_task(source.read(wait_ms=2_000))
        await asyncio.sleep(0)
        sent.add(await world.add("tasks", {"task": str(n)}))
        reading.cancel()
        try:
            seen |= {d.entry_id for d in await reading}
        except asyncio.CancelledError:
            continue
    async with asyncio.timeout(10):
        while len(seen) < len(sent):
            seen |= {d.entry_id for d in await source.read(wait_ms=500)}
    assert seen == sent


async def test_closing_ends_a_read_that_waits(world: World) -> None:
    source = world.source()
    await source.read(wait_ms=1)
    reading = asyncio.create_task(source.read(wait_ms=2_000))
    await asyncio.sleep(0)
    async with asyncio.timeout(8):
        await source.close()
        assert await reading == []


async def test_due_timers_become_events_once_however_many_fire(world: World) -> None:
    due = [timer(f"n{n}") for n in range(30)]
    await world.store().commit([first(commands=due)])
    firing = [world.timers() for _ in range(4)]
    waits = await asyncio.gather(*(timers.fire_due(count=20) for timers in firing))
    assert None in waits

    deliveries = await read_all(world.source(), 30)

    events = [event_from_delivery(delivery) for delivery in deliveries]
    assert all(isinstance(event, TimerFired) for event in events)
    assert {event.node for event in events if isinstance(event, TimerFired)} == {
        f"n{n}" for n in range(30)
    }


async def test_timers_of_the_future_do_not_fire_and_say_when(world: World) -> None:
    now = await world.desk().now_ms()
    await world.store().commit([first(commands=[timer(due_ms=now + 60_000)])])
    wait = await world.timers().fire_due()
    assert wait is not None
    assert 50_000 < wait <= 60_000
    assert await world.source().read(wait_ms=1) == []


async def test_no_timer_is_none(world: World) -> None:
    assert await world.timers().fire_due() is None


@pytest.mark.parametrize("times", [2, 5])
async def test_one_delivery_committed_by_several_coordinators_is_applied_once(
    world: World, times: int
) -> None:
    store, source = world.store(), world.source()
    await store.commit([first()])
    await world.add("inbox", {"run": RUN, "continue": "1"})
    deliveries = await read_all(source, 1)
    stores = [world.store() for _ in range(times)]
    results = await asyncio.gather(
        *(each.commit([later(inputs=deliveries, commands=[ask()])]) for each in stores)
    )
    statuses = sorted(result.status for [result] in results)
    assert statuses == ["duplicate"] * (times - 1) + [CommitStatus.OK]
    assert len(await world.queue("qa").take(wait_ms=1_000, count=9)) == 1


async def test_a_task_has_the_run_id_that_its_submission_promised(world: World) -> None:
    run = await world.desk().submit({"task": '{"title": "x"}', "workflow": "ship"})
    [delivery] = await read_all(world.source(), 1)
    assert run_id_for(delivery.entry_id) == run
    assert delivery.fields == {"task": '{"title": "x"}', "workflow": "ship"}
