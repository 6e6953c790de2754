"""What `RunStore` promises, on every store."""

from __future__ import annotations

import asyncio

import pytest

from coordinator.core.commands import (
    AskHuman,
    ClearTimer,
    ContinueLater,
    EndRun,
    ReopenRun,
    SetTimer,
    WithdrawQuestion,
)
from coordinator.core.definition import Channel
from coordinator.core.events import ReplyStatus, TimerFired, TimerKind
from coordinator.core.ids import run_id_for
from coordinator.core.state import NodeState, NodeStatus, Phase, RunRecord, RunStatus
from coordinator.messages import event_from_delivery
from coordinator.ports import CommitStatus, Reply, StoreUnsuitableError
from tests.contracts.building import (
    OTHER,
    RUN,
    THIRD,
    ask,
    first,
    head,
    later,
    running,
    settle,
    timer,
)
from tests.contracts.worlds import RedisWorld, World, read_all

DONE = NodeState(status=NodeStatus.SUCCEEDED, attempt=1, ended_ms=9, settled=1, verdict="pass")


async def test_a_run_that_was_never_committed_is_none(world: World) -> None:
    assert await world.store().load([RUN, OTHER]) == [None, None]
    assert await world.store().load([]) == []


async def test_a_committed_run_loads_as_it_was(world: World) -> None:
    store = world.store()
    [result] = await store.commit([first()])
    assert (result.status, result.revision) == (CommitStatus.OK, 1)

    [stored] = await store.load([RUN])
    assert stored is not None
    assert stored.revision == 1
    assert stored.state.id == RUN
    assert stored.state.head == head()
    assert stored.state.record.status is RunStatus.RUNNING
    assert stored.state.record.phase is Phase.MAIN
    assert dict(stored.state.nodes) == {"plan": running()}
    assert stored.state.scopes[""].unsettled == 1


async def test_a_transition_changes_what_it_names_and_nothing_else(world: World) -> None:
    store = world.store()
    await store.commit([first(nodes={"a": running(), "b": running(), "c[3]/d": running()})])
    change = later(
        nodes={"a": DONE, "b": None},
        results={"a": {"n": [1, 2.5, None, "ä"], "empty": [], "none": {}}},
        values={"qa_status": "pass"},
        record=RunRecord(
            status=RunStatus.WAITING,
            at_ms=5,
            error={"class": "gate", "message": "no"},
            agenda=(("start", "a"), ("close", "b", "c")),
            outputs={"x": 1},
        ),
    )
    await store.commit([change])
    [stored] = await store.load([RUN])
    assert stored is not None
    assert dict(stored.state.nodes) == {"a": DONE, "c[3]/d": running()}
    assert stored.state.results["a"] == {"n": [1, 2.5, None, "ä"], "empty": [], "none": {}}
    assert stored.state.values["qa_status"] == "pass"
    assert stored.state.record == change.changes.record
    assert stored.state.head == head()

    await store.commit([later(revision=2, results={"a": None}, values={"qa_status": None})])
    [stored] = await store.load([RUN])
    assert stored is not None
    assert (len(stored.state.results), len(stored.state.values)) == (0, 0)


async def test_the_record_of_a_run_is_read_without_the_rest(world: World) -> None:
    store = world.store()
    await store.commit([first(nodes={"a": running()})])
    change = later(record=RunRecord(status=RunStatus.FAILED, at_ms=7, error={"class": "gate"}))
    await store.commit([change])

    assert await store.records([RUN, OTHER]) == [change.changes.record, None]


async def test_a_transition_on_an_old_revision_changes_nothing(world: World) -> None:
    store, source = world.store(), world.source()
    await store.commit([first()])
    await store.commit([later(nodes={"plan": DONE})])
    delivery_id = await world.add("inbox", {"run": RUN, "continue": "1"})
    deliveries = await read_all(source, 1)

    stale = later(nodes={"plan": None}, commands=[ask(), timer()], inputs=deliveries)
    [result] = await store.commit([stale])

    assert (result.status, result.revision) == (CommitStatus.CONFLICT, 2)
    [stored] = await store.load([RUN])
    assert stored is not None
    assert dict(stored.state.nodes) == {"plan": DONE}
    assert await world.timers().fire_due() is None
    assert await world.queue("qa").take(wait_ms=0, count=9) == []
    assert [d.entry_id for d in await source.claim_abandoned(idle_ms=0)] == [delivery_id]


async def test_a_run_is_created_once(world: World) -> None:
    store = world.store()
    await store.commit([first()])
    [again] = await store.commit([first()])
    assert (again.status, again.revision) == (CommitStatus.CONFLICT, 1)


async def test_an_input_that_was_settled_is_a_duplicate_before_anything_else(world: World) -> None:
    store, source = world.store(), world.source()
    await world.add("tasks", {"task": "{}"})
    deliveries = await read_all(source, 1)
    [done] = await store.commit([first(inputs=deliveries)])
    assert done.status is CommitStatus.OK

    [again] = await store.commit([first(inputs=deliveries)])
    assert (again.status, again.revision) == (CommitStatus.DUPLICATE, 1)
    assert await source.claim_abandoned(idle_ms=0) == []


async def test_one_settled_input_among_others_leaves_the_others(world: World) -> None:
    store, source = world.store(), world.source()
    await store.commit([first()])
    ids = [await world.add("inbox", {"run": RUN, "continue": "1"}) for _ in range(2)]
    both = await read_all(source, 2)
    await source.settle(both[:1])

    [result] = await store.commit([later(inputs=both)])

    assert (result.status, result.revision) == (CommitStatus.DUPLICATE, 1)
    assert [d.entry_id for d in await source.claim_abandoned(idle_ms=0)] == ids[1:]


async def test_an_idempotency_key_belongs_to_one_run(world: World) -> None:
    store = world.store()
    [one] = await store.commit([first(key="order 7")])
    [two] = await store.commit([first(OTHER, key="order 7")])
    assert one.status is CommitStatus.OK
    assert (two.status, two.existing_run) == (CommitStatus.DUPLICATE, RUN)
    assert await store.load([OTHER]) == [None]


async def test_a_submitted_task_may_use_the_key_it_was_submitted_with(world: World) -> None:
    store, source, desk = world.store(), world.source(), world.desk()
    run = await desk.submit({"task": "{}"}, idempotency_key="order 7")
    deliveries = await read_all(source, 1)

    [result] = await store.commit([first(run, key="order 7", inputs=deliveries)])
    [other] = await store.commit([first(OTHER, key="order 7")])

    assert run_id_for(deliveries[0].entry_id) == run
    assert result.status is CommitStatus.OK
    assert (other.status, other.existing_run) == (CommitStatus.DUPLICATE, run)
    assert await desk.submit({"task": "{}"}, idempotency_key="order 7") == run


async def test_each_transition_of_a_batch_stands_for_itself(world: World) -> None:
    store = world.store()
    await store.commit([first(OTHER)])
    results = await store.commit([first(RUN), first(OTHER), first(THIRD), later(RUN)])
    assert [r.status for r in results] == ["ok", "conflict", "ok", "ok"]
    assert [s.revision if s else None for s in await store.load([RUN, OTHER, THIRD])] == [2, 1, 1]


async def test_a_request_is_sent_and_the_commit_that_settles_it_takes_it_back(
    world: World,
) -> None:
    store, queue = world.store(), world.queue("qa")
    await store.commit([first(commands=[ask()])])
    [request] = await queue.take(wait_ms=2_000, count=9)
    assert (request.run, request.node, request.attempt) == (RUN, "plan", 1)
    assert (request.token, request.target) == ("token-plan-1", "qa")
    assert (request.workflow, request.digest) == ("ship", head().digest)
    assert request.msg_id == f"{RUN}:plan:1"
    assert request.payload == ask().payload
    assert request.deadline_ms == 1_700_000_999_999

    await store.commit([later(commands=[settle()])])
    assert await queue.claim_abandoned(idle_ms=0, count=9) == []
    assert [d.pending + d.lag for d in await world.desk().depths() if d.name == "req:qa"] == [0]


async def test_settling_one_attempt_and_asking_again_leaves_the_new_request(world: World) -> None:
    store, queue = world.store(), world.queue("qa")
    await store.commit([first(commands=[ask()])])
    await store.commit([later(commands=[settle(), ask(attempt=2)])])
    requests = await queue.take(wait_ms=2_000, count=9)
    assert [request.attempt for request in requests] == [2]
    await store.commit([later(revision=2, commands=[settle(attempt=2)])])
    assert await queue.claim_abandoned(idle_ms=0, count=9) == []


async def test_work_goes_to_the_executors_and_their_reply_comes_back(world: World) -> None:
    store, source = world.store(), world.source()
    executor = world.queue(consumer="x1", group="executors")
    send = ask(node="merge", target="git-operation", channel=Channel.WORK)
    await store.commit([first(commands=[send])])
    [request] = await executor.take(wait_ms=2_000, count=9)
    assert request.target == "git-operation"
    await executor.reply(
        request,
        Reply(
            msg_id=request.msg_id,
            token=request.token,
            status=ReplyStatus.DONE,
            files={"revision": "abc"},
        ),
    )
    [delivery] = await read_all(source, 1)
    assert delivery.fields["files"] == '{"revision":"abc"}'


async def test_timers_are_set_and_cleared_by_commits(world: World) -> None:
    store, timers, source = world.store(), world.timers(), world.source()
    await store.commit([first(commands=[timer("a"), timer("b", 10**14), timer("c", 10**14)])])
    clear = ClearTimer(node="b", attempt=1, kind=TimerKind.TIMEOUT)
    await store.commit([later(commands=[clear])])

    wait = await timers.fire_due()
    assert wait is not None
    assert wait > 10**12
    [fired] = await read_all(source, 1)
    assert fired.fields == {"timer": f'["{RUN}","a",1,"timeout"]'}


async def test_a_timer_of_every_kind_comes_back_as_the_event_it_was_set_for(world: World) -> None:
    node = "fix#2/each[3]/w"
    due = [SetTimer(node=node, attempt=4, kind=kind, due_ms=1) for kind in TimerKind]
    await world.store().commit([first(commands=due)])
    await world.timers().fire_due()
    events = [event_from_delivery(one) for one in await read_all(world.source(), len(due))]
    assert {(e.node, e.attempt, e.kind) for e in events if isinstance(e, TimerFired)} == {
        (node, 4, kind) for kind in TimerKind
    }


async def test_questions_come_and_go_with_commits(world: World) -> None:
    store, desk = world.store(), world.desk()
    question = AskHuman(node="merge", attempt=1, kind="human", question={"title": "Merge?"})
    await store.commit([first(commands=[question])])
    [asked] = await desk.questions()
    assert (asked.run, asked.node, asked.kind) == (RUN, "merge", "human")
    assert (asked.since_ms, asked.question) == (1_000, {"title": "Merge?"})

    await store.commit([later(commands=[WithdrawQuestion(node="merge")])])
    assert await desk.questions() == []


async def test_a_run_may_send_itself_an_event(world: World) -> None:
    store, source = world.store(), world.source()
    await store.commit([first(commands=[ContinueLater()])])
    [delivery] = await read_all(source, 1)
    assert delivery.fields == {"run": RUN, "continue": "1"}


async def test_ended_runs_leave_the_list_of_open_ones(world: World) -> None:
    store, desk = world.store(), world.desk()
    await store.commit([first(RUN), first(OTHER)])
    await store.commit([later(RUN, commands=[EndRun(status="succeeded")])])
    assert [run.id for run in await desk.runs(open_only=True)] == [OTHER]
    assert [run.id for run in await desk.runs()] == [OTHER, RUN]


async def test_a_run_that_goes_on_is_among_the_open_ones_again(world: World) -> None:
    store, desk = world.store(), world.desk()
    await store.commit([first(RUN)])
    await store.commit([later(RUN, commands=[EndRun(status="failed")])])
    await store.commit([later(RUN, revision=2, commands=[ReopenRun()])])
    assert [run.id for run in await desk.runs(open_only=True)] == [RUN]


async def test_the_journal_has_every_event_in_order(world: World) -> None:
    store, desk = world.store(), world.desk()
    one, two = first(), later()
    await store.commit([one])
    await store.commit([two])
    records = await desk.journal(RUN)
    assert [record.entry for record in records] == [*one.journal, *two.journal]
    assert [r.id for r in await desk.journal(RUN, after=records[0].id)] == [records[1].id]


async def test_a_commit_may_write_thousands_of_nodes(world: World) -> None:
    store = world.store()
    nodes = {f"cities[{n}]/fetch": running() for n in range(3_000)}
    await store.commit([first(nodes=nodes)])
    [stored] = await store.load([RUN])
    assert stored is not None
    assert dict(stored.state.nodes) == nodes


async def test_of_many_committers_of_one_revision_exactly_one_wins(world: World) -> None:
    rivals = [world.store() for _ in range(8)]
    await rivals[0].commit([first()])
    for rival in rivals:
        await rival.load([RUN])  # each has its own connection open before the race

    for revision in range(1, 11):
        results = await asyncio.gather(
            *(rival.commit([later(revision=revision, commands=[ask()])]) for rival in rivals)
        )
        statuses = sorted(result.status for [result] in results)
        assert statuses == ["conflict"] * 7 + ["ok"]
    assert len(await world.queue("qa").take(wait_ms=1_000, count=99)) == 10


async def test_a_key_of_the_wrong_type_stops_a_commit_before_its_first_write(
    real: RedisWorld,
) -> None:
    store = real.store()
    await store.commit([first()])
    await real.link.one("SET", real.key("timers"), "spoilt")
    with pytest.raises(StoreUnsuitableError, match="timers"):
        await store.commit([later(nodes={"plan": DONE}, commands=[ask(), timer()])])
    [stored] = await store.load([RUN])
    assert stored is not None
    assert stored.revision == 1
    assert dict(stored.state.nodes) == {"plan": running()}
    assert await real.link.one("EXISTS", real.key("req:qa")) == 0


async def test_a_server_that_forgot_the_scripts_gets_them_again(real: RedisWorld) -> None:
    store = real.store()
    await store.commit([first()])
    await real.link.one("SCRIPT", "FLUSH")
    results = await store.commit([later(), first(OTHER), later(revision=2)])
    assert [result.status for result in results] == ["ok", "ok", "ok"]
