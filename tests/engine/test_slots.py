"""Runs of one concurrency key through real coordinators, on every store."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence

import pytest

from coordinator.core.events import CancelRequested
from coordinator.core.ids import RunId
from coordinator.core.state import RunState, RunStatus
from coordinator.ports import Delivery, Request, SlotQueue
from tests.contracts.worlds import RedisWorld, World
from tests.engine.rig import Remembering, Rig, facts, reply_to, settler_of

KEYS = ("red", "green")
LIMITS = {"narrow": 1, "wide": 3, "shy": 1, "bold": 2}
MODES = {"narrow": "queue", "wide": "queue", "shy": "skip", "bold": "replace"}
WORKFLOWS = [
    f"""
name: {name}
version: 1.0.0
concurrency: {{key: "{{{{ task.key }}}}", limit: {LIMITS[name]}, on_conflict: {MODES[name]}}}
steps:
  - {{id: work, type: persona-request, persona: worker}}
finally:
  - {{id: clean, type: persona-request, persona: worker, on_error: continue}}
"""
    for name in LIMITS
]


async def test_runs_of_different_workflows_with_one_key_go_one_after_the_other(
    world: World,
) -> None:
    """Three coordinators, two workflows, one key: never two of them at work, and all get there."""
    at_work: set[str] = set()
    seen: list[int] = []

    async def answer(request: Request) -> dict[str, str]:
        at_work.add(request.run)
        seen.append(len(at_work))
        await asyncio.sleep(0)
        if request.node == "finally/clean":
            at_work.discard(request.run)
        return {"verdict": "pass"}

    other = WORKFLOWS[0].replace("name: narrow", "name: also-narrow")
    async with Rig(world, coordinators=3) as rig:
        await rig.activate(WORKFLOWS[0], other)
        rig.serve("worker", answer=answer)
        names = ["narrow", "also-narrow"] * 4
        runs = [await rig.engine.start(name, {"key": "one"}) for name in names]
        ended = [await rig.engine.wait(run, timeout=30) for run in runs]

    assert [one.status for one in ended] == ["succeeded"] * 8
    assert set(seen) == {1}
    assert await world.desk().slot_queue("one") == SlotQueue()


async def test_a_run_that_will_not_wait_is_stopped_and_names_the_holder(world: World) -> None:
    goes_on = asyncio.Event()

    async def answer(_: Request) -> dict[str, str]:
        await goes_on.wait()
        return {"verdict": "pass"}

    async with Rig(world) as rig:
        await rig.activate(*WORKFLOWS)
        rig.serve("worker", answer=answer)
        first = await rig.engine.start("narrow", {"key": "one"})
        refused = await rig.engine.execute("shy", {"key": "one"}, timeout=20)
        [listed] = await world.desk().runs(open_only=True)
        goes_on.set()
        ended = await rig.engine.wait(first, timeout=20)

    assert refused.status == "stopped"
    assert refused.error == {"class": "refused", "message": f"another run holds one: {first}"}
    assert (listed.id, listed.slot) == (first, "one")
    assert ended.status == "succeeded"


async def test_a_run_that_replaces_another_begins_when_that_one_has_cleaned_up(
    world: World,
) -> None:
    asked: list[tuple[str, str]] = []
    is_asked, may_reply = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> dict[str, str]:
        asked.append((request.run, request.node))
        is_asked.set()
        await may_reply.wait()
        return {"verdict": "pass"}

    async with Rig(world, coordinators=2) as rig:
        workflows = await rig.activate(WORKFLOWS[0], WORKFLOWS[3].replace("limit: 2", "limit: 1"))
        rig.serve("worker", answer=answer)
        first = await rig.engine.start("narrow", {"key": "one"})
        await is_asked.wait()
        second = await rig.engine.start("bold", {"key": "one"})
        await _cancelled(world, first)
        may_reply.set()
        replaced = await rig.engine.wait(first, timeout=20)
        ended = await rig.engine.wait(second, timeout=20)
        again = await rig.replayed(workflows["bold"], second)

    assert replaced.status == "cancelled"
    assert f"cancelled by run {second}" in str(replaced.error)
    assert ended.status == "succeeded"
    assert asked == [(run, n) for run in (first, second) for n in ("work", "finally/clean")]
    assert facts(again) == facts(ended.state)


async def _cancelled(world: World, run: RunId) -> None:
    """Return when the run's cancel was applied."""
    after = "0-0"
    while True:
        records = await world.desk().journal(run, after=after, wait_ms=5_000)
        assert records, "no cancel came"
        if any(isinstance(record.entry.event, CancelRequested) for record in records):
            return
        after = records[-1].id


class Crowd:
    """Runs, coordinators that die, and a worker, in an order that chance decides."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.log = Remembering()
        self.store, self.desk = world.store(), world.desk()
        self.coordinators = [settler_of(world, f"c{n}", self.log) for n in range(2)]
        self.worker = world.queue("worker")
        self.requests: list[Request] = []
        self.runs: dict[RunId, str] = {}
        self.ended_by_hand: set[RunId] = set()
        self.queues = dict.fromkeys(KEYS, SlotQueue())

    async def submits(self) -> None:
        name, key = self.random.choice(list(LIMITS)), self.random.choice(KEYS)
        run = await self.desk.submit({"task": json.dumps({"key": key}), "workflow": name})
        self.runs[run] = name

    async def coordinates(self) -> None:
        """A coordinator reads, and may die before or after any of its commits."""
        settler, source = self.random.choice(self.coordinators)
        if self.random.random() < 0.4:
            found = await source.claim_abandoned(idle_ms=0)
        else:
            found = await source.read(wait_ms=0, count=8)
        for delivery in found:
            if self.random.random() < 0.25:
                return
            await self._settles(settler, delivery)

    async def _settles(self, settler: object, delivery: Delivery) -> None:
        others = [one for one, _ in self.coordinators if one is not settler]
        await settler.settle([delivery])  # type: ignore[attr-defined]  # a Settler
        await self.checks()
        if self.random.random() < 0.2:
            await others[0].settle([delivery])  # it was delivered to another one too
            await self.checks()

    async def works(self) -> None:
        self.requests += await self.worker.take(wait_ms=0, count=8)
        self.random.shuffle(self.requests)
        for _ in range(min(len(self.requests), self.random.randint(0, 3))):
            request = self.requests.pop()
            said = self.random.choice([{"verdict": "pass"}, {"error": "refused"}])
            await self.worker.reply(request, reply_to(request, said))

    async def steers(self) -> None:
        if not self.runs:
            return
        run = self.random.choice(list(self.runs))
        kind = self.random.choice(["cancel", "terminate", "pause", "resume", "resume"])
        if kind in ("cancel", "terminate"):
            self.ended_by_hand.add(run)
        await self.desk.signal(run, {"kind": kind, "by": "ann"})

    async def checks(self) -> None:
        """Nobody is let in above his own limit, and nobody before those who asked earlier."""
        for key in KEYS:
            before, now = self.queues[key], await self.desk.slot_queue(key)
            self.queues[key] = now
            if now == before:
                continue
            order = [*before.waiting, *(run for run in self.runs if run not in before.waiting)]
            stayed = [run for run in before.holders if run in now.holders]
            let_in = sorted((run for run in now.holders if run not in stayed), key=order.index)
            for count, run in enumerate(let_in, len(stayed)):
                assert count < LIMITS[self.runs[run]], "more hold the key than the limit allows"
                overtaken = [one for one in now.waiting if order.index(one) < order.index(run)]
                assert not overtaken, "a run had its turn before one that had asked earlier"
            kept = [run for run in before.waiting if run in now.waiting]
            assert list(now.waiting[: len(kept)]) == kept, "the queue lost its order"

    async def states(self) -> list[RunState]:
        found = await self.store.load(list(self.runs))
        return [stored.state for stored in found if stored is not None]

    async def ends(self) -> Sequence[RunState]:
        """Nobody dies any more: everything comes to its end."""
        for _ in range(2_000):
            for settler, source in self.coordinators:
                found = [*await source.claim_abandoned(idle_ms=0), *await source.read(wait_ms=0)]
                await settler.settle(found)
            for request in [*self.requests, *await self.worker.take(wait_ms=0, count=50)]:
                await self.worker.reply(request, reply_to(request, {"verdict": "pass"}))
            self.requests = []
            states = await self.states()
            for state in states:
                if state.record.status is RunStatus.PAUSED:
                    await self.desk.signal(RunId(state.id), {"kind": "resume"})
            if len(states) == len(self.runs) and all(s.record.status.is_final for s in states):
                return states
        raise AssertionError(f"not over: {[s.record.status for s in await self.states()]}")


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_no_limit_is_broken_and_nothing_is_left(
    world: World, seed: int
) -> None:
    """Random keys, limits and modes; coordinators die and everything is delivered again."""
    crowd = Crowd(world, seed)
    await Rig(world).activate(*WORKFLOWS)
    deeds = [crowd.submits, crowd.coordinates, crowd.coordinates, crowd.works, crowd.steers]
    for _ in range(160):
        await crowd.random.choices(deeds, weights=[3, 5, 5, 4, 1])[0]()
        held = {run for key in KEYS for run in crowd.queues[key].holders}
        for state in await crowd.states() if crowd.random.random() < 0.1 else ():
            is_at_work = state.record.granted_ms and not state.record.status.is_final
            assert not is_at_work or state.id in held, "it works without a slot"

    states = await crowd.ends()

    replaced = "it takes the place of this one"
    for state in states:
        mode, error = MODES[crowd.runs[RunId(state.id)]], str(state.record.error or "")
        if state.record.granted_ms or state.id in crowd.ended_by_hand or replaced in error:
            continue
        assert mode == "skip", f"{state.id} never had its turn: {state.record}"
        assert state.record.status is RunStatus.STOPPED
    assert "delivery_failed" not in crowd.log.names()
    assert [await crowd.desk.slot_queue(key) for key in KEYS] == [SlotQueue(), SlotQueue()]
    if isinstance(world, RedisWorld):
        names = [world.server.keys.concurrency(key) for key in KEYS]
        assert await world.link.one("EXISTS", *names) == 0
