"""Results that are kept apart from their run, on every store."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import pytest

from coordinator.core.ids import RunId
from coordinator.core.jsontext import parse
from coordinator.large_results import MAX_INLINE, MAX_RESULT, result_values
from coordinator.ports import StoredRun
from tests.contracts.worlds import RedisWorld, World
from tests.core.build import ask, workflow
from tests.core.story import Story
from tests.engine.rig import Rig, facts

WORK = """
name: large
version: 1.0.0
steps:
  - {id: a, persona: p, outputs: {size: "{{ result.bytes }}"}}
  - {id: b, persona: q, params: {from: "{{ steps.a.result }}", size: "{{ steps.a.size }}"}}
outputs: {ref: "{{ steps.a.result.ref }}", sha: "{{ steps.a.result.sha256 }}"}
"""
STRICT = """
name: strict
version: 1.0.0
steps:
  - {id: a, persona: p, result_schema: {type: object}}
"""
LARGE = {"text": "x" * MAX_INLINE, "status": "passed"}


def whole(value: object) -> bytes:
    """The JSON that a worker of ours sends."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def ended(world: World, run: RunId) -> StoredRun:
    """The run, once it has ended."""
    async with asyncio.timeout(30):
        while True:
            [stored] = await world.store().load([run])
            if stored is not None and stored.state.record.status.is_final:
                return stored
            await asyncio.sleep(0.01)


async def played(world: World, text: str, result: object) -> tuple[StoredRun, list[Any], Rig]:
    """A run whose first step returns `result`, and what the persona q was sent."""
    rig = Rig(world)
    sent: list[Any] = []

    def told(request: Any) -> dict[str, Any]:
        sent.append(request.payload)
        return {"verdict": "pass"}

    [name] = await rig.activate(text)
    async with rig:
        rig.serve("p", answer=lambda _: {"result": result})
        rig.serve("q", answer=told)
        run = await world.desk().submit({"task": "{}", "workflow": name})
        return await ended(world, run), sent, rig


async def test_a_large_result_is_kept_apart_and_named_by_its_hash(world: World) -> None:
    stored, [payload], rig = await played(world, WORK, LARGE)

    content = whole(LARGE)
    digest = sha256(content).hexdigest()
    reference = {"ref": f"sha256:{digest}", "bytes": len(content), "sha256": digest}
    state = stored.state
    assert state.record.status == "succeeded"
    assert state.nodes["a"].is_referenced
    assert state.results.get("a") == reference
    assert payload["params"] == {"from": reference, "size": len(content)}
    assert state.record.outputs == {"ref": reference["ref"], "sha": digest}
    kept = await world.store().blob(digest)
    assert kept is not None
    assert parse(kept) == LARGE
    [workflow] = (await rig.activate(WORK)).values()
    assert facts(await rig.replayed(workflow, RunId(state.id))) == facts(state)


async def test_what_a_large_result_concludes_is_read_from_the_whole(world: World) -> None:
    stored, _, _ = await played(world, WORK, LARGE)

    assert stored.state.nodes["a"].verdict == "pass"


async def test_a_large_result_that_says_no_tests_ran_is_no_pass_where_tests_are_required() -> None:
    text = whole({"output": "collected 0 items", "more": "x" * MAX_INLINE}).decode()
    found = result_values({"result": text}, "pass", is_persona=True)
    story = Story(workflow(ask("a", tests_required=True), ask("b")))
    story.starts()

    story.replies("a", **found)
    story.replies("b", **found)

    assert found["is_reference"]
    assert (story.run.nodes["a"].verdict, story.run.nodes["b"].verdict) == ("fail", "pass")


async def test_a_result_of_just_256_kibibytes_is_part_of_the_run(world: World) -> None:
    small = "x" * (MAX_INLINE - 2)
    text = WORK.replace('outputs: {size: "{{ result.bytes }}"}', "outputs: {size: 1}")
    text = text.replace("{{ steps.a.result.ref }}", "{{ steps.a.result | length }}")
    text = text.replace("{{ steps.a.result.sha256 }}", "")

    stored, _, _ = await played(world, text, small)

    assert not stored.state.nodes["a"].is_referenced
    assert stored.state.results.get("a") == small


async def test_a_large_result_cannot_be_held_against_a_schema(world: World) -> None:
    stored, _, _ = await played(world, STRICT, LARGE)

    error = stored.state.nodes["a"].error
    assert error is not None
    assert error["class"] == "invalid_reply"
    assert "too large to be held against the step's result_schema" in str(error["message"])


async def test_a_late_reply_fills_no_store(world: World) -> None:
    rig = Rig(world)
    [name] = await rig.activate(WORK)
    async with rig:
        rig.serve("p", answer=lambda _: {"result": LARGE, "token": "forged"})
        run = await world.desk().submit({"task": "{}", "workflow": name})
        while not rig.asked:
            await asyncio.sleep(0.01)
        await world.desk().signal(run, {"kind": "cancel"})
        await ended(world, run)

    assert await world.store().blob(sha256(whole(LARGE)).hexdigest()) is None


async def test_a_result_too_large_for_anybody_fails_the_attempt(real: RedisWorld) -> None:
    world = real
    rig = Rig(world)
    [name] = await rig.activate(STRICT)
    queue = world.queue("p", consumer="w")
    async with rig:
        run = await world.desk().submit({"task": "{}", "workflow": name})
        requests = []
        while not requests:
            requests = await queue.take(wait_ms=500, count=1)
        [request] = requests
        fields = {"v": "1", "msg_id": request.msg_id, "token": request.token, "status": "done"}
        await world.add("res:p", {**fields, "result": '"' + "x" * MAX_RESULT + '"'})
        stored = await ended(world, run)

    error = stored.state.nodes["a"].error
    assert error is not None
    assert error["class"] == "invalid_reply"
    assert "at most 16,777,216 are kept" in str(error["message"])


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 100_000])
async def test_what_is_kept_under_a_hash_comes_back_as_it_was(world: World, content: bytes) -> None:
    store = world.store()
    name = sha256(content).hexdigest()
    assert await store.blob(name) is None

    await store.keep_blob(name, content)
    await store.keep_blob(name, content)

    assert await store.blob(name) == content
