"""Whole runs through the real loops, on every store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordinator.core.ids import RunId, run_id_for
from coordinator.engine.engine import RunNotAcceptedError, RunTimeoutError
from coordinator.ports import Request
from tests.contracts.worlds import World
from tests.engine.rig import Rig, facts

CHAIN = """
name: chain
version: 1.0.0
params: {who: {type: string, required: true}}
steps:
  - {id: plan, type: persona-request, persona: planner, params: {for: "{{ params.who }}"}}
  - {id: build, type: persona-request, persona: builder, dependencies: [plan]}
  - id: reviews
    type: parallel
    dependencies: [build]
    steps:
      - {id: code, type: persona-request, persona: reviewer}
      - {id: security, type: persona-request, persona: reviewer}
outputs: {built: "{{ steps.build.result.n }}"}
"""
LOOP = """
name: loop
version: 1.0.0
steps:
  - id: build
    type: repeat
    max_iterations: 3
    until: "state.qa_status == 'pass'"
    on_error: escalate
    steps:
      - id: fix
        type: persona-request
        persona: builder
        retry: {max_attempts: 3, delay: 50ms, on: [transport]}
      - {id: qa, type: persona-request, persona: reviewer, dependencies: [fix]}
  - {id: release, type: human, dependencies: [build], gate: pass}
"""


async def test_a_run_goes_from_task_to_outputs(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(CHAIN)
        rig.serve("planner", "reviewer")
        rig.serve("builder", answer=lambda _: {"verdict": "pass", "result": {"n": 7}})

        ended = await rig.engine.execute("chain", {"title": "x"}, params={"who": "a"}, timeout=20)

        assert (ended.status, ended.outputs) == ("succeeded", {"built": 7})
        assert sorted(rig.asked) == [
            ("build", 1), ("plan", 1), ("reviews/code", 1), ("reviews/security", 1),
        ]  # fmt: skip


async def test_the_journal_of_a_finished_run_decided_again_gives_the_stored_state(
    world: World,
) -> None:
    async with Rig(world) as rig:
        workflow = (await rig.activate(LOOP))["loop"]
        verdicts = iter(["fail", "fail", "pass"])
        failing = iter([{"error": "transport"}, {"verdict": "pass"}])
        rig.serve("reviewer", answer=lambda _: {"verdict": next(verdicts)})
        rig.serve("builder", answer=lambda _: next(failing, {"verdict": "pass"}))
        run = await rig.engine.start("loop", {"title": "x"})
        await _answered(rig, run, "release", "approve")

        ended = await rig.engine.wait(run, timeout=20)

        assert ended.succeeded
        assert facts(await rig.replayed(workflow, run)) == facts(ended.state)


async def test_an_exhausted_loop_asks_a_human_and_an_abort_fails_the_run(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(LOOP)
        rig.serve("reviewer", answer=lambda _: {"verdict": "fail"})
        rig.serve("builder")
        run = await rig.engine.start("loop", {"title": "x"})
        await _answered(rig, run, "build", "abort", by="ann", comment="enough")

        ended = await rig.engine.wait(run, timeout=20)

        assert ended.status == "failed"
        assert ended.state.nodes["build"].reason == "abort by ann: enough"
        assert await world.desk().questions() == []


async def test_many_coordinators_on_one_run_apply_every_reply_once(world: World) -> None:
    branches = "\n".join(
        f"  - {{id: s{n}, type: persona-request, persona: p{n % 3}}}" for n in range(60)
    )
    async with Rig(world, coordinators=3) as rig:
        flow = await rig.activate(f"name: wide\nversion: 1.0.0\nsteps:\n{branches}\n")
        rig.serve("p0")
        rig.serve("p1")
        rig.serve("p2")

        ended = await rig.engine.execute("wide", {"title": "x"}, timeout=40)

        assert ended.succeeded
        assert sorted(rig.asked) == sorted((f"s{n}", 1) for n in range(60))
        assert facts(await rig.replayed(flow["wide"], ended.run)) == facts(ended.state)


async def test_the_same_idempotency_key_starts_one_run(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(CHAIN)
        rig.serve("planner", "reviewer", "builder")

        first = await rig.engine.start("chain", {}, params={"who": "a"}, idempotency_key="k")
        second = await rig.engine.start("chain", {}, params={"who": "a"}, idempotency_key="k")

        assert first == second
        await rig.engine.wait(first, timeout=20)
        assert len(await world.desk().runs()) == 1


async def test_persona_output_is_data_and_is_never_rendered(world: World) -> None:
    flow = """
name: echo
version: 1.0.0
steps:
  - {id: a, type: persona-request, persona: p}
  - {id: b, type: persona-request, persona: q, params: {said: "{{ steps.a.result.said }}"}}
outputs: {said: "{{ steps.b.result.said }}"}
"""
    said = "{{ 7 * 7 }} {% for %} {{ task.title }}"

    def echo(request: Request) -> dict[str, Any]:
        params: Any = request.payload["params"]
        return {"result": {"said": params["said"]}}

    async with Rig(world) as rig:
        await rig.activate(flow)
        rig.serve("p", answer=lambda _: {"result": {"said": said}})
        rig.serve("q", answer=echo)

        ended = await rig.engine.execute("echo", {"title": "{{ 6 * 6 }}"}, timeout=20)

        assert ended.outputs == {"said": said}
        assert ended.state.head.task["title"] == "{{ 6 * 6 }}"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"task": "not json"}, "JSON"),
        ({"task": "[1, 2]"}, "object"),
        ({"titel": "x"}, "no field 'task'"),
        ({"task": "{}", "workflow": "nowhere"}, "no active workflow is called 'nowhere'"),
        ({"task": "{}", "workflow": "chain"}, '"who" (string) is required'),
        ({"task": "{}", "workflow": "chain", "params": '{"whom": 1}'}, 'did you mean "who"'),
    ],
)
async def test_a_task_that_can_never_run_goes_to_the_dead_letters_with_the_reason(
    world: World, fields: dict[str, str], told: str
) -> None:
    async with Rig(world) as rig:
        await rig.activate(CHAIN)
        run = run_id_for(await world.add("tasks", fields))

        with pytest.raises(RunNotAcceptedError) as refused:
            await rig.engine.wait(run, timeout=20)

        assert told in str(refused.value)
        letters = await world.desk().dead_letters()
        assert [dict(letter.fields) for letter in letters] == [fields]


async def test_a_task_waits_until_there_are_definitions(world: World) -> None:
    rig = Rig(world)
    run = await rig.engine.start("chain", {}, params={"who": "a"})
    async with rig:
        with pytest.raises(RunTimeoutError):
            await rig.engine.wait(run, timeout=0.5)
        await rig.activate(CHAIN)
        rig.serve("planner", "reviewer", "builder")

        assert (await rig.engine.wait(run, timeout=30)).succeeded


async def test_a_run_keeps_its_definition_when_another_becomes_active(world: World) -> None:
    async with Rig(world) as rig:
        first = (await rig.activate(CHAIN))["chain"]
        run = await rig.engine.start("chain", {}, params={"who": "a"})
        while not (await rig.world.store().load([run]))[0]:
            await rig.world.desk().journal(run, wait_ms=100)
        second = (await rig.activate(CHAIN.replace("built:", "constructed:")))["chain"]
        rig.serve("planner", "reviewer", "builder", answer=lambda _: {"result": {"n": 1}})

        ended = await rig.engine.wait(run, timeout=20)

        assert first.digest != second.digest
        assert ended.state.head.digest == first.digest
        assert set(ended.outputs) == {"built"}


async def test_a_persona_that_answers_twice_or_garbage_harms_nothing(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(CHAIN)
        rig.serve("planner", "reviewer", "builder")
        for fields in (
            {"status": "done"},
            {"v": "1", "msg_id": "nonsense", "token": "t", "status": "done"},
            {"v": "1", "msg_id": f"{'0' * 26}:plan:1", "token": "t", "status": "done"},
            {"\x00": "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")},
        ):
            await world.add("res:planner", fields)

        ended = await rig.engine.execute("chain", {}, params={"who": "a"}, timeout=20)

        assert ended.succeeded
        letters = await world.desk().dead_letters()
        assert len(letters) == 4
        assert all(letter.reason for letter in letters)
        json.dumps([dict(letter.fields) for letter in letters])


async def _answered(rig: Rig, run: RunId, node: str, answer: str, **more: str) -> None:
    """Answer once the question is in the inbox."""
    after = "0-0"
    while not any(one.node == node for one in await rig.world.desk().questions()):
        records = await rig.world.desk().journal(run, after=after, wait_ms=200)
        after = records[-1].id if records else after
    await rig.engine.signal(run, "answer", node=node, answer=answer, **more)
