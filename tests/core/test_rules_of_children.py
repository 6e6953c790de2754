"""The rules by which a step runs another workflow; each docstring is its rule."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.children import MAX_DEPTH
from coordinator.core.codec import event_data, event_from, head_data, head_from
from coordinator.core.commands import EndRun, ParentReply, SendRequest, SettleRequest
from coordinator.core.decide import decide
from coordinator.core.definition import Channel, Join, Parameter
from coordinator.core.events import Parent, RunStarted
from coordinator.core.ids import CHILDREN, RUN_ID
from coordinator.core.why import Serving, waits
from tests.core.build import Step, as_mapping, ask, child, parallel, workflow
from tests.core.story import RUN, Story

FILES = {"repo": "/srv/repo.git", "ref": f"refs/coordinator/runs/{RUN}", "revision": "r1"}
PARENT = Parent(run="p" * 26, node="checks", attempt=2, token="t")


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    started = {name: keys.pop(name) for name in ("parent", "files", "problem") if name in keys}
    story = Story(workflow(*steps, **keys), task=task, **started)
    story.starts()
    return story


def asked(story: Story, path: str = "checks") -> SendRequest:
    """The request that begins the child run of a step."""
    return story.requests[path]


def told(story: Story) -> ParentReply:
    """What the end of a child run told its parent."""
    assert story.last is not None
    [ended] = [each for each in story.last.commands if isinstance(each, EndRun)]
    assert ended.reply is not None
    return ended.reply


def stops(story: Story) -> list[SettleRequest]:
    """The child runs that the last event stopped."""
    assert story.last is not None
    found = [each for each in story.last.commands if isinstance(each, SettleRequest)]
    return [each for each in found if each.stop]


# How a child run begins


def test_the_step_asks_for_a_run_of_the_definition_that_its_own_is_pinned_to() -> None:
    """A child run has the digest that the parent's definition names."""
    story = begun(child("checks", params={"level": "{{ task.title }}"}, parameters=LEVEL))

    request = asked(story)

    assert (request.channel, request.target) == (Channel.CHILD, "checks")
    assert request.payload["digest"] == "sha256:" + "1" * 64
    assert request.payload["params"] == {"level": "a task", "most": 3}


LEVEL = (Parameter(name="level", required=True), Parameter(name="most", type="integer", default=3))


def test_the_child_run_gets_the_task_of_its_parent_and_knows_whose_step_it_is() -> None:
    """The child works on the parent's task, and carries the token that its end must show."""
    story = begun(child("checks"))

    said = asked(story).payload

    assert as_mapping(said["task"])["id"] == "T-1"
    assert said["parent"] == {
        "run": RUN, "node": "checks", "attempt": 1, "token": asked(story).token, "depth": 1,
        "files_of": "", "keys": (),
    }  # fmt: skip


def test_the_id_of_the_child_run_follows_from_the_attempt_and_sorts_by_time() -> None:
    """The same attempt always has the same child run, another attempt another one."""
    first, again = begun(child("checks")), begun(child("checks"))
    retried = begun(child("checks", retry={"max_attempts": 2}))
    retried.replies("checks", error="transport")
    retried.fires("checks", "retry")

    ids = [str(asked(each).payload["run"]) for each in (first, again, retried)]

    assert all(RUN_ID.match(each) for each in ids)
    assert ids[0] == ids[1] < ids[2]
    assert first.run.nodes["checks"].child == ids[0]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"most": 1}, 'the parameter "level" (string) is required'),
        ({"level": "a", "most": "many"}, '"most" has to be an integer, not "many"'),
        ({"level": "a", "mots": 1}, 'checks has no parameter "mots"'),
    ],
)
def test_params_that_the_workflow_does_not_take_fail_the_attempt(params: Any, why: str) -> None:
    """Rendered values are held against the declared parameters before a run is asked for."""
    story = begun(child("checks", params=params, parameters=LEVEL))

    assert story.node("checks") == "failed"
    error = as_mapping(story.run.nodes["checks"].error)
    assert (error["class"], error["message"]) == ("refused", f"params of checks: {why}")
    assert story.run.nodes["checks"].child == ""
    assert story.status == "failed"


def test_params_that_cannot_be_made_leave_no_trace_of_a_run() -> None:
    """A step names a child run only once there is one."""
    story = begun(child("checks", params={"level": "{{ task.nothing }}"}, parameters=LEVEL))

    assert as_mapping(story.run.nodes["checks"].error)["class"] == "step_error"
    assert (story.run.nodes["checks"].child, story.requests) == ("", {})


def test_a_person_who_skips_the_step_stops_its_child() -> None:
    """What people do to a running step ends the run that works for it."""
    story = begun(child("checks"), ask("end", "checks", join=Join.ALL_SETTLED))
    run = asked(story).payload["run"]

    story.skips("checks")

    assert [each.child for each in stops(story)] == [run]
    assert (story.node("checks"), story.node("end")) == ("skipped", "running")


def test_a_person_who_has_the_step_done_again_gets_another_child() -> None:
    """The run of the attempt before is cancelled, and what it still says is late."""
    story = begun(child("checks", params={"level": "a"}, parameters=LEVEL))
    first = asked(story)

    story.retries("checks", params={"level": "b"})

    assert [each.child for each in stops(story)] == [first.payload["run"]]
    assert asked(story).payload["params"] == {"level": "b", "most": 3}
    assert asked(story).payload["run"] != first.payload["run"]
    late = story.replies("checks", attempt=1, token=first.token, sender=CHILDREN)
    assert late == ["ignored: late"]


def test_a_run_that_is_nested_too_deeply_is_refused() -> None:
    """At most 20 runs are above one."""
    deep = PARENT._replace(depth=MAX_DEPTH)
    story = begun(child("checks"), parent=deep)

    assert as_mapping(story.run.nodes["checks"].error)["class"] == "refused"
    assert "20 deep at most" in as_mapping(story.run.nodes["checks"].error)["message"]
    assert "checks" in begun(child("checks"), parent=deep._replace(depth=MAX_DEPTH - 1)).requests


def test_a_step_without_a_time_limit_of_its_own_waits_as_long_as_the_child_takes() -> None:
    """Only the step's own timeout limits a child run."""
    assert not begun(child("checks")).timers
    assert ("checks", 1, "timeout") in begun(child("checks", timeout=1_000)).timers


def test_a_fallback_persona_of_such_a_step_has_the_usual_time_limit() -> None:
    """No limit is for child runs alone."""
    story = begun(child("checks", fallback="reviewer"))
    story.replies("checks", error="step_error")

    assert asked(story).channel is Channel.PERSONA
    assert story.run.nodes["checks"].child == ""
    assert story.timers[("checks", 2, "timeout")] == story.at_ms + 3_600_000


# How it ends


def test_the_outputs_of_the_child_are_the_result_of_the_step() -> None:
    """`steps.checks.result` is what the child's outputs are."""
    story = begun(child("checks"), outputs={"n": "{{ steps.checks.result.n }}"})

    story.replies("checks", result={"n": 7}, verdict="pass", sender=CHILDREN)

    assert story.run.record.outputs == {"n": 7}
    assert story.run.nodes["checks"].verdict == "pass"


def test_the_verdict_of_the_child_is_not_read_out_of_its_outputs() -> None:
    """A child that concluded nothing leaves the step without a verdict."""
    story = begun(child("checks"))

    story.replies("checks", result={"status": "FAIL"}, sender=CHILDREN)

    assert story.run.nodes["checks"].verdict is None


def test_nobody_but_the_child_run_can_end_the_step() -> None:
    """A persona of the workflow's name has no say in it."""
    story = begun(child("checks"))

    assert story.passes("checks", sender="checks") == ["ignored: sender"]
    assert story.passes("checks", token="guessed", sender=CHILDREN) == ["ignored: token"]
    assert story.node("checks") == "running"


def test_a_gate_on_the_step_asks_for_the_verdict_of_the_child() -> None:
    """`gate: pass` makes any other verdict of the child a failure."""
    story = begun(child("checks", gate="pass"))

    story.replies("checks", verdict="fail", sender=CHILDREN)

    assert as_mapping(story.run.nodes["checks"].error)["class"] == "gate"


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["pass", "fail", "unknown"], "fail"),
        (["pass", "unknown"], "unknown"),
        (["pass", "pass"], "pass"),
        ([None], None),
    ],
)
def test_a_child_that_succeeds_tells_its_outputs_and_the_worst_verdict(
    verdicts: list[str | None], verdict: str | None
) -> None:
    """The verdict is that of the child's own steps, as for a container."""
    steps = [child(f"s{n}") for n, _ in enumerate(verdicts)]
    story = begun(*steps, parent=PARENT, outputs={"n": 1})

    for n, each in enumerate(verdicts):
        story.replies(f"s{n}", verdict=each, sender=CHILDREN)

    reply = told(story)
    assert (reply.parent, reply.child, reply.failure) == (PARENT, RUN, None)
    assert (reply.verdict, reply.result) == (verdict, {"n": 1})


def test_a_child_that_fails_tells_its_error_and_which_run_it_was() -> None:
    """The class is that of the child's error, and the message leads to the run."""
    story = begun(ask("qa"), parent=PARENT)

    story.replies("qa", error="persona_error", message="no luck")

    failure = told(story).failure
    assert failure is not None
    assert failure.error_class == "persona_error"
    assert failure.message == f"run {RUN} of test failed at qa: no luck"


def test_a_child_that_stops_is_an_error_of_the_step() -> None:
    """`stopped` is not where the child was to go."""
    story = begun(ask("qa"), ask("merge", "qa", condition="false", required=True), parent=PARENT)

    story.passes("qa")

    failure = told(story).failure
    assert failure is not None
    assert (failure.error_class, "stopped" in failure.message) == ("step_error", True)


def test_a_child_that_somebody_cancels_is_not_tried_again() -> None:
    """The class is `cancelled`, which no retry names."""
    story = begun(ask("qa"), parent=PARENT)
    story.cancels()
    failure = told(story).failure
    assert failure is not None
    assert (failure.error_class, "cancelled by ann" in failure.message) == ("cancelled", True)

    above = begun(child("checks", retry={"max_attempts": 3}))
    above.replies("checks", error=failure.error_class, message=failure.message, sender=CHILDREN)

    assert (above.node("checks"), above.run.nodes["checks"].attempt) == ("failed", 1)


def test_a_child_that_fails_is_tried_again_by_a_new_run() -> None:
    """Retries of the step are new runs of the child."""
    story = begun(child("checks", retry={"max_attempts": 2}))
    first = asked(story).payload["run"]

    story.replies("checks", error="persona_error", sender=CHILDREN)
    story.fires("checks", "retry")

    assert asked(story).payload["run"] == story.run.nodes["checks"].child != first


def test_a_run_that_nobody_started_tells_nobody() -> None:
    """Only a child run has a parent."""
    story = begun(ask("qa"))
    story.passes("qa")

    assert story.last is not None
    assert [each.reply for each in story.last.commands if isinstance(each, EndRun)] == [None]


def test_a_child_that_cannot_begin_fails_at_once_and_says_why() -> None:
    """Neither `on_failure` nor `finally` of it run, and its parent hears of it."""
    story = begun(
        ask("qa"), on_failure=[ask("x")], finally_=[ask("y")], parent=PARENT, problem="no params"
    )

    failure = told(story).failure
    assert failure is not None
    assert (failure.error_class, "no params" in failure.message) == ("refused", True)
    assert (story.status, story.nodes) == ("failed", {})


# How it is stopped


def test_cancelling_the_parent_cancels_the_child_and_terminating_terminates_it() -> None:
    """What happens to the parent happens to the runs that its steps wait for."""
    cancelled, terminated = begun(child("checks")), begun(child("checks"))
    run = asked(cancelled).payload["run"]

    cancelled.cancels()
    assert [(each.child, each.at_once) for each in stops(cancelled)] == [(run, False)]

    terminated.terminates()
    assert [(each.child, each.at_once) for each in stops(terminated)] == [(run, True)]


def test_the_time_limit_of_the_step_stops_the_child() -> None:
    """The attempt ends with class `timeout`, and its run is cancelled."""
    story = begun(child("checks", timeout=1_000))
    run = asked(story).payload["run"]

    story.fires("checks", "timeout")

    assert [each.child for each in stops(story)] == [run]
    assert as_mapping(story.run.nodes["checks"].error)["class"] == "timeout"


def test_a_branch_that_is_not_wanted_any_more_stops_its_child() -> None:
    """A block that has enough cancels the rest, child runs too."""
    story = begun(parallel("any", steps=[ask("a"), child("b")], need=1))

    story.passes("any/a")

    assert [each.node for each in stops(story)] == ["any/b"]


def test_pausing_the_parent_leaves_the_child_alone() -> None:
    """A pause keeps new steps from starting; what runs goes on, and its end applies."""
    story = begun(child("checks"), ask("end", "checks"))
    story.pauses()

    assert stops(story) == []
    story.replies("checks", sender=CHILDREN)
    assert (story.node("checks"), story.node("end")) == ("succeeded", "ready")


# Its files


def with_files(*steps: Step, **keys: Any) -> Story:
    """A parent whose git ref is prepared."""
    story = begun(*steps, task={"repo": "/srv/repo.git"}, uses_files=True, **keys)
    story.replies("@prepare", files=FILES)
    return story


def test_a_child_works_on_the_files_of_its_parent() -> None:
    """Where the parent has a git ref, the child has the same one."""
    story = with_files(child("checks"))

    said = asked(story).payload
    assert said["files"] == {**FILES, "branch": None, "base_branch": None, "base_revision": None}
    assert as_mapping(said["parent"])["files_of"] == RUN


def test_a_child_with_files_of_its_parent_neither_prepares_nor_releases_them() -> None:
    """The ref is the parent's to make and to remove."""
    shared = PARENT._replace(files_of=PARENT.run)
    story = begun(
        ask("qa", files="read"),
        task={"repo": "/srv/repo.git"},
        uses_files=True,
        parent=shared,
        files=FILES,
    )

    assert list(story.requests) == ["qa"]
    assert as_mapping(story.requests["qa"].payload["files"])["base"] == "r1"
    assert story.passes("qa") == ["end succeeded"]
    assert told(story).files is None


def test_a_child_without_files_of_its_parent_has_its_own() -> None:
    """It prepares and releases a ref as any run does."""
    story = begun(
        ask("qa", files="read"), task={"repo": "/srv/repo.git"}, uses_files=True, parent=PARENT
    )
    assert list(story.requests) == ["@prepare"]

    story.replies("@prepare", files=FILES)
    assert story.passes("qa") == ["ask @release #1"]
    story.replies("@release")
    assert told(story).files is None


def test_git_work_of_a_child_says_whose_ref_it_is_on() -> None:
    """The executor has to know the run that the ref belongs to."""
    shared = PARENT._replace(files_of=PARENT.run)
    story = begun(ask("fix", files="patch"), uses_files=True, parent=shared, files=FILES)

    story.passes("fix", patch={"base": "r1", "diff": "d"})

    assert story.requests["fix@land"].payload["files_of"] == PARENT.run


@pytest.mark.parametrize("ending", ["done", "error"])
def test_what_a_child_changed_is_what_the_parent_goes_on_with(ending: str) -> None:
    """The child's end tells where the files are now, whether or not it succeeded."""
    shared = PARENT._replace(files_of=PARENT.run)
    below = begun(ask("fix", files="patch"), uses_files=True, parent=shared, files=FILES)
    below.passes("fix", patch={"base": "r1", "diff": "d"})
    below.replies("fix@land", files={"revision": "r2"})
    reply = told(below)
    above = with_files(child("checks"), ask("end", "checks", files="read", join=Join.ALL_SETTLED))

    failed = {"error": "step_error"} if ending == "error" else {}
    above.at_ms = below.at_ms
    above.replies("checks", files=reply.files, sender=CHILDREN, **failed)

    assert as_mapping(above.run.record.files)["revision"] == "r2"
    assert "as_of" not in as_mapping(above.run.record.files)


def test_of_two_children_the_newest_change_counts_whoever_ends_last() -> None:
    """A child that ends late does not take back what another one has done since."""
    story = with_files(parallel("both", steps=[child("a"), child("b")]))

    story.replies(
        "both/b", files={**FILES, "revision": "r9", "as_of": "9000000-10"}, sender=CHILDREN
    )
    story.replies(
        "both/a", files={**FILES, "revision": "r5", "as_of": "9000000-9"}, sender=CHILDREN
    )

    assert as_mapping(story.run.record.files)["revision"] == "r9"


# How people see it


def test_the_node_names_the_run_that_works_for_it() -> None:
    """While it runs and afterwards."""
    story = begun(child("checks"))
    run = asked(story).payload["run"]

    [wait] = waits(story.definition, story.run, Serving())
    assert (wait.path, wait.kind, wait.detail) == (
        "checks",
        "run",
        f"waits for run {run} of checks",
    )
    story.replies("checks", sender=CHILDREN)
    assert story.run.nodes["checks"].reason == f"run {run}"


def test_what_a_child_run_knows_of_its_parent_is_stored_and_read_again() -> None:
    """The event and the head of a child run survive the store; those of older runs still load."""
    story = begun(child("checks"), parent=PARENT, files=FILES)

    head = story.run.head
    assert head_from(head_data(head)) == head
    assert head.parent == PARENT
    assert event_from(event_data(story.events[0])) == story.events[0]
    assert "parent" not in head_data(begun(ask("a")).run.head)


def test_a_child_that_is_begun_twice_is_one_run() -> None:
    """A redelivered beginning changes nothing."""
    story = begun(ask("qa"), parent=PARENT)
    first = story.events[0]
    assert isinstance(first, RunStarted)

    assert decide(story.definition, story.run, first).ignored == "repeated"
