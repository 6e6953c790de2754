"""What a settler makes of deliveries that race, repeat, lie, or come too early."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.ids import RunId, run_id_for
from coordinator.core.jsontext import dump_text
from coordinator.engine.catalogue import Catalogue
from coordinator.engine.intake import Intake
from coordinator.engine.observe import Silent
from coordinator.engine.settler import POISONED_AFTER, Settler
from coordinator.messages import reply_fields
from coordinator.ports import EventSource, Reply, Request, StoredRun, StoreUnavailableError
from coordinator.wiring import load_workflow
from tests.contracts.worlds import World, read_all
from tests.engine.rig import Remembering, Rig, reply_to, settler_of

TWO = """
name: two
version: 1.0.0
steps:
  - {id: a, type: persona-request, persona: p, retries: 1, retry: {delay: 1ms}}
  - {id: c, type: persona-request, persona: q}
  - {id: b, type: persona-request, persona: p, dependencies: [a]}
"""
ASKING = """
name: asking
version: 1.0.0
steps:
  - {id: a, type: persona-request, persona: p}
  - {id: c, type: persona-request, persona: q}
  - {id: release, type: human, dependencies: [a], gate: pass}
"""


class Bench:
    """Two settlers on one store, driven by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = Remembering()
        self.first, self.source = settler_of(world, "c1", self.log)
        self.second, self.other = settler_of(world, "c2", self.log)
        self.workers = {name: world.queue(name, consumer=f"w-{name}") for name in ("p", "q")}

    async def started(self, text: str, **fields: str) -> RunId:
        """A run that the first settler began."""
        [name] = await Rig(self.world).activate(text)
        return await self.submitted(workflow=name, **fields)

    async def submitted(self, **fields: str) -> RunId:
        run = await self.world.desk().submit({"task": "{}", **fields})
        await self.turn(self.first, self.source)
        return run

    async def turn(self, settler: Settler, source: EventSource, count: int = 1) -> None:
        """The settler has what its source brings next."""
        await settler.settle(await read_all(source, count))

    async def asked(self, persona: str) -> Request:
        """The next request to a persona."""
        for _ in range(50):
            if found := await self.workers[persona].take(wait_ms=200, count=1):
                return found[0]
        raise AssertionError(f"{persona} was not asked")

    async def replied(self, request: Request, **said: Any) -> None:
        """Its worker answers."""
        await self.workers[request.target].reply(request, reply_to(request, said))

    async def stored(self, run: RunId) -> StoredRun:
        """The run."""
        [found] = await self.world.store().load([run])
        assert found is not None
        return found

    async def letters(self) -> list[str]:
        """Why messages were refused."""
        return [letter.reason for letter in await self.world.desk().dead_letters()]


async def test_a_reply_is_not_late_because_another_coordinator_moved_the_run_on(
    world: World,
) -> None:
    bench = Bench(world)
    run = await bench.started(TWO)
    await bench.replied(await bench.asked("p"))
    await bench.turn(bench.second, bench.other)  # b is asked; the first still remembers a
    await bench.replied(await bench.asked("p"))

    await bench.turn(bench.first, bench.source)

    assert (await bench.stored(run)).state.nodes["b"].status == "succeeded"


async def test_an_answer_is_not_refused_because_another_coordinator_asked_the_question(
    world: World,
) -> None:
    bench = Bench(world)
    run = await bench.started(ASKING)
    await bench.replied(await bench.asked("p"))
    await bench.turn(bench.second, bench.other)
    await world.desk().signal(run, {"kind": "answer", "node": "release", "answer": "approve"})

    await bench.turn(bench.first, bench.source)

    assert await bench.letters() == []
    assert (await bench.stored(run)).state.nodes["release"].status == "succeeded"


async def test_what_is_really_late_is_settled_and_what_can_never_apply_is_refused(
    world: World,
) -> None:
    bench = Bench(world)
    run = await bench.started(TWO)
    request = await bench.asked("p")
    await bench.replied(request)
    await bench.replied(request)
    await world.desk().signal(run, {"kind": "answer", "node": "zzz", "answer": "approve"})

    await bench.turn(bench.first, bench.source, 3)

    assert await bench.letters() == ["nothing at 'zzz' waits for a human"]
    assert await bench.other.claim_abandoned(idle_ms=0) == []
    assert (await bench.stored(run)).state.nodes["a"].attempt == 1


async def test_a_delivery_settled_by_another_leaves_those_folded_with_it(world: World) -> None:
    bench = Bench(world)
    run = await bench.started(TWO)
    await bench.replied(await bench.asked("p"))
    await bench.replied(await bench.asked("q"))
    both = await read_all(bench.source, 2)
    await bench.second.settle(both[:1])

    await bench.first.settle(both)

    state = (await bench.stored(run)).state
    assert (state.nodes["a"].status, state.nodes["c"].status) == ("succeeded", "succeeded")
    assert len(await world.desk().journal(run)) == 3
    assert await bench.other.claim_abandoned(idle_ms=0) == []


@pytest.mark.parametrize("run", ["i" * 26, "l0u" + "o" * 23, "z" * 26, "0" * 26])
async def test_a_message_for_a_run_that_nobody_made_is_refused(world: World, run: str) -> None:
    bench = Bench(world)
    reply = Reply(msg_id=f"{run}:a:1", token="t", status="done")  # type: ignore[arg-type] # text
    await world.add("res:coordinator", reply_fields(reply, at_ms=1))
    await world.add("inbox", {"run": run, "signal": dump_text({"kind": "cancel"})})
    await world.add("inbox", {"timer": dump_text([run, "a", 1, "timeout"])})

    await bench.turn(bench.first, bench.source, 3)

    assert len(await bench.letters()) == 3
    assert await bench.other.claim_abandoned(idle_ms=0) == []


async def test_a_signal_waits_as_long_as_the_task_it_is_for_is_queued(world: World) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)
    run = await world.desk().submit({"task": "{}", "workflow": "two"})
    await world.desk().signal(run, {"kind": "cancel"})
    task, signal = sorted(await read_all(bench.source, 2), key=lambda one: one.kind == "inbox")

    await bench.first.settle([signal])
    assert await bench.letters() == []
    await bench.first.settle([task])
    await bench.second.settle(await bench.other.claim_abandoned(idle_ms=0))

    assert (await bench.stored(run)).state.record.status == "cancelled"


async def test_a_signal_for_a_task_that_was_refused_is_refused_too(world: World) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)
    run = await world.desk().submit({"task": "{}", "workflow": "nowhere"})
    await world.desk().signal(run, {"kind": "cancel"})

    await bench.turn(bench.first, bench.source, 2)

    assert f"run {run} does not exist" in await bench.letters()


async def test_a_refused_task_gives_its_idempotency_key_back(world: World) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)
    first = await bench.submitted(workflow="nowhere", idempotency_key="k")
    assert len(await bench.letters()) == 1

    second = await bench.submitted(workflow="two", idempotency_key="k")

    assert first != second
    assert (await bench.stored(second)).revision == 1


async def test_a_replayed_task_starts_its_run_though_its_key_was_used_before(world: World) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)
    await bench.submitted(workflow="three", idempotency_key="k")
    await Rig(world).activate(TWO.replace("two", "three"))
    [letter] = await world.desk().dead_letters()
    await world.desk().replay(letter)

    await bench.turn(bench.first, bench.source)

    [run] = await world.desk().runs()
    assert (run.workflow, await bench.letters()) == ("three", [])
    assert await world.desk().submit({"task": "{}"}, idempotency_key="k") == run.id


async def test_a_replay_starts_no_second_run_if_its_key_has_one_by_now(world: World) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)
    await bench.submitted(workflow="three", idempotency_key="k")
    run = await bench.submitted(workflow="two", idempotency_key="k")
    await Rig(world).activate(TWO, TWO.replace("two", "three"))
    [letter] = await world.desk().dead_letters()
    await world.desk().replay(letter)

    await bench.turn(bench.first, bench.source)

    assert [one.id for one in await world.desk().runs()] == [run]
    assert await bench.other.claim_abandoned(idle_ms=0) == []


class _Broken:
    """A store that cannot read one run, as if a newer version had written it."""

    def __init__(self, store: Any, unreadable: RunId) -> None:
        self._store = store
        self._unreadable = unreadable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load(self, runs: Any) -> Any:
        if self._unreadable in runs:
            raise ValueError("the run has format 99")
        return await self._store.load(runs)


def _with(world: World, log: Remembering, store: Any, source: Any, check: Any = None) -> Settler:
    catalogue = Catalogue(world.definitions(), load_workflow, refresh_seconds=0.0)
    intake = Intake(catalogue, check or (lambda _, params: (params, [])))
    return Settler(store, source, intake, telemetry=Silent(), log=log)


async def test_a_run_that_cannot_be_read_here_does_not_stop_the_others(world: World) -> None:
    bench = Bench(world)
    one = await bench.started(TWO)
    two = await bench.submitted(workflow="two")
    for run in (one, two):
        await world.desk().signal(run, {"kind": "cancel"})
    newer = _with(world, bench.log, _Broken(world.store(), one), bench.other)

    await bench.turn(newer, bench.other, 2)

    assert (await bench.stored(two)).state.record.outcome == "cancelled"
    assert (await bench.stored(one)).state.record.outcome == ""
    assert len(await bench.source.claim_abandoned(idle_ms=0)) == 1, "left to a newer version"
    assert "run_unreadable" in bench.log.names()


async def test_a_task_that_breaks_the_intake_is_tried_again_and_refused_in_the_end(
    world: World,
) -> None:
    bench = Bench(world)
    await Rig(world).activate(TWO)

    def broken(_workflow: Any, _params: Any) -> Any:
        raise ZeroDivisionError("a bug")

    settler = _with(world, bench.log, world.store(), bench.source, broken)
    await world.desk().submit({"task": "{}", "workflow": "two"})
    await bench.turn(settler, bench.source)
    assert await bench.letters() == []

    for _ in range(POISONED_AFTER - 1):
        await settler.settle(await bench.source.claim_abandoned(idle_ms=0))

    assert await bench.letters() == ["reading it fails: ZeroDivisionError: a bug"]


async def test_a_task_for_a_definition_that_is_not_there_is_refused(world: World) -> None:
    bench = Bench(world)
    await bench.started(TWO)

    await bench.submitted(workflow="two", digest="sha256:" + "f" * 64)

    assert "cannot be used: it is not in the store" in (await bench.letters())[0]


class _Away:
    """A store whose answer to the next commit is lost after it was carried out."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.is_away = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, transitions: Any) -> Any:
        results = await self._store.commit(transitions)
        if self.is_away:
            self.is_away = False
            raise StoreUnavailableError("the answer was lost")
        return results


async def test_a_lost_answer_to_a_commit_loses_and_doubles_nothing(world: World) -> None:
    bench = Bench(world)
    run = await bench.started(TWO)
    store = _Away(world.store())
    settler = _with(world, bench.log, store, bench.source)
    await bench.replied(await bench.asked("p"))
    deliveries = await read_all(bench.source, 1)
    with pytest.raises(StoreUnavailableError):
        await settler.settle(deliveries)
    await bench.replied(await bench.asked("p"))

    await settler.settle([*deliveries, *await read_all(bench.source, 1)])

    state = (await bench.stored(run)).state
    assert (state.nodes["a"].attempt, state.nodes["b"].status) == (1, "succeeded")
    assert len(await world.desk().journal(run)) == 3


def test_a_run_id_says_when_its_task_came() -> None:
    from coordinator.core.ids import milliseconds_of

    assert milliseconds_of(run_id_for("1700000000000-7")) == 1_700_000_000_000


async def test_a_reply_on_the_stream_of_another_persona_does_not_count(world: World) -> None:
    bench = Bench(world)
    run = await bench.started(TWO)
    request = await bench.asked("p")
    said = reply_fields(reply_to(request, {"verdict": "pass"}), at_ms=1)

    await world.add("res:q", said)
    await bench.turn(bench.first, bench.source)
    assert (await bench.stored(run)).state.nodes["a"].status == "running"
    await world.add("res:p", said)
    await bench.turn(bench.first, bench.source)
    assert (await bench.stored(run)).state.nodes["a"].status == "succeeded"
