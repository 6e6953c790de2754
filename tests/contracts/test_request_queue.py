"""What `RequestQueue` promises, on every store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coordinator.core.events import Failure, Replied, ReplyStatus
from coordinator.large_results import MAX_RESULT
from coordinator.messages import TooLargeError, event_from_delivery
from coordinator.ports import Reply, Request
from tests.contracts.building import RUN, ask, first, later, settle
from tests.contracts.worlds import World, read_all


def answer(request: Request, **more: object) -> Reply:
    values: dict[str, Any] = {"status": ReplyStatus.DONE, **more}
    return Reply(msg_id=request.msg_id, token=request.token, **values)


async def taken(world: World, count: int = 1, consumer: str = "w1") -> list[Request]:
    nodes = [f"n{n}" for n in range(count)]
    await world.store().commit([first(commands=[ask(node) for node in nodes])])
    queue = world.queue("qa", consumer=consumer)
    found: list[Request] = []
    while len(found) < count:
        found += await queue.take(wait_ms=2_000, count=count)
    return found


async def test_a_reply_arrives_as_the_event_it_means(world: World) -> None:
    [request] = await taken(world)
    reply = answer(
        request,
        verdict="fail",
        result={"findings": ["ä"], "n": 1},
        failure=Failure(error_class="persona_error", message="no tests", retryable=False),
        patch={"base": "abc", "diff": "--- a\n"},
        usage={"tokens": 7},
        worker="w1",
    )
    await world.queue("qa").reply(request, reply)

    [delivery] = await read_all(world.source(), 1)
    event = event_from_delivery(delivery)
    assert isinstance(event, Replied)
    assert (event.run, event.node, event.attempt) == (RUN, "n0", 1)
    assert (event.token, event.status, event.verdict) == (request.token, "done", "fail")
    assert event.result == {"findings": ["ä"], "n": 1}
    assert event.failure == reply.failure
    assert event.patch == {"base": "abc", "diff": "--- a\n"}
    assert (event.usage, event.worker, event.files) == ({"tokens": 7}, "w1", None)


async def test_a_reply_too_large_for_anybody_is_refused_at_once(world: World) -> None:
    [request] = await taken(world)
    with pytest.raises(TooLargeError, match="result"):
        await world.queue("qa").reply(request, answer(request, result="x" * MAX_RESULT))


async def test_requests_are_shared_and_given_out_once(world: World) -> None:
    requests = await taken(world, 6, consumer="w1")
    assert len({request.msg_id for request in requests}) == 6
    assert await world.queue("qa", consumer="w2").take(wait_ms=20, count=9) == []


async def test_a_worker_serves_only_the_personas_it_names(world: World) -> None:
    both = [ask("a", target="qa"), ask("b", target="lead")]
    await world.store().commit([first(commands=both)])
    [request] = await world.queue("lead").take(wait_ms=2_000, count=9)
    assert (request.node, request.target) == ("b", "lead")


async def test_a_dead_workers_request_is_claimed_with_the_same_token(world: World) -> None:
    [request] = await taken(world, consumer="dead")
    heir = world.queue("qa", consumer="heir")
    assert await heir.claim_abandoned(idle_ms=3_600_000, count=9) == []
    [claimed] = await heir.claim_abandoned(idle_ms=0, count=9)
    assert (claimed.msg_id, claimed.token, claimed.attempt) == (
        request.msg_id,
        request.token,
        request.attempt,
    )
    assert claimed.deliveries == 2


async def test_a_handed_back_request_is_claimed_at_once(world: World) -> None:
    requests = await taken(world, 3, consumer="leaving")
    leaving = world.queue("qa", consumer="leaving")
    await leaving.hand_back(requests[:2])
    await leaving.hand_back([])
    found = await world.queue("qa", consumer="heir").claim_abandoned(idle_ms=3_600_000, count=9)
    assert {r.msg_id for r in found} == {r.msg_id for r in requests[:2]}


async def test_a_request_that_is_kept_is_not_claimed(world: World) -> None:
    [request] = await taken(world, consumer="slow")
    slow, heir = world.queue("qa", consumer="slow"), world.queue("qa", consumer="heir")
    await slow.hand_back([request])  # it looks abandoned for days
    assert await slow.keep([request]) == [request]
    assert await heir.claim_abandoned(idle_ms=60_000, count=9) == []


async def test_a_worker_cannot_keep_or_hand_back_what_another_has_taken_over(world: World) -> None:
    [request] = await taken(world, consumer="slow")
    slow, heir = world.queue("qa", consumer="slow"), world.queue("qa", consumer="heir")
    await heir.claim_abandoned(idle_ms=0, count=9)
    await heir.hand_back([request])
    assert await slow.keep([request]) == []
    assert len(await slow.claim_abandoned(idle_ms=60_000, count=9)) == 1

    await heir.hand_back([request])  # slow owns it again
    assert await heir.claim_abandoned(idle_ms=60_000, count=9) == []


async def test_own_requests_come_first_after_a_restart(world: World) -> None:
    requests = await taken(world, 2, consumer="same-name")
    again = await world.queue("qa", consumer="same-name").take(wait_ms=1_000, count=9)
    assert [r.msg_id for r in again] == [r.msg_id for r in requests]
    assert {r.deliveries for r in again} == {2}


async def test_what_is_no_request_goes_to_the_dead_letters(world: World) -> None:
    queue = world.queue("qa")
    bad: list[dict[str, str | bytes]] = [
        {"nonsense": "1"},
        {"msg_id": f"{RUN}:a:1", "payload": "[1]"},
        {"msg_id": f"{RUN}:a:1", "payload": "{"},
        {"msg_id": f"{RUN}:a:1", "payload": "{}", "deadline": "soon"},
        {"msg_id": f"{RUN}:a:1", "payload": b"\xff\xfe"},
        {"msg_id": f"{RUN}:a:1", "payload": "{}", "token": "x" * 1_000},
    ]
    for fields in bad:
        await world.add("req:qa", fields)
    await world.store().commit([first(commands=[ask("good")])])

    found: list[Request] = []
    while not found:
        found = await queue.take(wait_ms=1_000, count=99)

    assert [request.node for request in found] == ["good"]
    letters = await world.desk().dead_letters()
    assert len(letters) == len(bad)
    assert all(letter.stream == "req:qa" and letter.reason for letter in letters)


async def test_a_cancellation_reaches_every_worker_of_the_persona(world: World) -> None:
    workers = [world.queue("qa", consumer=name) for name in ("w1", "w2")]
    for worker in workers:
        assert await worker.cancellations(wait_ms=1) == []
    await world.store().commit([first(commands=[ask()])])
    waiting = [asyncio.create_task(worker.cancellations(wait_ms=20_000)) for worker in workers]
    await asyncio.sleep(0)

    await world.store().commit([later(commands=[settle(stop=True)])])

    async with asyncio.timeout(10):
        assert [await each for each in waiting] == [[f"{RUN}:plan:1"]] * 2


async def test_cancellations_from_before_a_worker_began_are_not_its_business(
    world: World,
) -> None:
    await world.store().commit([first(commands=[ask()])])
    await world.store().commit([later(commands=[settle(stop=True)])])
    assert await world.queue("qa").cancellations(wait_ms=1) == []
    assert await world.queue("other").cancellations(wait_ms=1) == []
