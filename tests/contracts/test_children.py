"""What runs tell each other, on every store: a child run begins, is stopped, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.child_messages import child_from_delivery, is_child
from coordinator.core.commands import Command, EndRun, ParentReply, SendRequest, SettleRequest
from coordinator.core.definition import Channel
from coordinator.core.events import (
    CancelRequested,
    Failure,
    Parent,
    Replied,
    ReplyStatus,
    TerminateRequested,
)
from coordinator.core.ids import CHILDREN, child_run_id
from coordinator.messages import MAX_FIELD, BadMessageError, event_from_delivery
from coordinator.ports import CommitStatus, Delivery
from tests.contracts.building import OTHER, RUN, first, later
from tests.contracts.worlds import World, read_all

CHILD = child_run_id(1_700_000_000_500, f"{RUN}:checks:1")
PARENT = Parent(run=RUN, node="checks", attempt=1, token="token-checks-1", files_of=RUN)


def begin(**more: object) -> SendRequest:
    payload: dict[str, Any] = {
        "run": CHILD,
        "workflow": "checks",
        "digest": "sha256:" + "1" * 64,
        "revision": "main@sha1:1",
        "task": {"title": "A täsk"},
        "params": {"n": 2**53, "none": None},
        "env": {"x": "y"},
        "may_push": False,
        "files": {"ref": "refs/coordinator/runs/x", "branch": None},
        "parent": PARENT._asdict(),
    }
    return SendRequest(
        channel=Channel.CHILD,
        target="checks",
        node="checks",
        attempt=1,
        token=PARENT.token,
        payload={**payload, **more},
    )


def stop(*, at_once: bool = False) -> SettleRequest:
    return SettleRequest(
        channel=Channel.CHILD,
        target="checks",
        node="checks",
        attempt=1,
        stop=True,
        child=CHILD,
        at_once=at_once,
    )


def end(**more: Any) -> EndRun:
    return EndRun(status="succeeded", reply=ParentReply(parent=PARENT, child=CHILD, **more))


async def said_by(world: World, *commands: Command) -> list[Delivery]:
    """What one commit with these commands puts into the inbox."""
    await world.store().commit([first(commands=commands)])
    return await read_all(world.source(), len(commands))


async def test_a_child_run_is_asked_for_in_the_inbox_with_all_that_it_begins_with(
    world: World,
) -> None:
    [delivery] = await said_by(world, begin())

    child = child_from_delivery(delivery)

    assert is_child(delivery.fields)
    assert (child.run, child.workflow, child.parent) == (CHILD, "checks", PARENT)
    assert (child.task, child.params) == ({"title": "A täsk"}, {"n": 2**53, "none": None})
    assert (child.env, child.may_push, child.revision) == ({"x": "y"}, False, "main@sha1:1")
    assert child.files == {"ref": "refs/coordinator/runs/x", "branch": None}
    assert child.problem == ""


async def test_a_commit_that_is_not_saved_asks_for_no_child_run(world: World) -> None:
    store = world.store()
    await store.commit([first()])

    [result] = await store.commit([later(revision=7, commands=[begin()])])

    assert result.status is CommitStatus.CONFLICT
    assert await world.source().read(wait_ms=30) == []


@pytest.mark.parametrize(
    ("at_once", "kind"), [(False, CancelRequested), (True, TerminateRequested)]
)
async def test_a_child_run_that_is_not_wanted_is_told_to_stop(
    world: World, at_once: bool, kind: type[Any]
) -> None:
    [delivery] = await said_by(world, stop(at_once=at_once))

    event = event_from_delivery(delivery)

    assert isinstance(event, kind)
    assert (event.run, event.by) == (CHILD, f"run {RUN}")


async def test_a_child_run_that_answered_is_told_nothing(world: World) -> None:
    settled = SettleRequest(
        channel=Channel.CHILD, target="checks", node="checks", attempt=1, child=CHILD
    )
    await world.store().commit([first(commands=[settled])])

    assert await world.source().read(wait_ms=30) == []
    assert [depth.name for depth in await world.desk().depths() if depth.lag or depth.pending] == []


async def test_the_end_of_a_child_run_is_a_reply_to_the_step_that_waits(world: World) -> None:
    files = {"revision": "r2", "as_of": "5-0"}
    [delivery] = await said_by(world, end(verdict="pass", result={"n": 1}, files=files))

    event = event_from_delivery(delivery)

    assert isinstance(event, Replied)
    assert (event.run, event.node, event.attempt) == (RUN, "checks", 1)
    assert (event.token, event.sender) == (PARENT.token, CHILDREN)
    assert (event.status, event.verdict, event.result) == (ReplyStatus.DONE, "pass", {"n": 1})
    assert event.files == files
    assert await world.desk().open_count() == 0


async def test_the_failure_of_a_child_run_is_a_reply_too(world: World) -> None:
    failure = Failure(error_class="gate", message="no")
    [delivery] = await said_by(world, end(failure=failure))

    event = event_from_delivery(delivery)

    assert isinstance(event, Replied)
    assert (event.status, event.failure) == (ReplyStatus.ERROR, failure)


async def test_outputs_that_nobody_would_accept_are_a_failure_that_says_so(world: World) -> None:
    [delivery] = await said_by(world, end(result={"text": "x" * MAX_FIELD}))

    event = event_from_delivery(delivery)

    assert isinstance(event, Replied)
    assert event.failure is not None
    assert (event.failure.error_class, event.failure.retryable) == ("step_error", False)
    assert f"outputs of run {CHILD}" in event.failure.message


async def test_params_that_nobody_would_accept_make_a_child_that_cannot_begin(
    world: World,
) -> None:
    [delivery] = await said_by(world, begin(params={"text": "x" * MAX_FIELD}))

    child = child_from_delivery(delivery)

    assert "'params' has" in child.problem
    assert child.params == {}


async def test_a_child_run_that_has_not_begun_counts_as_queued(world: World) -> None:
    await world.store().commit([first(commands=[begin()])])
    source = world.source()

    assert await source.is_queued(CHILD)
    assert not await source.is_queued(OTHER)
    [delivery] = await read_all(source, 1)
    assert await source.is_queued(CHILD)
    await source.settle([delivery])
    assert not await source.is_queued(CHILD)


@pytest.mark.parametrize(
    "about",
    ["[]", "{", "{}", '{"parent": {}}', '{"parent": {"run": "x"}}', '{"parent": 7}'],
)
async def test_a_beginning_that_names_no_parent_is_no_message(world: World, about: str) -> None:
    await world.add("inbox", {"run": CHILD, "child": about, "task": "{}"})
    [delivery] = await read_all(world.source(), 1)

    with pytest.raises(BadMessageError):
        child_from_delivery(delivery)
