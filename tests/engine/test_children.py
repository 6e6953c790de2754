"""Steps that run other workflows, through the real loops, on every store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from coordinator.core.definition import Ask
from coordinator.core.events import Replied
from coordinator.core.ids import Digest, RunId
from coordinator.core.state import RunState
from coordinator.messages import event_from_delivery
from coordinator.ports import Request
from tests.contracts.building import first as first_of_parent
from tests.contracts.test_children import CHILD, begin
from tests.contracts.worlds import World, read_all
from tests.engine.rig import Remembering, Rig, facts, settler_of

CHECKS = """
name: checks
version: 1.0.0
params: {level: {type: integer, default: 1}}
steps:
  - {id: test, type: persona-request, persona: tester, params: {level: "{{ params.level }}"}}
outputs: {level: "{{ params.level }}", n: "{{ steps.test.result.n }}"}
"""
BUILD = """
name: build
version: 1.0.0
steps:
  - {id: make, type: persona-request, persona: builder}
outputs: {made: "{{ steps.make.result.made }}"}
"""
SHIP = """
name: ship
version: 1.0.0
steps:
  - {id: build, type: workflow, workflow: build, retry: {max_attempts: 2, delay: 50ms}}
  - id: check
    type: workflow
    workflow: checks
    params: {level: "{{ steps.build.result.made }}"}
    dependencies: [build]
    gate: pass
outputs: {n: "{{ steps.check.result.n }}", level: "{{ steps.check.result.level }}"}
"""


async def child_of(rig: Rig, run: RunId, path: str) -> RunId:
    """The run that works for a step, once there is one that has begun."""
    after = "0-0"
    for _ in range(200):
        stored = (await rig.world.store().load([run]))[0]
        node = stored.state.nodes.get(path) if stored else None
        if node is not None and node.child:
            [found] = await rig.world.store().load([RunId(node.child)])
            if found is not None:
                return RunId(node.child)
        records = await rig.world.desk().journal(run, after=after, wait_ms=100)
        after = records[-1].id if records else after
    raise AssertionError(f"no run began for {path}")


async def state_of(rig: Rig, run: RunId) -> RunState:
    [stored] = await rig.world.store().load([run])
    assert stored is not None
    return stored.state


async def test_a_parent_goes_on_with_what_its_children_come_to(world: World) -> None:
    tries = iter([{"error": "persona_error", "message": "no luck"}])
    async with Rig(world, coordinators=2) as rig:
        known = await rig.activate(SHIP, BUILD, CHECKS)
        rig.serve("builder", answer=lambda _: next(tries, {"verdict": "pass", "result": _MADE}))
        rig.serve("tester", answer=lambda _: {"verdict": "pass", "result": {"n": 7}})

        ended = await rig.engine.execute("ship", {"title": "x"}, timeout=30)

        assert (ended.status, ended.outputs) == ("succeeded", {"n": 7, "level": 3})
        build, check = (ended.state.nodes[path] for path in ("build", "check"))
        assert (build.attempt, check.attempt, check.verdict) == (2, 1, "pass")
        assert rig.asked == [("make", 1), ("make", 1), ("test", 1)]
        child = await state_of(rig, RunId(build.child))
        assert (child.head.workflow, child.record.status) == ("build", "succeeded")
        assert child.head.parent is not None
        assert (child.head.parent.run, child.head.parent.node) == (ended.run, "build")
        assert child.head.task == ended.state.head.task
        assert facts(await rig.replayed(known["ship"], ended.run)) == facts(ended.state)
        assert facts(await rig.replayed(known["build"], RunId(build.child))) == facts(child)
        assert len(await world.desk().runs()) == 4
        assert await world.desk().open_count() == 0


_MADE = {"made": 3}


async def test_a_child_that_fails_for_good_fails_its_parent_by_name(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(SHIP, BUILD, CHECKS)
        rig.serve("builder", answer=lambda _: {"error": "refused", "message": "not this one"})

        ended = await rig.engine.execute("ship", {"title": "x"}, timeout=30)

        node = ended.state.nodes["build"]
        assert (ended.status, node.attempt) == ("failed", 1)
        assert ended.error is not None
        assert ended.error["class"] == "refused"
        assert ended.error["message"] == f"run {node.child} of build failed at make: not this one"


async def test_params_that_turn_out_wrong_start_no_child(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(SHIP, BUILD, CHECKS)
        made = {"verdict": "pass", "result": {"made": "many"}}
        rig.serve("builder", answer=lambda _: made)

        ended = await rig.engine.execute("ship", {"title": "x"}, timeout=30)

        assert ended.error is not None
        assert ended.error["class"] == "refused"
        assert ended.error["message"] == (
            'params of checks: "level" has to be an integer, not "many"'
        )
        assert len(await world.desk().runs()) == 2


async def test_cancelling_the_parent_cancels_the_child_and_what_it_asked_for(
    world: World,
) -> None:
    async with Rig(world) as rig:
        await rig.activate(SHIP, BUILD, CHECKS)
        queue = world.queue("builder", consumer="w-builder")
        run = await rig.engine.start("ship", {"title": "x"})
        child = await child_of(rig, run, "build")
        assert await queue.take(wait_ms=5_000, count=1)
        assert await queue.cancellations(wait_ms=1) == []  # from now on it hears of them

        await rig.engine.signal(run, "cancel", by="ann")
        ended = await rig.engine.wait(run, timeout=20)
        below = await rig.engine.wait(child, timeout=20)

        assert (ended.status, below.status) == ("cancelled", "cancelled")
        assert below.error is not None
        assert f"cancelled by run {run}" in str(below.error["message"])
        assert await queue.cancellations(wait_ms=5_000) == [f"{child}:make:1"]
    assert (await world.desk().dead_letters()) == []


async def test_a_child_that_a_person_cancels_fails_its_step_without_another_try(
    world: World,
) -> None:
    async with Rig(world) as rig:
        await rig.activate(SHIP, BUILD, CHECKS)
        run = await rig.engine.start("ship", {"title": "x"})
        child = await child_of(rig, run, "build")

        await rig.engine.signal(child, "cancel", by="ann")
        ended = await rig.engine.wait(run, timeout=20)

        assert ended.error is not None
        assert (ended.status, ended.error["class"]) == ("failed", "cancelled")
        assert ended.state.nodes["build"].attempt == 1


async def test_a_child_keeps_the_definition_that_its_parent_was_pinned_to(world: World) -> None:
    async with Rig(world) as rig:
        before = await rig.activate(SHIP, BUILD, CHECKS)
        gate = asyncio.Event()

        async def make(_: Request) -> dict[str, Any]:
            await gate.wait()
            return {"verdict": "pass", "result": _MADE}

        rig.serve("builder", answer=make)
        rig.serve("tester", answer=lambda _: {"verdict": "pass", "result": {"n": 7}})
        run = await rig.engine.start("ship", {"title": "x"})
        await child_of(rig, run, "build")
        await rig.activate(SHIP, BUILD, CHECKS.replace("1.0.0", "2.0.0"))
        gate.set()

        ended = await rig.engine.wait(run, timeout=20)

        child = await state_of(rig, RunId(ended.state.nodes["check"].child))
        assert child.head.version == "1.0.0"
        assert child.head.digest == before["checks"].digest


async def test_a_child_whose_definition_is_gone_answers_its_parent(world: World) -> None:
    async with Rig(world) as rig:
        known = await rig.activate(SHIP, BUILD, CHECKS)
        asked = known["ship"].nodes["build"].primitive
        assert isinstance(asked, Ask)
        assert asked.child is not None
        await _forget(world, asked.child)
        ended = await rig.engine.execute("ship", {"title": "x"}, timeout=30)

        assert (ended.status, ended.state.nodes["build"].attempt) == ("failed", 1)
        assert ended.error is not None
        assert ended.error["class"] == "refused"
        assert "is not in the store" in str(ended.error["message"])


async def test_a_cancellation_that_is_faster_than_its_child_is_not_lost(world: World) -> None:
    log = Remembering()
    one, first = settler_of(world, "c1", log)
    other, second = settler_of(world, "c2", log)
    await world.store().commit([first_of_parent(commands=[begin()])])
    [beginning] = await read_all(first, 1)
    await world.desk().signal(CHILD, {"kind": "cancel", "by": "ann"})
    [cancel] = await read_all(second, 1)

    await other.settle([cancel])

    assert await world.desk().dead_letters() == []
    [inbox] = [each for each in await world.desk().depths() if each.name == "inbox"]
    assert inbox.pending == 2
    await one.settle([beginning])
    assert await world.store().revisions([CHILD]) == [1]


async def test_a_beginning_that_is_delivered_twice_begins_one_run(world: World) -> None:
    log = Remembering()
    settler, source = settler_of(world, "c1", log)
    await world.store().commit([first_of_parent(commands=[begin()])])
    [beginning] = await read_all(source, 1)
    await settler.settle([beginning])
    await world.add("inbox", dict(beginning.fields))
    again = await read_all(source, 2)  # and how the child ended, for its parent

    await settler.settle(again)

    assert await world.store().revisions([CHILD]) == [1]
    assert await world.desk().dead_letters() == []


async def test_a_child_whose_definition_nobody_can_use_answers_its_parent_in_the_end(
    world: World,
) -> None:
    settler, source = settler_of(world, "c1", Remembering())
    asked = begin(digest="sha256:" + "2" * 64)
    await world.definitions().put({Digest(str(asked.payload["digest"])): b'{"format": 1}'})
    await world.store().commit([first_of_parent(commands=[asked])])
    [beginning] = await read_all(source, 1)

    await settler.settle([beginning])  # another coordinator may know how to use it
    assert await world.store().revisions([CHILD]) == [0]
    await settler.settle([replace(beginning, deliveries=5)])

    assert await world.store().revisions([CHILD]) == [1]
    [answer] = await read_all(source, 1)
    told = event_from_delivery(answer)
    assert isinstance(told, Replied)
    assert told.failure is not None
    assert "hashes to" in told.failure.message


async def test_a_loaded_file_brings_the_workflows_that_it_runs(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "workflows").mkdir()
    for name, text in (("ship", SHIP), ("build", BUILD), ("quality", CHECKS)):
        (tmp_path / "workflows" / f"{name}.yml").write_text(text)
    async with Rig(world) as rig:
        rig.serve("builder", answer=lambda _: {"verdict": "pass", "result": _MADE})
        rig.serve("tester", answer=lambda _: {"verdict": "pass", "result": {"n": 7}})
        workflow = await rig.engine.load(str(tmp_path / "workflows" / "ship.yml"))

        ended = await rig.engine.execute(workflow, {"title": "x"}, timeout=30)

        assert ended.outputs == {"n": 7, "level": 3}


async def _forget(world: World, digest: str) -> None:
    memory = getattr(world, "memory", None)
    if memory is not None:
        del memory.definitions[digest]
    else:
        server: Any = world
        await server.link.one("DEL", server.server.keys.definition(digest))
