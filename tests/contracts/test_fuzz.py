"""Anything at all on any stream becomes an event or is set aside with a reason; nothing crashes."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.core.codec import EVENT_TYPES, event_data, event_from
from coordinator.core.events import Replied, ReplyStatus
from coordinator.messages import (
    BadMessageError,
    event_from_delivery,
    reply_fields,
    request_from_fields,
    task_from_delivery,
)
from coordinator.ports import Delivery, Reply, SourceKind
from tests.contracts.building import RUN, ask, first
from tests.contracts.worlds import RedisWorld, World

MSG = f"{RUN}:plan:1"
EVENTS = tuple(EVENT_TYPES.values())
NASTY: list[str | bytes] = [
    "",
    "{}",
    "[]",
    "null",
    "NaN",
    "1e999",
    "-1",
    "9" * 400,
    '"\\ud800"',
    "[" * 10_000,
    '{"a":' * 5_000,
    b"\xff\xfe\x00",
    "\x00\n\r\x1b[31m",
    "x" * 70_000,
    RUN,
    MSG,
    f"{RUN}:plan:99999999999999",
    "done",
    '{"class": 7, "message": []}',
    '{"class": "timeout", "message": "m", "retryable": "yes"}',
    '[{"kind": "patch"}, {"kind": "patch"}]',
    '[{"kind": "patch", "base": 1, "diff": 2}]',
    f'["{RUN}", "plan", 1, "timeout"]',
    f'["{RUN}", "plan", true, "timeout"]',
    '["x", 1, 2]',
    '{"kind": "cancel", "by": 7}',
    '{"kind": "answer", "node": "n", "answer": "approve", "values": []}',
    '{"kind": "cancel"}',
]
NAMES = [
    *("task", "workflow", "params", "idempotency_key", "deadline", "v", "msg_id", "run", "node"),
    *("attempt", "token", "persona", "payload", "status", "verdict", "result", "error", "usage"),
    *("artifacts", "files", "worker", "timer", "signal", "continue", "kind", ""),
]
STREAMS = ["tasks", "inbox", "res:qa", "res:coordinator"]


def judged(delivery: Delivery) -> str:
    """What a message turned out to be: `event`, `task`, or the reason why it is neither."""
    try:
        if delivery.kind is SourceKind.TASK:
            task_from_delivery(delivery)
            return "task"
        event = event_from_delivery(delivery)
    except BadMessageError as error:
        return error.reason
    assert isinstance(event, EVENTS)
    return "event"


def random_fields(chance: random.Random) -> dict[str, str | bytes]:
    names = chance.sample(NAMES, chance.randint(1, 8))
    fields = {name: chance.choice(NASTY) for name in names}
    if chance.random() < 0.5:
        fields |= {"msg_id": MSG, "token": "t"}
    return fields


async def test_whatever_is_on_the_streams_every_entry_is_applied_or_set_aside(
    world: World,
) -> None:
    chance, sent = random.Random(11), 0
    source, desk = world.source(), world.desk()
    source.follow(["qa"])
    for stream in STREAMS:
        for _ in range(40):
            sent += 1
            await world.add(stream, random_fields(chance))
    seen = refused = 0
    while seen < sent:
        for delivery in await source.read(wait_ms=2_000):
            seen += 1
            outcome = judged(delivery)
            if outcome in ("event", "task"):
                await source.settle([delivery])
            else:
                refused += 1
                await source.refuse(delivery, reason=outcome)
    letters = await desk.dead_letters(limit=1_000)
    assert 0 < refused < sent
    assert len(letters) == refused
    assert all(letter.reason for letter in letters)
    depths = {depth.name: depth for depth in await desk.depths()}
    assert depths["tasks"].pending == depths["inbox"].pending == 0


async def test_whatever_is_on_a_workers_streams_it_gets_only_requests(world: World) -> None:
    chance = random.Random(12)
    for _ in range(60):
        await world.add("req:qa", random_fields(chance))
    await world.store().commit([first(commands=[ask("good")])])
    queue, nodes = world.queue("qa"), []
    while "good" not in nodes:
        nodes += [request.node for request in await queue.take(wait_ms=1_000, count=20)]
    letters = await world.desk().dead_letters(limit=1_000)
    assert len(letters) + len(nodes) == 61


async def test_whatever_is_on_a_control_stream_only_cancellations_are_read(
    real: RedisWorld,
) -> None:
    queue, chance = real.queue("qa"), random.Random(13)
    assert await queue.cancellations(wait_ms=1) == []
    for _ in range(40):
        await real.add("ctl:qa", random_fields(chance))
    await real.add("ctl:qa", {"kind": "cancel", "msg_id": MSG})
    assert MSG in await queue.cancellations(wait_ms=2_000)


TEXT = st.one_of(st.text(max_size=40), st.sampled_from([n for n in NASTY if isinstance(n, str)]))
FIELDS = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), TEXT, max_size=12)


@settings(max_examples=400, deadline=None)
@given(FIELDS, st.sampled_from([*SourceKind]), st.booleans())
@example({"msg_id": MSG, "token": "t", "status": "done", "result": '"\ud800"'}, "reply", True)
def test_any_fields_are_an_event_or_refused(
    fields: dict[str, str], kind: SourceKind, addressed: bool
) -> None:
    if addressed:
        fields = {"msg_id": MSG, "token": "t", "run": RUN, **fields}
    delivery = Delivery(
        kind=SourceKind(kind), stream="co:{0}:res:qa", entry_id="1-1", fields=fields, at_ms=1
    )
    assert 0 < len(judged(delivery)) < 1_000
    with contextlib.suppress(BadMessageError):
        request_from_fields(fields, stream="s", entry_id="1-1")


def reply(stream: str = "co:{0}:res:qa", **fields: str) -> Any:
    known = {"v": "1", "msg_id": MSG, "token": "t", "status": "done", **fields}
    return event_from_delivery(
        Delivery(kind=SourceKind.REPLY, stream=stream, entry_id="5-1", fields=known, at_ms=9)
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"status": "finished"}, "status"),
        ({"result": "{"}, "result"),
        ({"verdict": "x" * 300}, "verdict"),
        ({"error": "[]"}, "error"),
        ({"error": '{"message": 5}'}, "error"),
        ({"artifacts": "{}"}, "artifacts"),
        ({"artifacts": '[{"kind": "patch", "base": 1}]'}, "patch"),
        ({"artifacts": '["report.html"]'}, "artifacts"),
        ({"usage": "7"}, "usage"),
    ],
)
def test_a_garbled_reply_is_a_failed_attempt_and_not_lost(
    fields: dict[str, str], says: str
) -> None:
    event = reply(**fields)
    assert isinstance(event, Replied)
    assert (event.status, event.node, event.token) == ("error", "plan", "t")
    assert event.failure is not None
    assert event.failure.error_class == "invalid_reply"
    assert says in event.failure.message


@pytest.mark.parametrize(
    "fields",
    [{"msg_id": "x"}, {"msg_id": "../:a:1"}, {"token": ""}, {"v": "2"}, {"msg_id": "\ud800"}],
)
def test_a_reply_to_no_request_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(BadMessageError):
        reply(**fields)


def test_a_reply_brings_a_patch_and_artifacts_in_one_list() -> None:
    made = {"name": "report", "path": "out/report.html", "bytes": 12}
    change = {"base": "r0", "diff": "d"}
    sent = reply_fields(
        Reply(msg_id=MSG, token="t", status=ReplyStatus.DONE, patch=change, artifacts=[made]),
        at_ms=1,
    )
    event = reply(artifacts=sent["artifacts"])
    assert (event.patch, event.artifacts) == (change, (made,))
    assert event_from(event_data(event)) == event


def test_only_the_executors_may_say_where_files_are() -> None:
    assert reply(files='{"revision": "evil"}').files is None
    ours = reply("co:{0}:res:coordinator", files='{"revision": "good"}')
    assert ours.files == {"revision": "good"}


def test_an_event_is_named_by_its_entry_and_stamped_by_the_stores_clock() -> None:
    event = reply()
    assert (event.id, event.at_ms) == ("res:qa:5-1", 9)
    assert event.seed
    assert event.seed != reply().seed
    assert (
        reply(error='{"class": "made-up", "message": "m"}').failure.error_class == "persona_error"
    )
