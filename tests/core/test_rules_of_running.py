"""The rules by which steps run, one test per sentence; each docstring is its rule.

`pytest tests/core/test_rules_of_running.py --collect-only` is the table of contents.
"""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.decide import decide
from coordinator.core.definition import Backoff, Join, OnBranchError, OnRest
from coordinator.core.events import (
    Answered,
    PauseRequested,
    Replied,
    ReplyStatus,
    ResumeRequested,
    TimerFired,
    TimerKind,
)
from tests.core.build import (
    Step,
    as_mapping,
    ask,
    conditional,
    git,
    human,
    parallel,
    repeat,
    workflow,
)
from tests.core.story import RUN, Story

REPO = {"repo": "/srv/repo.git"}
PATCH = {"base": "r0", "diff": "d"}


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


def with_files(*steps: Step, **keys: Any) -> Story:
    """A run that has started and whose ref is prepared."""
    story = begun(*steps, task=REPO, uses_files=True, **keys)
    story.replies("@prepare", files={"revision": "r0", "base_branch": "main"})
    return story


def error_class(story: Story, path: str) -> object:
    """Why the node failed."""
    return as_mapping(story.run.nodes[path].error)["class"]


# Joins


@pytest.mark.parametrize("last", ["succeeded", "failed", "skipped", "cancelled"])
def test_a_node_waits_until_every_dependency_has_settled_whatever_its_end(last: str) -> None:
    """A node waits until all it depends on has succeeded, failed, been skipped or cancelled."""
    story = begun(
        ask("a", on_error="continue"),
        ask("b", condition="task.go" if last == "skipped" else None, on_error="continue"),
        ask("c", "b", join=Join.ANY_FAILED if last == "cancelled" else Join.ALL_SETTLED),
        ask("end", "a", "c", join=Join.ALL_SETTLED),
        task={"go": last != "skipped"},
    )
    story.passes("a")
    assert story.node("end") == "pending"
    if last != "skipped":
        story.replies("b", error="refused") if last == "failed" else story.passes("b")
    if "c" in story.requests:
        assert story.node("end") == "pending"
        story.passes("c")
    assert story.node("end") == "running"


def _joined(join: Join, *ends: str) -> Story:
    """`end` after one node per letter: s succeeds, t fails tolerated, k is skipped, f fails,
    x is cancelled because what it depends on failed. All in a container that ignores failures.
    """
    steps: list[Step] = []
    for number, end in enumerate(ends):
        name = f"n{number}"
        match end:
            case "t":
                steps.append(ask(name, on_error="continue"))
            case "k":
                steps.append(ask(name, condition="false"))
            case "x":
                steps += [ask(f"{name}b"), ask(name, f"{name}b")]
            case _:
                steps.append(ask(name))
    steps.append(ask("end", *[f"n{number}" for number in range(len(ends))], join=join))
    story = begun(parallel("p", steps=steps, on_branch_error=OnBranchError.IGNORE))
    for number, end in enumerate(ends):
        path = f"p/n{number}"
        if end == "s":
            story.passes(path)
        elif end in "tf":
            story.replies(path, error="refused")
        elif end == "x":
            story.replies(f"{path}b", error="refused")
    return story


@pytest.mark.parametrize(
    ("join", "ends", "becomes"),
    [
        (Join.NONE_FAILED, "s", "running"),
        (Join.NONE_FAILED, "sk", "running"),
        (Join.NONE_FAILED, "t", "running"),
        (Join.NONE_FAILED, "k", "skipped"),
        (Join.NONE_FAILED, "kk", "skipped"),
        (Join.NONE_FAILED, "sf", "cancelled"),
        (Join.NONE_FAILED, "sx", "cancelled"),
        (Join.ALL_SUCCEEDED, "ss", "running"),
        (Join.ALL_SUCCEEDED, "st", "running"),
        (Join.ALL_SUCCEEDED, "sk", "skipped"),
        (Join.ALL_SUCCEEDED, "sf", "cancelled"),
        (Join.ANY_SUCCEEDED, "sf", "running"),
        (Join.ANY_SUCCEEDED, "tk", "running"),
        (Join.ANY_SUCCEEDED, "kk", "skipped"),
        (Join.ANY_SUCCEEDED, "kf", "cancelled"),
        (Join.ANY_SUCCEEDED, "x", "cancelled"),
        (Join.ANY_FAILED, "sf", "running"),
        (Join.ANY_FAILED, "st", "running"),
        (Join.ANY_FAILED, "sk", "skipped"),
        (Join.ANY_FAILED, "sx", "cancelled"),
        (Join.ALL_SETTLED, "f", "running"),
        (Join.ALL_SETTLED, "kx", "running"),
    ],
)
def test_the_join_decides_whether_a_node_runs(join: Join, ends: str, becomes: str) -> None:
    """The table of joins; a tolerated failure counts as success except for `any_failed`; an unmet
    join cancels where a dependency failed or was cancelled, else it skips."""
    assert _joined(join, *ends).node("p/end") == becomes


def test_a_step_without_dependencies_runs_at_once() -> None:
    """`none_failed` holds for a node that depends on nothing."""
    assert begun(ask("a"), ask("b")).nodes == {"a": "running", "b": "running"}


# Conditions


def test_a_condition_that_does_not_hold_skips_the_node_and_keeps_the_operands() -> None:
    """False = skipped, with the values that were compared."""
    story = begun(ask("a"), ask("b", "a", condition="state.a_status == 'pass' && task.n > 1"))
    story.replies("a", verdict="fail")

    state = story.run.nodes["b"]
    assert state.status == "skipped"
    assert state.detail == {"state.a_status": "fail", "task.n": None}


def test_a_condition_is_asked_only_when_the_join_holds() -> None:
    """First the join, then the condition."""
    story = begun(ask("a", condition="false"), ask("b", "a", condition="true"))
    assert "join" in story.run.nodes["b"].reason


def test_the_condition_of_a_conditional_chooses_and_never_skips() -> None:
    """On a conditional the condition chooses the branch."""
    story = begun(conditional("c", when="task.go", then=[ask("t")], otherwise=[ask("e")]))
    assert (story.node("c"), story.node("c/e"), story.node("c/t")) == (
        "running", "running", "pending",
    )  # fmt: skip


# Abort


def test_an_abort_inside_a_container_fails_the_container_and_cancels_its_other_children() -> None:
    """The node fails, its container fails and cancels its other children."""
    story = begun(parallel("p", steps=[ask("a"), ask("b"), ask("c", "a")], on_error="continue"))

    assert story.replies("p/a", error="refused") == ["stop p/b #1", "end succeeded"]
    assert story.nodes == {
        "p": "failed", "p/a": "failed", "p/b": "cancelled", "p/c": "cancelled",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("on_error", "becomes"),
    [("continue", "end succeeded"), ("escalate", "question p"), ("abort", "end failed")],
)
def test_the_containers_own_on_error_then_applies(on_error: str, becomes: str) -> None:
    """What a failed container does is its own affair."""
    story = begun(parallel("p", steps=[ask("a")], on_error=on_error))
    assert story.replies("p/a", error="refused") == [becomes]


@pytest.mark.parametrize("join", list(Join))
def test_after_an_abort_at_the_top_only_joins_that_want_it_still_run(join: Join) -> None:
    """After a failure at the top level only `always`, `all_settled` and `any_failed` run."""
    story = begun(ask("a"), ask("z", "a", join=join))
    story.replies("a", error="refused")

    still = join in (Join.ALL_SETTLED, Join.ANY_FAILED)
    assert story.node("z") == ("running" if still else "cancelled")


def test_an_abort_at_the_top_lets_a_join_that_wants_it_finish_what_it_has_begun() -> None:
    """A clean-up that is under way when another step fails is not cancelled."""
    story = begun(ask("a"), ask("tidy", "a", join=Join.ALL_SETTLED), ask("b"), ask("c"))
    story.passes("a")

    assert story.replies("b", error="refused") == ["stop c #1"]
    assert story.passes("tidy") == ["end failed"]


def test_terminate_ends_even_what_an_abort_has_left_to_run() -> None:
    """Terminate ends the run at once, whatever went on before."""
    story = begun(ask("a"), ask("tidy", "a", join=Join.ALL_SETTLED), ask("b"))
    story.passes("a")
    story.replies("b", error="refused")

    assert story.terminates() == ["stop tidy #1", "end cancelled"]


def test_undo_then_on_failure_then_finally() -> None:
    """After a failure: undo steps, then `on_failure`, then `finally`; the run is failed."""
    story = begun(
        ask("a", undo=[ask("ua")]),
        ask("b", "a"),
        on_failure=[ask("tell")],
        finally_=[ask("report")],
    )
    story.passes("a")

    assert story.replies("b", error="refused") == ["ask a/undo/ua #1"]
    assert story.passes("a/undo/ua") == ["ask on_failure/tell #1"]
    assert story.passes("on_failure/tell") == ["ask finally/report #1"]
    assert story.passes("finally/report") == ["end failed"]


def test_undo_goes_backwards_one_at_a_time_and_on_after_a_failure() -> None:
    """Undo in the reverse of the order in which nodes settled; a failing one stops nothing."""
    story = begun(
        *(ask(name, undo=[ask(f"u{name}")]) for name in ("a", "b", "c")),
        ask("d", "a", "b", "c"),
    )
    for name in ("b", "a", "c"):
        story.passes(name)

    assert story.replies("d", error="refused") == ["ask c/undo/uc #1"]
    assert story.replies("c/undo/uc", error="refused") == ["ask a/undo/ua #1"]
    assert story.passes("a/undo/ua") == ["ask b/undo/ub #1"]
    assert story.passes("b/undo/ub") == ["end failed"]


def test_undo_covers_every_iteration() -> None:
    """Each settled node is undone, those of every iteration too."""
    loop = repeat("r", steps=[ask("a", undo=[ask("ua")])], until="iteration == 2", most=3)
    story = begun(loop, ask("b", "r"))
    story.passes("r#1/a")
    story.passes("r#2/a")

    assert story.replies("b", error="refused") == ["ask r#2/a/undo/ua #1"]
    assert story.passes("r#2/a/undo/ua") == ["ask r#1/a/undo/ua #1"]


def test_what_never_settled_is_not_undone() -> None:
    """A skipped or cancelled node has nothing to undo."""
    story = begun(
        ask("a", undo=[ask("ua")]),
        ask("k", undo=[ask("uk")], condition="false"),
        ask("b"),
    )
    assert story.replies("b", error="refused") == ["stop a #1", "end failed"]


def test_on_failure_runs_for_failures_only() -> None:
    """`on_failure` follows a failure, not a success and not a cancellation."""
    keys: dict[str, Any] = {"on_failure": [ask("tell")]}
    story = begun(ask("a"), **keys)
    assert story.passes("a") == ["end succeeded"]
    story = begun(ask("a"), **keys)
    assert story.cancels() == ["stop a #1", "end cancelled"]


def test_finally_and_undo_never_change_the_outcome() -> None:
    """A failure in `finally` leaves a success a success; a success there leaves a failure one."""
    story = begun(ask("a"), finally_=[ask("report")])
    story.passes("a")
    assert story.replies("finally/report", error="refused") == ["end succeeded"]


# Containers


def test_by_default_a_parallel_waits_for_all_and_fails_fast() -> None:
    """Defaults: wait for all, cancel the rest, fail fast."""
    story = begun(parallel("p", steps=[ask("a"), ask("b")]))
    story.passes("p/a")
    assert story.node("p") == "running"
    assert story.replies("p/b", error="refused") == ["end failed"]


def test_wait_all_lets_the_others_finish_and_then_fails() -> None:
    """`wait_all` lets the other branches finish and then fails."""
    steps = [ask("a"), ask("b"), ask("c", "b")]
    story = begun(parallel("p", steps=steps, on_branch_error=OnBranchError.WAIT_ALL))
    assert story.replies("p/a", error="refused") == []
    assert story.passes("p/b") == ["ask p/c #1"]
    assert story.passes("p/c") == ["end failed"]


def test_ignore_records_the_failure_and_goes_on() -> None:
    """`ignore` records a failed branch and goes on."""
    steps = [ask("a"), ask("b")]
    story = begun(parallel("p", steps=steps, on_branch_error=OnBranchError.IGNORE))
    story.replies("p/a", error="refused")
    assert story.passes("p/b") == ["end succeeded"]
    assert story.node("p/a") == "failed"


def test_under_need_a_failed_branch_does_not_matter_while_the_count_is_in_reach() -> None:
    """Under `need` a failed or skipped branch matters only once the count is out of reach."""
    steps = [ask("a"), ask("b"), ask("c"), ask("k", condition="false")]
    story = begun(parallel("p", steps=steps, need=2))
    assert story.replies("p/a", error="refused") == []
    story.passes("p/b")
    assert story.passes("p/c") == ["end succeeded"]


def test_under_need_the_container_fails_once_the_count_is_out_of_reach() -> None:
    """Then the container fails, and what is still in flight is cancelled."""
    story = begun(parallel("p", steps=[ask("a"), ask("b"), ask("c")], need=2))
    story.replies("p/a", error="refused")
    assert story.replies("p/b", error="refused") == ["stop p/c #1", "end failed"]


def test_enough_cancels_the_rest_or_keeps_it() -> None:
    """`on_rest`: once enough branches succeeded the others are cancelled, or kept (see
    `test_rules_of_keeping.py`).
    """
    story = begun(parallel("p", steps=[ask("a"), ask("b")], need=1))
    assert story.passes("p/a") == ["stop p/b #1", "end succeeded"]
    story = begun(parallel("p", steps=[ask("a"), ask("b")], need=1, on_rest=OnRest.KEEP))
    assert story.passes("p/a") == []
    assert story.replies("p/b", error="refused") == ["end succeeded"]


@pytest.mark.parametrize(
    "step",
    [
        parallel("p", steps=[]),
        parallel("p", steps=[ask("a", condition="false")]),
        parallel("p", steps=[ask("a", condition="false")], need=1),
        conditional("p", when="false", then=[ask("a")]),
        repeat("p", steps=[ask("a", condition="false")], until="true", most=2),
    ],
)
def test_a_container_in_which_nothing_ran_succeeded(step: Step) -> None:
    """An empty list, no else, everything skipped: the container succeeded."""
    assert begun(step).node("p") == "succeeded"


@pytest.mark.parametrize(
    "step",
    [
        parallel("p", steps=[ask("a", condition="false")], gate="pass"),
        conditional("p", when="false", then=[ask("a")], gate="pass"),
    ],
)
def test_a_gate_on_a_container_in_which_nothing_ran_is_not_passed(step: Step) -> None:
    """A gate wants its verdict; none at all is another one."""
    story = begun(step)
    assert (story.status, error_class(story, "p")) == ("failed", "gate")


def test_a_repeat_whose_condition_never_held_fails_as_exhausted() -> None:
    """A repeat whose `until` never held fails with class `exhausted`."""
    story = begun(repeat("r", steps=[ask("a")], until="false", most=2))
    story.passes("r#1/a")
    assert story.passes("r#2/a") == ["end failed"]
    assert error_class(story, "r") == "exhausted"


def test_a_failed_step_fails_its_repeat_at_once() -> None:
    """A failure inside an iteration is no reason for another one."""
    story = begun(repeat("r", steps=[ask("a")], until="true", most=3))
    assert story.replies("r#1/a", error="refused") == ["end failed"]


def test_results_of_containers_are_maps_of_their_children() -> None:
    """Parallel and conditional: child id -> result; repeat: that of the last iteration."""
    story = begun(
        parallel("p", steps=[ask("a"), ask("b", on_error="continue")]),
        conditional("c", when="true", then=[ask("t")]),
        repeat("r", steps=[ask("x")], until="iteration == 2", most=2),
        outputs={name: f"{{{{ steps.{name}.result }}}}" for name in ("p", "c", "r")},
    )
    story.passes("p/a", result={"n": 1})
    story.replies("p/b", error="refused")
    story.passes("c/t", result="t")
    story.passes("r#1/x", result=1)
    story.passes("r#2/x", result=2)

    assert story.run.record.outputs == {
        "p": {"a": {"n": 1}, "b": None}, "c": {"t": "t"}, "r": {"x": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "unknown"), "unknown"),
        (("unknown", "fail"), "fail"),
        (("pass", "fail"), "fail"),
    ],
)
def test_the_verdict_of_a_container(verdicts: tuple[str, str], verdict: str) -> None:
    """`fail` if any child's is, else `unknown` if any is, else `pass`."""
    story = begun(parallel("p", steps=[ask("a"), ask("b")]))
    story.replies("p/a", verdict=verdicts[0])
    story.replies("p/b", verdict=verdicts[1])
    assert story.run.nodes["p"].verdict == verdict


def test_a_container_whose_children_have_no_verdict_has_none() -> None:
    """None if no child has one."""
    story = begun(parallel("p", steps=[git("g")]))
    story.replies("p/g")
    assert story.run.nodes["p"].verdict is None


def test_paths_say_where_a_node_is() -> None:
    """`<container>/<child>`, `fix#1/x`, `a/undo/ua`, `a/fallback/x`, `finally/x`, and so on."""
    story = begun(
        repeat(
            "fix", steps=[parallel("p", steps=[ask("a", undo=[ask("ua")])])], until="true", most=1
        ),
        ask("b", "fix", fallback=[ask("x")]),
        on_failure=[ask("tell")],
        finally_=[ask("report")],
    )
    story.passes("fix#1/p/a")
    story.replies("b", error="refused")
    story.replies("b/fallback/x", error="refused")
    for path in ("fix#1/p/a/undo/ua", "on_failure/tell", "finally/report"):
        story.passes(path)
    assert story.status == "failed"


# The end of a run


def test_a_run_is_stopped_where_a_required_step_did_not_succeed() -> None:
    """Nothing failed, but what is required was not reached."""
    story = begun(ask("a"), ask("merge", "a", condition="false", required=True), ask("b", "a"))
    story.passes("a")
    assert story.passes("b") == ["end stopped"]


def test_a_required_step_of_finally_does_not_stop_a_run_that_succeeded() -> None:
    """What runs when the outcome is known has no say in it."""
    story = begun(ask("a"), finally_=[ask("report", required=True)])
    story.passes("a")
    assert story.passes("finally/report") == ["end succeeded"]


# Cancel, terminate, pause


def test_cancel_stops_undoes_and_runs_finally() -> None:
    """Cancel: stop what is in flight, undo, finally, `cancelled`."""
    story = begun(ask("a", undo=[ask("ua")]), ask("b", "a"), finally_=[ask("report")])
    story.passes("a")
    assert story.cancels() == ["stop b #1", "ask a/undo/ua #1"]
    assert story.passes("a/undo/ua") == ["ask finally/report #1"]
    assert story.passes("finally/report") == ["end cancelled"]


def test_cancel_reaches_a_step_that_waits_for_its_next_attempt_or_for_a_human() -> None:
    """Nothing of a cancelled run is left anywhere."""
    story = begun(ask("a", retry={"max_attempts": 2}), ask("e", on_error="escalate"), human("h"))
    story.replies("a", error="transport")
    story.replies("e", error="refused")

    assert story.cancels() == ["end cancelled"]
    assert (story.timers, story.questions) == ({}, {})
    assert (story.run.record.running, story.run.record.waiting) == (0, 0)


def test_terminate_runs_neither_undo_nor_finally() -> None:
    """Terminate: at once, neither."""
    story = begun(ask("a", undo=[ask("ua")]), ask("b", "a"), finally_=[ask("report")])
    story.passes("a")
    assert story.terminates() == ["stop b #1", "end cancelled"]


def test_terminate_ends_a_run_that_waits_for_its_files_to_be_released() -> None:
    """At once, also where nobody is left to release the run's files."""
    story = with_files(git("g"))
    assert story.terminates() == ["stop g #1", "ask @release #1"]
    assert story.terminates() == ["stop @release #1", "end cancelled"]


def test_terminate_ends_undo_and_finally_under_way() -> None:
    """At once, also while a cancelled run is being cleaned up."""
    story = begun(ask("a", undo=[ask("ua")]), ask("b", "a"), finally_=[ask("report")])
    story.passes("a")
    story.cancels()
    assert story.terminates() == ["stop a/undo/ua #1", "end cancelled"]


def test_a_paused_run_applies_replies_and_starts_nothing() -> None:
    """Pause: replies apply, nothing starts."""
    story = begun(ask("a"), ask("b", "a"), repeat("r", steps=[ask("x")], until="false", most=9))
    story.pauses()
    assert story.passes("a") == []
    assert story.passes("r#1/x") == []
    assert story.resumes() == ["ask b #1", "ask r#2/x #1"]


@pytest.mark.parametrize(
    ("step", "then"),
    [
        (ask("a", retry={"max_attempts": 2}), "ask a #2"),
        (ask("a", fallback="other"), "ask a #2"),
        (ask("a", fallback=[ask("x")]), "ask a/fallback/x #1"),
    ],
)
def test_a_paused_run_starts_no_further_attempt_and_no_fallback(step: Step, then: str) -> None:
    """Another attempt is a start too."""
    story = begun(step)
    story.pauses()
    told = story.replies("a", error="transport")
    if told == ["retry a later"]:
        told = story.fires("a", "retry")
    assert (told, story.requests) == ([], {})
    assert story.resumes() == [then]


def test_a_retry_that_a_human_ordered_waits_for_the_resume() -> None:
    """Nothing starts in a paused run, whoever wants it."""
    story = begun(parallel("p", steps=[ask("a")], on_error="escalate"))
    story.replies("p/a", error="refused")
    story.pauses()
    assert story.answers("p", "retry") == []
    assert story.resumes() == ["ask p/a #2"]


def test_timeouts_run_on_in_a_paused_run() -> None:
    """Pause: timeouts run on."""
    story = begun(ask("a", on_error="continue"), ask("b", "a"))
    story.pauses()
    assert story.fires("a", "timeout") == ["stop a #1"]
    assert (story.node("a"), story.node("b")) == ("failed", "ready")


def test_cancelling_a_paused_run_cleans_up_without_a_resume() -> None:
    """Whoever cancels wants the run ended, not held."""
    story = begun(ask("a"), ask("b", "a"), finally_=[ask("report")])
    story.pauses()
    story.passes("a")
    assert story.cancels() == ["ask finally/report #1"]


def test_an_older_pause_or_resume_than_the_last_applied_is_ignored() -> None:
    """The order in which they were sent counts, not that in which they arrive."""
    story = begun(ask("a"))
    old = PauseRequested(id="inbox:5-0", run=RUN, at_ms=1)
    assert story.happens(ResumeRequested(id="inbox:6-0", run=RUN, at_ms=1)) == []
    assert story.happens(old) == ["ignored: late"]
    assert story.status == "running"
    story.happens(PauseRequested(id="inbox:7-0", run=RUN, at_ms=1))
    assert story.happens(ResumeRequested(id="inbox:6-0", run=RUN, at_ms=1)) == ["ignored: late"]
    assert story.status == "paused"


# Retries


def test_retries_n_means_n_more_attempts() -> None:
    """`retries: 2` (max_attempts 3) means three attempts."""
    story = begun(ask("a", retry={"max_attempts": 3}))
    for attempt in (1, 2):
        assert story.replies("a", error="transport") == ["retry a later"]
        assert story.fires("a", "retry", attempt) == [f"ask a #{attempt + 1}"]
    assert story.replies("a", error="transport") == ["end failed"]


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff.CONSTANT, (1_000, 1_000, 1_000)),
        (Backoff.LINEAR, (1_000, 2_000, 2_500)),
        (Backoff.EXPONENTIAL, (1_000, 2_000, 2_500)),
    ],
)
def test_the_pause_grows_by_the_backoff_up_to_its_cap(
    backoff: Backoff, pauses: tuple[int, ...]
) -> None:
    """Constant, linear, exponential; jitter adds up to a quarter; `max_delay` bounds it all."""
    retry = {"max_attempts": 4, "backoff": backoff, "delay_ms": 1_000, "max_delay_ms": 2_500}
    story = begun(ask("a", retry=retry))
    for attempt, pause in enumerate(pauses, 1):
        story.replies("a", error="transport")
        waits = story.timers["a", attempt, "retry"] - story.at_ms
        assert pause <= waits <= min(pause * 1.25, 2_500)
        story.fires("a", "retry", attempt)


def test_no_attempt_begins_after_the_total_is_used_up() -> None:
    """`max_total` bounds all attempts together."""
    story = begun(ask("a", retry={"max_attempts": 9, "delay_ms": 600, "max_total_ms": 1_000}))
    story.replies("a", error="transport")
    story.fires("a", "retry")
    assert story.replies("a", error="transport") == ["end failed"]


@pytest.mark.parametrize(
    ("kind", "retried"),
    [
        ("timeout", True), ("transport", True), ("rate_limit", True), ("invalid_reply", True),
        ("persona_error", True), ("refused", False), ("step_error", False), ("gate", False),
        ("exhausted", False), ("budget", False), ("human_timeout", False), ("cancelled", False),
    ],
)  # fmt: skip
def test_which_classes_are_retried_by_default(kind: str, retried: bool) -> None:
    """By default: timeout, transport, rate_limit, invalid_reply, persona_error."""
    story = begun(ask("a", retry={"max_attempts": 2}))
    assert (story.replies("a", error=kind) == ["retry a later"]) is retried


def test_a_reply_that_says_it_is_not_retryable_wins() -> None:
    """`retryable: false` in a reply wins over the step's list."""
    story = begun(ask("a", retry={"max_attempts": 2}))
    assert story.replies("a", error="transport", retryable=False) == ["end failed"]


def test_jitter_comes_from_the_events_seed_alone() -> None:
    """The same event always gives the same pause."""
    story = begun(ask("a", retry={"max_attempts": 2}))
    sent = story.requests["a"]
    event = Replied(
        id="x", run=RUN, at_ms=story.at_ms, seed="s", node="a", attempt=1, token=sent.token,
        status=ReplyStatus.ERROR,
    )  # fmt: skip
    once, twice = (decide(story.definition, story.state, event) for _ in range(2))
    assert once.commands == twice.commands


def test_a_container_is_retried_from_its_first_step() -> None:
    """Another attempt of a container begins it again."""
    retry = {"max_attempts": 2, "on": frozenset({"refused"})}
    story = begun(parallel("p", steps=[ask("a"), ask("b", "a")], retry=retry))
    story.passes("p/a")
    assert story.replies("p/b", error="refused") == ["retry p later"]
    assert story.fires("p", "retry") == ["ask p/a #2"]
    assert story.passes("p/a") == ["ask p/b #2"]
    assert story.passes("p/b") == ["end succeeded"]


def test_a_retried_parallel_lands_its_patches_in_step_order_again() -> None:
    """A patch of an earlier attempt lands nowhere in the next one."""
    retry = {"max_attempts": 2, "on": frozenset({"refused"})}
    steps = [ask("a", files="patch"), ask("b", files="patch")]
    story = with_files(parallel("p", steps=steps, retry=retry))
    assert story.passes("p/b", patch=PATCH) == []
    assert story.replies("p/a", error="refused") == ["retry p later"]
    assert "p/b@patch" not in story.run.results
    assert story.fires("p", "retry") == ["ask p/a #2", "ask p/b #2"]
    assert story.passes("p/b", patch=PATCH) == []
    assert story.passes("p/a", patch=PATCH) == ["ask p/a@land #1"]
    assert story.replies("p/a@land", files={"revision": "r1"}) == ["ask p/b@land #1"]
    assert story.replies("p/b@land", files={"revision": "r2"}) == ["ask @release #1"]


# on_error


def test_continue_tolerates_a_failure_and_the_result_is_null() -> None:
    """The failure is recorded, the result is null, and joins count it as success."""
    story = begun(
        ask("a", on_error="continue"),
        ask("b", "a", condition="steps.a.result == null && steps.a.outcome == 'failed'"),
    )
    assert story.replies("a", error="refused") == ["ask b #1"]
    assert error_class(story, "a") == "refused"


def test_a_fallback_persona_gets_the_next_attempt_of_the_same_node() -> None:
    """`{fallback: persona}`: the next attempt goes to that persona."""
    story = begun(ask("a", fallback="other", retry={"max_attempts": 2}))
    story.replies("a", error="transport")
    story.fires("a", "retry")
    assert story.replies("a", error="transport") == ["ask a #3"]
    assert story.requests["a"].target == "other"
    assert story.replies("a", error="transport") == ["end failed"]


def test_fallback_steps_stand_in_for_the_node() -> None:
    """`{fallback: [steps]}`: they run instead, and their success is the node's."""
    story = begun(ask("a", fallback=[ask("x"), ask("y", "x")]), ask("b", "a"))
    assert story.replies("a", error="refused") == ["ask a/fallback/x #1"]
    story.passes("a/fallback/x")
    assert story.passes("a/fallback/y") == ["ask b #1"]


def test_a_failed_fallback_is_the_end_of_its_node() -> None:
    """A fallback comes when retries are used up; its failure begins no new ones."""
    story = begun(ask("a", fallback=[ask("x")], retry={"max_attempts": 3}))
    story.replies("a", error="refused")
    assert story.replies("a/fallback/x", error="transport") == ["end failed"]


@pytest.mark.parametrize("how", ["deadline", "reject"])
def test_fallback_steps_stand_in_for_a_human_too(how: str) -> None:
    """A question without an answer, or with the wrong one, may have a fallback as well."""
    story = begun(human("h", gate="pass", deadline=1_000, fallback=[ask("x")]), ask("b", "h"))
    told = story.fires("h", "deadline") if how == "deadline" else story.answers("h", "reject")
    assert told == ["ask h/fallback/x #1"]
    assert story.answers("h", "approve", attempt=1) == ["ignored: late"]
    assert story.passes("h/fallback/x", result=1) == (["ask b #1"])


def test_cancel_reaches_the_fallback_of_a_human() -> None:
    """Nothing of a cancelled run is left anywhere."""
    story = begun(human("h", deadline=1_000, fallback=[ask("x")]))
    story.fires("h", "deadline")
    assert story.cancels() == ["stop h/fallback/x #1", "end cancelled"]
    assert story.run.record.waiting == 0


@pytest.mark.parametrize(
    ("answer", "becomes", "told"),
    [
        ("retry", "running", "ask a #2"),
        ("skip", "skipped", ""),
        ("continue", "succeeded", "ask b #1"),
        ("abort", "failed", ""),
    ],
)
def test_an_escalation_lets_a_human_decide(answer: str, becomes: str, told: str) -> None:
    """A human decides: retry, skip, continue with a result, abort."""
    story = begun(ask("a", on_error="escalate"), ask("b", "a"), ask("z"))
    assert story.replies("a", error="refused") == ["question a"]
    said = story.answers("a", answer, values={"n": 1} if answer == "continue" else {})
    assert story.node("a") == becomes
    assert told in [*said, ""]


def test_rollback_aborts_and_rolls_back_in_git_after_the_undo_steps() -> None:
    """`rollback` = abort, and besides `undo` a rollback of what the run pushed."""
    story = with_files(
        ask("a", undo=[ask("ua")]),
        git("merge", "a", operation="merge"),
        ask("check", "merge", on_error="rollback"),
        finally_=[ask("report")],
    )
    story.passes("a")
    story.replies("merge")
    assert story.replies("check", error="refused") == ["ask a/undo/ua #1"]
    assert story.passes("a/undo/ua") == ["ask @rollback #1"]
    assert as_mapping(story.requests["@rollback"].payload["params"]) == {"operation": "rollback"}
    assert story.replies("@rollback") == ["ask finally/report #1"]
    assert story.passes("finally/report") == ["ask @release #1"]
    assert story.replies("@release") == ["end failed"]


def test_a_rollback_that_fails_or_has_nothing_to_do_stops_nothing() -> None:
    """The run goes on to its end, failed as it is."""
    story = with_files(ask("a", on_error="rollback"))
    story.replies("a", error="refused")
    assert story.replies("@rollback", error="refused") == ["ask @release #1"]
    assert begun(ask("a", on_error="rollback")).replies("a", error="refused") == ["end failed"]


def test_a_gate_turns_any_other_verdict_into_a_failure_that_is_retried_only_if_named() -> None:
    """A failure of class `gate`, retried only where the list names it."""
    story = begun(ask("a", gate="pass", retry={"max_attempts": 2}))
    assert story.replies("a", verdict="unknown") == ["end failed"]
    assert error_class(story, "a") == "gate"
    retry = {"max_attempts": 2, "on": frozenset({"gate"})}
    story = begun(ask("a", gate="pass", retry=retry))
    assert story.replies("a", verdict="fail") == ["retry a later"]


def test_a_timeout_counts_from_dispatch_and_per_attempt() -> None:
    """`timeout` counts from dispatch, per attempt."""
    story = begun(ask("a", timeout=5_000, retry={"max_attempts": 2}))
    assert story.timers["a", 1, "timeout"] == story.at_ms + 5_000
    story.fires("a", "timeout")
    story.fires("a", "retry")
    assert story.timers["a", 2, "timeout"] == story.at_ms + 5_000


def test_a_run_over_its_time_limit_fails_and_cleans_up() -> None:
    """The time limit of a run fails it; undo, `on_failure` and `finally` follow."""
    story = begun(ask("a"), human("h"), timeout_ms=1_000, finally_=[ask("report")])
    assert story.fires("", "run_timeout", 0) == ["stop a #1", "ask finally/report #1"]
    assert as_mapping(story.run.record.error)["class"] == "timeout"


# max_steps


def test_max_steps_bounds_starts_and_loops_count() -> None:
    """At most so many node starts; iterations count."""
    story = begun(repeat("r", steps=[ask("a")], until="false", most=99), max_steps=4)
    for number in (1, 2, 3):
        told = story.passes(f"r#{number}/a")
    assert told == ["end failed"]


def test_a_run_over_max_steps_still_cleans_up() -> None:
    """The limit bounds what runs away, not what tidies up after it."""
    story = begun(ask("a", undo=[ask("ua")]), ask("b", "a"), max_steps=1, finally_=[ask("report")])
    assert story.passes("a") == ["ask a/undo/ua #1"]
    assert story.passes("a/undo/ua") == ["ask finally/report #1"]


@pytest.mark.parametrize("on_error", ["continue", "abort"])
def test_a_step_over_max_steps_is_not_retried(on_error: str) -> None:
    """A limit that a retry would pass is none."""
    retry = {"max_attempts": 9, "on": frozenset({"exhausted"})}
    story = begun(ask("a"), ask("b", "a", retry=retry, on_error=on_error), max_steps=1)
    story.passes("a")
    assert (story.node("b"), story.requests) == ("failed", {})


# What comes late, twice, or from somebody else


def test_a_timer_for_a_settled_node_means_nothing() -> None:
    """Whatever fires after its node has settled is late."""
    story = begun(ask("a"), ask("b", "a"))
    story.passes("a")
    for kind in (TimerKind.TIMEOUT, TimerKind.RETRY, TimerKind.DEADLINE):
        event = TimerFired(id="t", run=RUN, at_ms=1, node="a", attempt=1, kind=kind)
        assert story.happens(event) == ["ignored: late"]


def test_an_answer_to_an_earlier_asking_means_nothing() -> None:
    """An answer names the asking it is for."""
    story = begun(ask("a", on_error="escalate"))
    story.replies("a", error="refused")
    story.answers("a", "retry")
    story.replies("a", error="refused")
    late = Answered(id="t", run=RUN, at_ms=1, node="a", answer="abort", attempt=1)
    assert story.happens(late) == ["ignored: late"]


@pytest.mark.parametrize(
    ("path", "sender", "told"),
    [
        ("a", "a", ["ask b #1"]),
        ("a", "", ["ask b #1"]),
        ("a", "b", ["ignored: sender"]),
        ("a", "coordinator", ["ignored: sender"]),
    ],
)
def test_only_who_was_asked_may_answer(path: str, sender: str, told: list[str]) -> None:
    """A reply counts only if it came on the stream of the persona that was asked."""
    assert begun(ask("a"), ask("b", "a")).passes(path, sender=sender) == told


def test_only_the_coordinators_own_executors_answer_its_own_work() -> None:
    """A persona answers neither git work nor the preparing, landing and releasing of files."""
    story = begun(ask("a", files="patch"), git("g", "a"), task=REPO, uses_files=True)
    for path, reply in (
        ("@prepare", {"files": {"revision": "r0"}}),
        ("a", {"patch": PATCH}),
        ("a@land", {"files": {"revision": "r1"}}),
        ("g", {}),
        ("@release", {}),
    ):
        wrong, right = ("coordinator", "a") if path == "a" else ("a", "coordinator")
        assert story.replies(path, sender=wrong, **reply) == ["ignored: sender"]
        story.replies(path, sender=right, **reply)
    assert story.status == "succeeded"


def test_after_a_fallback_only_the_fallback_persona_may_answer() -> None:
    """The persona that gave up cannot answer in the place of the one asked then."""
    story = begun(ask("a", fallback="other"))
    story.replies("a", error="refused", sender="a")
    assert story.passes("a", sender="a") == ["ignored: sender"]
    assert story.passes("a", sender="other") == ["end succeeded"]


def test_no_payload_holds_the_token_of_any_attempt_or_the_seed_they_are_made_of() -> None:
    """A request tells its own token in its own field and nothing that others could be made of."""
    story = Story(
        workflow(
            ask("a", files="patch", params={"all": "{{ run }}", "env": "{{ env }}"}),
            ask("b", "a", params={"c": "{{ context.workflowId }}", "s": "{{ steps.a.result }}"}),
            uses_files=True, finally_=[ask("report")],
        ),
        task=REPO,
    )  # fmt: skip
    told: list[str] = []
    tokens: set[str] = set()
    story.starts()
    for path in ("@prepare", "a", "a@land", "b", "finally/report", "@release"):
        request = story.requests[path]
        told.append(repr(request.payload))
        tokens.add(request.token)
        files = {"revision": "r0"} if path == "@prepare" else None
        story.replies(path, files=files, patch=PATCH if path == "a" else None, result="r")
    assert story.status == "succeeded"
    secrets = {*tokens, story.run.head.seed}
    assert not [one for one in secrets for text in told if f"'{one}'" in text]


# Wide runs, whose decisions take several commits


WIDE = 1_200


def _drained(story: Story) -> Story:
    while story.run.record.agenda:
        story.continues()
    return story


def test_a_wide_run_paused_and_resumed_over_and_over_asks_everybody_once() -> None:
    """However often it is held in between, every step is started once."""
    story = begun(*(ask(f"n{number}") for number in range(WIDE)))
    for _ in range(3):
        story.pauses()
        story.continues()
        story.resumes()
        story.resumes()
        story.continues()
    _drained(story)
    assert len(story.requests) == WIDE
    assert {request.attempt for request in story.requests.values()} == {1}


def test_a_wide_run_that_was_paused_before_it_began_starts_everybody_once_when_resumed() -> None:
    """Resuming twice before the first resume is through starts nobody twice."""
    story = begun(ask("a"), *(ask(f"n{number}", "a") for number in range(WIDE)))
    story.pauses()
    story.passes("a")
    _drained(story)
    for _ in range(2):
        story.resumes()
        story.pauses()
        story.resumes()
    _drained(story)
    assert len(story.requests) == WIDE


@pytest.mark.parametrize("how", ["cancels", "terminates"])
@pytest.mark.parametrize("turns", [0, 1, 3, 99])
def test_a_wide_run_ended_while_it_starts_leaves_nothing_in_flight(how: str, turns: int) -> None:
    """Whatever was on the agenda when the end came is ended too."""
    retry = {"max_attempts": 2, "delay_ms": 10}
    steps = [ask(f"n{number}", retry=retry) for number in range(WIDE)]
    story = begun(parallel("p", steps=steps), ask("z", "p"))
    for _ in range(turns):
        if story.run.record.agenda:
            story.continues()
    story.replies("p/n0", error="transport")
    story.fires("p/n0", "retry")
    getattr(story, how)()
    _drained(story)

    assert (story.status, story.requests, story.timers) == ("cancelled", {}, {})
    assert (story.run.record.running, story.run.record.waiting) == (0, 0)


def test_a_wide_run_in_which_everything_fails_at_once_goes_to_its_fallbacks_once() -> None:
    """A reply that comes twice while much is on the agenda is applied once."""
    story = begun(*(ask(f"n{number}", fallback="other") for number in range(WIDE)))
    first = story.requests["n0"]
    assert story.run.record.agenda
    again = {"attempt": 1, "token": first.token, "error": "refused"}
    story.replies("n0", **dict(again))
    story.replies("n0", **dict(again))
    _drained(story)
    assert story.requests["n0"].attempt == 2
    assert story.run.record.running == WIDE


def test_a_wide_parallel_that_fails_while_patches_wait_lands_none_of_them() -> None:
    """A patch that was about to land when its step was cancelled does not land."""
    steps = [ask(f"n{number}", files="patch") for number in range(WIDE)]
    story = with_files(parallel("p", steps=steps))
    story.passes("p/n0", patch=PATCH)
    story.passes("p/n1", patch=PATCH)
    story.cancels()
    _drained(story)
    assert list(story.requests) == ["@release"]
    assert not [path for path in story.run.results if path.endswith("@patch")]


def test_the_agenda_of_a_wide_run_stays_short() -> None:
    """What a commit carries over does not grow with the width of the run."""
    story = begun(*(ask(f"n{number}") for number in range(5_000)))
    longest = 0
    while story.run.record.agenda:
        longest = max(longest, len(story.run.record.agenda))
        story.continues()
    assert (longest <= 200, len(story.requests)) == (True, 5_000)
