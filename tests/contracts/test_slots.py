"""How runs share a concurrency key, on every store."""

from __future__ import annotations

import pytest

from coordinator.core.commands import AcquireSlot, EndRun, ReleaseSlot
from coordinator.core.concurrency import OnConflict
from coordinator.core.events import CancelRequested, Event, SlotGranted, SlotRefused
from coordinator.core.ids import RunId, run_id_for
from coordinator.messages import event_from_delivery
from coordinator.ports import CommitStatus, SlotQueue
from tests.contracts.building import first, later
from tests.contracts.worlds import MemoryWorld, RedisWorld, World

RUNS = [run_id_for(f"17000000000{n:02}-0") for n in range(12)]
KEY = "git@host:täsk/repo"


class Limits:
    """Runs that ask for keys and end, and what they were told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store()
        self.source = world.source()
        self.desk = world.desk()

    async def asks(
        self, run: RunId, mode: str = "queue", *, limit: int = 1, key: str = KEY
    ) -> list[str]:
        """The run begins and asks for its key; who was told what."""
        command = AcquireSlot(key=key, limit=limit, on_conflict=OnConflict(mode), attempt=1)
        [result] = await self.store.commit([first(run, commands=[command])])
        assert result.status is CommitStatus.OK
        return await self.told()

    async def ends(self, run: RunId, *, limit: int = 1, key: str = KEY) -> list[str]:
        """The run ends."""
        commands = [ReleaseSlot(key=key, limit=limit, attempt=1), EndRun(status="succeeded")]
        [revision] = await self.store.revisions([run])
        [result] = await self.store.commit([later(run, revision=revision, commands=commands)])
        assert result.status is CommitStatus.OK
        return await self.told()

    async def told(self) -> list[str]:
        """What came through the inbox, settled."""
        found = await self.source.read(wait_ms=0)
        await self.source.settle(found)
        return [_in_words(event_from_delivery(delivery)) for delivery in found]

    async def queue(self, key: str = KEY) -> tuple[list[int], list[int]]:
        """Who holds the key and who waits, by number."""
        now = await self.desk.slot_queue(key)
        return [RUNS.index(run) for run in now.holders], [RUNS.index(run) for run in now.waiting]


def _in_words(event: Event) -> str:
    number = RUNS.index(RunId(event.run))
    match event:
        case SlotGranted():
            return f"{number} granted"
        case SlotRefused():
            return f"{number} refused for {RUNS.index(RunId(event.holder))}"
        case CancelRequested():
            return f"{number} cancelled by {RUNS.index(RunId(event.by.removeprefix('run ')))}"
    raise AssertionError(event)


@pytest.fixture
def limits(world: World) -> Limits:
    return Limits(world)


async def test_a_free_slot_is_granted_with_the_commit_that_asks(limits: Limits) -> None:
    assert await limits.asks(RUNS[0]) == ["0 granted"]
    assert await limits.queue() == ([0], [])


async def test_runs_wait_and_have_their_turn_in_the_order_in_which_they_asked(
    limits: Limits,
) -> None:
    assert await limits.asks(RUNS[3]) == ["3 granted"]
    for number in (2, 0, 1):
        assert await limits.asks(RUNS[number]) == []
    assert await limits.queue() == ([3], [2, 0, 1])
    assert await limits.ends(RUNS[3]) == ["2 granted"]
    assert await limits.ends(RUNS[2]) == ["0 granted"]
    assert await limits.ends(RUNS[0]) == ["1 granted"]
    assert await limits.ends(RUNS[1]) == []
    assert await limits.queue() == ([], [])


async def test_as_many_hold_a_key_as_the_limit_allows(limits: Limits) -> None:
    for number in range(3):
        assert await limits.asks(RUNS[number], limit=3) == [f"{number} granted"]
    assert await limits.asks(RUNS[3], limit=3) == []
    assert await limits.ends(RUNS[1], limit=3) == ["3 granted"]
    assert await limits.queue() == ([0, 2, 3], [])


async def test_keys_know_nothing_of_each_other(limits: Limits) -> None:
    assert await limits.asks(RUNS[0], key="a") == ["0 granted"]
    assert await limits.asks(RUNS[1], key="b") == ["1 granted"]
    assert await limits.asks(RUNS[2], key="a") == []
    assert await limits.ends(RUNS[1], key="b") == []
    assert await limits.queue("a") == ([0], [2])


async def test_skip_is_refused_at_once_and_told_who_holds_the_key(limits: Limits) -> None:
    await limits.asks(RUNS[0])
    assert await limits.asks(RUNS[1], "skip") == ["1 refused for 0"]
    assert await limits.queue() == ([0], [])
    assert await limits.ends(RUNS[1]) == []
    assert await limits.ends(RUNS[0]) == []
    assert await limits.asks(RUNS[2], "skip") == ["2 granted"]


async def test_replace_cancels_those_who_hold_the_key_and_has_it_when_they_have_ended(
    limits: Limits,
) -> None:
    await limits.asks(RUNS[0], limit=2)
    await limits.asks(RUNS[1], limit=2)
    told = await limits.asks(RUNS[2], "replace", limit=2)
    assert sorted(told) == ["0 cancelled by 2", "1 cancelled by 2"]
    assert await limits.queue() == ([0, 1], [2])
    assert await limits.ends(RUNS[1], limit=2) == ["2 granted"]
    assert await limits.ends(RUNS[0], limit=2) == []
    assert await limits.queue() == ([2], [])


async def test_replace_cancels_those_who_wait_too_and_goes_to_the_front(limits: Limits) -> None:
    await limits.asks(RUNS[0])
    await limits.asks(RUNS[1])
    await limits.asks(RUNS[2], "replace")
    assert await limits.queue() == ([0], [2])
    assert await limits.asks(RUNS[3]) == []
    assert await limits.asks(RUNS[4], "replace") == [
        "2 cancelled by 4",
        "3 cancelled by 4",
        "0 cancelled by 4",
    ]
    for number in (1, 2, 3):
        assert await limits.ends(RUNS[number]) == []
    assert await limits.ends(RUNS[0]) == ["4 granted"]


async def test_replace_cancels_nobody_where_there_is_room(limits: Limits) -> None:
    await limits.asks(RUNS[0], limit=2)
    assert await limits.asks(RUNS[1], "replace", limit=2) == ["1 granted"]
    assert await limits.queue() == ([0, 1], [])


async def test_a_run_that_leaves_the_queue_lets_the_next_one_have_its_turn(
    limits: Limits,
) -> None:
    await limits.asks(RUNS[0])
    await limits.asks(RUNS[1])
    await limits.asks(RUNS[2])
    assert await limits.ends(RUNS[1]) == []
    assert await limits.queue() == ([0], [2])
    assert await limits.ends(RUNS[0]) == ["2 granted"]


async def test_every_run_goes_by_its_own_limit_and_nobody_overtakes(limits: Limits) -> None:
    await limits.asks(RUNS[0], limit=2)
    await limits.asks(RUNS[1], limit=2)
    assert await limits.asks(RUNS[2], limit=1) == []
    assert await limits.asks(RUNS[3], limit=5) == []
    assert await limits.ends(RUNS[0], limit=2) == []
    assert await limits.ends(RUNS[1], limit=2) == ["2 granted", "3 granted"]


async def test_skip_does_not_overtake_those_who_wait(limits: Limits) -> None:
    await limits.asks(RUNS[0], limit=3)
    await limits.asks(RUNS[1], limit=1)
    assert await limits.asks(RUNS[2], "skip", limit=3) == ["2 refused for 0"]
    assert await limits.queue() == ([0], [1])


async def test_who_leaves_the_front_of_the_queue_may_let_several_through(limits: Limits) -> None:
    await limits.asks(RUNS[0], limit=3)
    await limits.asks(RUNS[1], limit=1)
    await limits.asks(RUNS[2], limit=3)
    await limits.asks(RUNS[3], limit=3)
    assert await limits.ends(RUNS[1], limit=1) == ["2 granted", "3 granted"]


async def test_releasing_twice_or_without_having_asked_changes_nothing(limits: Limits) -> None:
    await limits.asks(RUNS[0])
    await limits.asks(RUNS[1])
    await limits.ends(RUNS[0])
    assert await limits.ends(RUNS[0]) == []
    assert await limits.queue() == ([1], [])


async def test_a_run_that_begins_again_asks_anew(limits: Limits) -> None:
    await limits.asks(RUNS[0])
    await limits.ends(RUNS[0])
    await limits.asks(RUNS[1])
    again = AcquireSlot(key=KEY, limit=1, on_conflict=OnConflict.QUEUE, attempt=2)
    await limits.store.commit([later(RUNS[0], revision=2, commands=[again])])
    await limits.store.commit(
        [later(RUNS[0], revision=3, commands=[ReleaseSlot(key=KEY, limit=1, attempt=1)])]
    )
    assert await limits.queue() == ([1], [0])
    await limits.ends(RUNS[1])
    assert await limits.queue() == ([0], [])


async def test_a_transition_on_an_old_revision_takes_no_slot(limits: Limits) -> None:
    await limits.asks(RUNS[0])
    command = AcquireSlot(key="k", limit=1, on_conflict=OnConflict.QUEUE, attempt=1)
    [result] = await limits.store.commit([first(RUNS[0], commands=[command])])
    assert result.status is CommitStatus.CONFLICT
    assert await limits.desk.slot_queue("k") == SlotQueue()
    stale = later(RUNS[0], revision=9, commands=[ReleaseSlot(key=KEY, limit=1, attempt=1)])
    [result] = await limits.store.commit([stale])
    assert result.status is CommitStatus.CONFLICT
    assert await limits.queue() == ([0], [])
    assert await limits.told() == []


async def test_nothing_is_kept_of_a_key_that_nobody_needs(world: World, limits: Limits) -> None:
    await limits.asks(RUNS[0])
    await limits.asks(RUNS[1], "skip")
    assert await _is_kept(world)
    await limits.ends(RUNS[0])
    await limits.ends(RUNS[1])
    assert not await _is_kept(world)


async def _is_kept(world: World) -> bool:
    """Whether the store has anything of the key."""
    if isinstance(world, MemoryWorld):
        return KEY in world.memory.keys
    assert isinstance(world, RedisWorld)
    return bool(await world.link.one("EXISTS", world.server.keys.concurrency(KEY)))
