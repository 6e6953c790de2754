"""The rules by which a run that has ended goes on; each docstring is its rule."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.definition import Join, OnBranchError
from coordinator.core.events import CancelRequested, RetryRequested, TerminateRequested
from coordinator.core.turn import MAX_COMMANDS
from tests.core.build import Step, ask, conditional, foreach, git, human, parallel, repeat, workflow
from tests.core.story import RUN, Story

REPO = {"repo": "/srv/repo.git"}
FILES = {"revision": "r0", "base_branch": "main"}


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


def failed(story: Story, path: str) -> Story:
    """The story after that node failed."""
    story.replies(path, error="refused")
    return story


def attempts(story: Story) -> dict[str, int]:
    """How often each node was asked."""
    return {path: state.attempt for path, state in story.run.nodes.items() if "@" not in path}


# What runs again, and what stays


def test_what_failed_and_what_was_cancelled_for_it_runs_again_and_results_stay() -> None:
    """The same run goes on: what succeeded stays and its results are used."""
    story = begun(
        ask("a"), ask("b", "a"), ask("c", "b", params={"n": "{{ steps.a.result.n }}"}), ask("z")
    )
    story.passes("a", result={"n": 7})
    failed(story, "b")
    assert story.status == "failed"
    assert story.nodes == {"a": "succeeded", "b": "failed", "c": "cancelled", "z": "cancelled"}
    assert story.retries(by="ann") == ["reopen", "ask b #2", "ask z #2"]
    assert (story.status, story.run.record.round, story.run.record.error) == ("running", 2, None)
    story.passes("z")
    assert story.passes("b") == ["ask c #1"]
    assert story.requests["c"].payload["params"] == {"n": 7}
    assert story.passes("c") == ["end succeeded"]
    assert attempts(story) == {"a": 1, "b": 2, "c": 1, "z": 2}


@pytest.mark.parametrize("end", ["failed", "cancelled", "terminated"])
def test_a_run_that_ended_badly_in_any_way_can_go_on(end: str) -> None:
    """Failed, stopped or cancelled."""
    story = begun(ask("a"), ask("b", "a"))
    story.passes("a")
    match end:
        case "failed":
            failed(story, "b")
        case "cancelled":
            story.cancels()
        case _:
            story.terminates()
    assert story.retries() == ["reopen", "ask b #2"]
    story.passes("b")
    assert (story.status, story.run.record.outputs) == ("succeeded", {})


def test_what_was_skipped_because_of_a_failure_runs_again_and_other_skips_stay() -> None:
    """Skipped because of those runs again; a person's skip and a condition's stay."""
    story = begun(
        ask("no", condition="false"),
        ask("f"),
        ask("late", "f", condition="state.f_status == 'pass'", join=Join.ALL_SETTLED),
        ask("left", "f"),
        ask("after", "late"),
    )
    story.skips("left", by="ann")
    failed(story, "f")
    assert (story.node("late"), story.node("after")) == ("skipped", "cancelled")
    assert story.retries() == ["reopen", "ask f #2"]
    assert story.passes("f") == ["ask late #1"]
    assert story.passes("late") == ["ask after #1"]
    story.passes("after")
    assert (story.status, story.node("no"), story.node("left")) == (
        "succeeded", "skipped", "skipped",
    )  # fmt: skip


def test_a_tolerated_failure_stays() -> None:
    """Only what failed untolerated runs again."""
    story = begun(ask("t", on_error="continue"), ask("f", "t"))
    failed(story, "t")
    failed(story, "f")
    assert story.retries() == ["reopen", "ask f #2"]
    story.passes("f")
    assert (story.status, story.node("t")) == ("succeeded", "failed")


def test_a_late_reply_to_an_attempt_of_the_earlier_round_is_not_taken() -> None:
    """Attempts number on."""
    story = begun(ask("a"), ask("b"))
    old = story.requests["b"]
    failed(story, "a")
    story.retries()
    assert story.replies("b", attempt=1, token=old.token) == ["ignored: late"]
    assert story.requests["b"].attempt == 2


def test_the_new_round_has_its_own_retries_and_tells_of_the_old_error() -> None:
    """`spent` attempts do not count; feedback holds the failure."""
    story = begun(ask("a", retry={"max_attempts": 2}))
    story.replies("a", error="transport")
    story.fires("a", "retry")
    story.replies("a", error="transport")
    assert story.retries() == ["reopen", "ask a #3"]
    [told] = story.requests["a"].payload["feedback"]
    assert told["error"]["class"] == "transport"
    assert story.replies("a", error="transport") == ["retry a later"]


# Undo, on_failure, finally


def test_undo_on_failure_and_finally_are_forgotten_and_run_again() -> None:
    """Nodes whose undo ran count as undone, and run again."""
    story = begun(
        ask("a", undo=[ask("ua")]), ask("b", "a"), on_failure=[ask("of")], finally_=[ask("fin")]
    )
    story.passes("a")
    failed(story, "b")
    for path in ("a/undo/ua", "on_failure/of", "finally/fin"):
        story.passes(path)
    assert story.status == "failed"
    assert story.retries() == ["reopen", "ask a #2"]
    story.passes("a")
    failed(story, "b")
    assert story.requests["a/undo/ua"].attempt == 2
    story.passes("a/undo/ua")
    story.passes("on_failure/of")
    assert story.requests["finally/fin"].attempt == 2
    story.passes("finally/fin")
    assert story.retries() == ["reopen", "ask a #3"]
    story.passes("a")
    story.passes("b")
    assert story.passes("finally/fin") == ["end succeeded"]


def test_what_was_undone_inside_a_finished_block_runs_again_and_the_rest_of_it_stays() -> None:
    """The block goes on where it was left."""
    steps = [ask("x", undo=[ask("ux")]), ask("y")]
    story = begun(parallel("p", steps=steps), ask("b", "p"))
    story.passes("p/x")
    story.passes("p/y")
    failed(story, "b")
    story.passes("p/x/undo/ux")
    assert story.retries() == ["reopen", "ask p/x #2"]
    assert story.passes("p/x") == ["ask b #2"]
    story.passes("b")
    assert (story.status, story.node("p/y")) == ("succeeded", "succeeded")


def test_a_step_undone_in_an_earlier_iteration_is_not_undone_twice() -> None:
    """The loop begins a new round of iterations."""
    loop = repeat(
        "fix", steps=[ask("x", undo=[ask("ux")])], until="state.x_status == 'pass'", most=3
    )
    story = begun(loop, ask("b", "fix"))
    story.replies("fix#1/x", verdict="fail")
    story.passes("fix#2/x")
    failed(story, "b")
    story.passes("fix#2/x/undo/ux")
    story.passes("fix#1/x/undo/ux")
    assert story.retries() == ["reopen", "ask fix#3/x #1"]
    story.passes("fix#3/x")
    failed(story, "b")
    story.passes("fix#3/x/undo/ux")
    assert story.status == "failed"


def test_a_run_that_rolled_back_what_it_pushed_cannot_go_on() -> None:
    """Its merge is undone in git, and nothing would bring it back."""
    story = begun(
        git("merge", operation="merge"),
        ask("check", "merge", on_error="rollback"),
        task=REPO,
        uses_files=True,
    )
    story.replies("@prepare", files=FILES)
    story.replies("merge")
    failed(story, "check")
    story.replies("@rollback")
    story.replies("@release")
    assert "rolled back; submit its task again" in story.retries()[0]


# Inside containers


def test_a_parallel_runs_only_its_unfinished_children_again() -> None:
    """Inside containers only what is unfinished."""
    steps = [ask("x"), ask("y"), ask("z", "x", "y")]
    story = begun(parallel("p", steps=steps), ask("b", "p"))
    story.passes("p/x", result={"n": 1})
    failed(story, "p/y")
    assert story.retries() == ["reopen", "ask p/y #2"]
    assert story.passes("p/y") == ["ask p/z #1"]
    assert story.passes("p/z") == ["ask b #1"]
    assert story.run.nodes["p"].attempt == 2
    story.passes("b")
    assert (story.status, attempts(story)["p/x"]) == ("succeeded", 1)


def test_a_choice_keeps_its_branch() -> None:
    """A conditional runs its unfinished steps again, in the branch that was taken."""
    choose = conditional("c", when="task.go", then=[ask("x"), ask("y", "x")], otherwise=[ask("z")])
    story = begun(choose, task={"go": True})
    story.passes("c/x")
    failed(story, "c/y")
    assert story.retries() == ["reopen", "ask c/y #2"]
    story.passes("c/y")
    assert story.status == "succeeded"


def test_a_loop_goes_on_within_its_last_iteration() -> None:
    """A repeat runs again within its last iteration."""
    loop = repeat("fix", steps=[ask("x"), ask("y", "x")], until="state.y_status == 'pass'", most=2)
    story = begun(loop)
    story.passes("fix#1/x")
    story.replies("fix#1/y", verdict="fail")
    story.passes("fix#2/x")
    failed(story, "fix#2/y")
    assert story.retries() == ["reopen", "ask fix#2/y #2"]
    story.passes("fix#2/y")
    assert story.status == "succeeded"


def test_a_loop_whose_condition_never_held_begins_a_new_round_of_iterations() -> None:
    """Iterations are numbered on, and count anew."""
    loop = repeat("fix", steps=[ask("x")], until="state.x_status == 'pass'", most=2)
    story = begun(loop)
    story.replies("fix#1/x", verdict="fail")
    story.replies("fix#2/x", verdict="fail")
    assert story.status == "failed"
    assert story.retries() == ["reopen", "ask fix#3/x #1"]
    assert story.replies("fix#3/x", verdict="fail") == ["ask fix#4/x #1"]
    assert story.passes("fix#4/x") == ["end succeeded"]


def test_a_container_that_failed_at_its_gate_begins_over() -> None:
    """Nothing in it is unfinished, so all of it runs again."""
    story = begun(parallel("p", steps=[ask("x"), ask("y")], gate="pass"))
    story.replies("p/x", verdict="fail")
    story.passes("p/y")
    assert story.status == "failed"
    assert story.retries() == ["reopen", "ask p/x #2", "ask p/y #2"]
    story.passes("p/x")
    story.passes("p/y")
    assert story.status == "succeeded"


def test_a_container_that_was_cancelled_while_it_waited_for_a_review_waits_for_it_again() -> None:
    """All of it had succeeded, so nothing in it runs again."""
    story = begun(parallel("p", steps=[ask("x")], review=True), ask("z"))
    story.passes("p/x")
    failed(story, "z")
    assert story.retries() == ["reopen", "ask z #2", "question p"]
    story.answers("p", "continue")
    story.passes("z")
    assert story.status == "succeeded"


def test_a_container_waits_for_what_it_depends_on_before_it_goes_on() -> None:
    """An undone step before it runs first."""
    story = begun(ask("a", undo=[ask("ua")]), parallel("p", "a", steps=[ask("x"), ask("y")]))
    story.passes("a")
    story.passes("p/x")
    failed(story, "p/y")
    story.passes("a/undo/ua")
    assert story.retries() == ["reopen", "ask a #2"]
    assert story.passes("a") == ["ask p/y #2"]
    story.passes("p/y")
    assert story.status == "succeeded"


def test_a_container_in_a_loop_in_a_container_goes_on() -> None:
    """At any depth."""
    inner = parallel("q", steps=[ask("x"), ask("y")])
    loop = repeat("fix", steps=[inner], until="true", most=2)
    story = begun(parallel("p", steps=[loop, ask("w")]))
    story.passes("p/w")
    story.passes("p/fix#1/q/x")
    failed(story, "p/fix#1/q/y")
    assert story.retries() == ["reopen", "ask p/fix#1/q/y #2"]
    story.passes("p/fix#1/q/y")
    assert story.status == "succeeded"


def test_a_fallback_may_come_again() -> None:
    """The node itself is asked first."""
    story = begun(ask("a", fallback=[ask("f")]))
    failed(story, "a")
    failed(story, "a/fallback/f")
    assert story.retries() == ["reopen", "ask a #2"]
    assert story.replies("a", error="refused") == ["ask a/fallback/f #2"]
    story.passes("a/fallback/f")
    assert story.status == "succeeded"


def test_a_foreach_runs_only_its_unfinished_items_again() -> None:
    """Items that succeeded stay; those never begun begin."""
    items = foreach("e", items="{{ [1, 2, 3] }}", steps=[ask("x"), ask("y", "x")], max_concurrent=2)
    story = begun(items, outputs={"all": "{{ steps.e.result }}"})
    story.passes("e[0]/x", result="x0")
    story.passes("e[0]/y")
    story.passes("e[1]/x", result="x1")
    failed(story, "e[1]/y")
    assert story.status == "failed"
    assert story.node("e[2]/x") == "cancelled"
    assert story.retries() == ["reopen", "ask e[1]/y #2", "ask e[2]/x #2"]
    story.passes("e[1]/y")
    story.passes("e[2]/x", result="x2")
    assert story.passes("e[2]/y") == ["end succeeded"]
    outputs: Any = story.run.record.outputs
    assert [each["x"] for each in outputs["all"]] == ["x0", "x1", "x2"]


def test_items_that_begin_again_keep_to_max_concurrent() -> None:
    """However many failed."""
    policy = OnBranchError.WAIT_ALL
    items = foreach(
        "e", items="{{ [1, 2, 3, 4] }}", steps=[ask("x")], max_concurrent=2, on_branch_error=policy
    )
    story = begun(items)
    for at in (0, 1, 2, 3):
        failed(story, f"e[{at}]/x")
    assert story.retries() == ["reopen", "ask e[0]/x #2", "ask e[1]/x #2"]
    assert story.passes("e[1]/x") == ["ask e[2]/x #2"]
    story.cancels()
    assert (story.status, story.requests) == ("cancelled", {})
    story.retries()
    for path in ("e[0]/x", "e[2]/x", "e[3]/x"):
        story.passes(path)
    assert story.status == "succeeded"


def test_a_named_node_of_one_item_leaves_the_others_alone() -> None:
    """Up through its item and its map."""
    story = begun(foreach("e", items="{{ [1, 2] }}", steps=[ask("x")]), ask("b", "e"))
    for path in ("e[0]/x", "e[1]/x", "b"):
        story.passes(path)
    assert story.retries("e[1]/x") == ["reopen", "ask e[1]/x #2"]
    assert story.passes("e[1]/x") == ["ask b #2"]
    story.passes("b")
    assert story.status == "succeeded"


# A node by name


def test_a_named_node_and_everything_downstream_of_it_run_again_with_changes() -> None:
    """Succeeded ones too; params and prompt changed."""
    story = begun(ask("a", params={"n": 1}), ask("b", "a"), ask("c", "b"), ask("d"))
    for path in ("a", "d", "b", "c"):
        story.passes(path, result={"old": True})
    assert story.status == "succeeded"
    told = story.retries("a", params={"n": 2}, prompt="again", by="ann", comment="wrong")
    assert told == ["reopen", "ask a #2"]
    sent = story.requests["a"].payload
    assert (sent["params"], sent["prompt"]) == ({"n": 2}, "again")
    assert sent["feedback"] == [{"node": "a", "attempt": 1, "comment": "wrong", "by": "ann"}]
    assert story.run.results.get("b") is None
    for path in ("a", "b", "c"):
        story.passes(path)
    assert (story.status, attempts(story)) == ("succeeded", {"a": 2, "b": 2, "c": 2, "d": 1})


def test_what_failed_elsewhere_runs_again_too() -> None:
    """Else the run could not come to a good end."""
    story = begun(ask("a"), ask("b"), ask("c", "a"))
    story.passes("a")
    story.passes("c")
    failed(story, "b")
    assert story.retries("a") == ["reopen", "ask a #2", "ask b #2"]


def test_a_named_node_in_a_block_reopens_the_block_and_all_that_follows_it() -> None:
    """Up through its containers."""
    steps = [ask("x"), ask("y", "x"), ask("w")]
    story = begun(parallel("p", steps=steps), ask("b", "p"), ask("z"))
    for path in ("z", "p/w", "p/x", "p/y", "b"):
        story.passes(path)
    assert story.retries("p/x") == ["reopen", "ask p/x #2"]
    assert story.node("p") == "running"
    for path in ("p/x", "p/y"):
        story.passes(path)
    assert story.passes("b") == ["end succeeded"]
    assert attempts(story) == {"p": 2, "p/x": 2, "p/y": 2, "p/w": 1, "b": 2, "z": 1}


def test_a_named_container_begins_over() -> None:
    """That node is all of it."""
    story = begun(parallel("p", steps=[ask("x"), parallel("q", steps=[ask("y")])]))
    story.passes("p/x")
    story.passes("p/q/y")
    assert story.retries("p") == ["reopen", "ask p/x #2", "ask p/q/y #2"]
    story.passes("p/x")
    story.passes("p/q/y")
    assert story.status == "succeeded"


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("nobody", "the run has no node 'nobody'"),
        ("@prepare", "the run has no node '@prepare'"),
        ("fix#1/x", "is in an earlier iteration"),
        ("finally/fin", "runs again by itself"),
        ("c/n", "was never reached"),
        ("c", "asks nobody"),
        ("", "the run succeeded; name the node"),
    ],
)
def test_what_cannot_run_again_is_refused(node: str, says: str) -> None:
    """A clear reason, and the run stays as it ended."""
    story = begun(
        repeat("fix", steps=[ask("x")], until="state.x_status == 'pass'", most=2),
        conditional("c", when="false", then=[ask("n")]),
        finally_=[ask("fin")],
    )
    story.replies("fix#1/x", verdict="fail")
    story.passes("fix#2/x")
    story.passes("finally/fin")
    before = story.run
    [told] = story.retries(node, prompt="p" if node == "c" else "")
    assert told.startswith("refused")
    assert says in told
    assert story.run is before


def test_a_run_that_stopped_without_a_failure_needs_a_name() -> None:
    """Nothing failed, so nobody can guess what is to run again."""
    story = begun(ask("a"), ask("b", "a", condition="state.a_status == 'pass'", required=True))
    story.replies("a", verdict="fail")
    assert story.status == "stopped"
    assert "name the node" in story.retries()[0]
    story.retries("a")
    story.passes("a")
    story.passes("b")
    assert story.status == "succeeded"


def test_changes_are_for_one_node() -> None:
    """Nobody else would get them."""
    story = failed(begun(ask("a")), "a")
    assert "name it" in story.retries(prompt="p")[0]


def test_nothing_else_is_done_to_a_run_that_has_ended() -> None:
    """Only a retry leads on."""
    story = failed(begun(ask("a")), "a")
    assert story.skips("a") == story.lets_go("a") == story.patches(n=1) == ["ignored: ended"]


# Files, limits, time


def test_a_new_round_prepares_the_files_and_goes_on_where_the_run_was() -> None:
    """Prepare is asked with the run's revision; release comes again."""
    story = begun(ask("a", files="read"), ask("b", "a", files="read"), task=REPO, uses_files=True)
    story.replies("@prepare", files=FILES)
    story.passes("a")
    failed(story, "b")
    story.replies("@release")
    assert story.retries() == ["reopen", "ask @prepare #2"]
    assert story.requests["@prepare"].payload["files"]["revision"] == "r0"
    assert story.replies("@prepare", files={}) == ["ask b #2"]
    assert story.passes("b") == ["ask @release #2"]
    assert story.replies("@release") == ["end succeeded"]


def test_a_run_whose_files_are_gone_fails_and_can_be_retried_again() -> None:
    """What was to run stays marked."""
    story = begun(ask("a", files="read"), ask("b", "a"), task=REPO, uses_files=True)
    story.replies("@prepare", files=FILES)
    failed(story, "a")
    story.replies("@release")
    story.retries()
    story.replies("@prepare", error="refused")
    story.replies("@release")
    assert story.status == "failed"
    story.retries()
    assert story.replies("@prepare", files={}) == ["ask a #2"]


def test_a_run_that_never_got_its_files_begins_when_it_has_them() -> None:
    """Nothing had begun, so everything does."""
    story = begun(ask("a", files="read"), task=REPO, uses_files=True)
    story.replies("@prepare", error="refused")
    assert story.status == "failed"
    assert story.retries() == ["reopen", "ask @prepare #2"]
    assert story.replies("@prepare", files=FILES) == ["ask a #1"]


def test_a_run_that_could_not_begin_is_submitted_again() -> None:
    """Its variables would fail again."""
    story = begun(ask("a"), variables={"v": "{{ task.nothing }}"})
    assert story.status == "failed"
    assert "submit its task again" in story.retries()[0]


def test_max_steps_counts_anew_and_the_time_limit_starts_again() -> None:
    """Each round has its own."""
    story = begun(ask("a"), ask("b", "a"), max_steps=2, timeout_ms=60_000)
    story.passes("a")
    failed(story, "b")
    assert not story.timers
    story.retries()
    assert ("", 1, "run_timeout") in story.timers
    assert story.fires("", "run_timeout", 0) == ["ignored: late"]
    story.fires("", "run_timeout", 1)
    assert story.status == "failed"
    assert story.retries() == ["reopen", "ask b #3"]
    story.passes("b")
    assert story.status == "succeeded"


def test_a_run_that_advances_by_hand_holds_what_runs_again() -> None:
    """It still advances by hand."""
    story = Story(workflow(ask("a"), ask("b", "a")), advance="manual")
    story.starts()
    story.lets_go("a")
    failed(story, "a")
    assert story.retries() == ["reopen"]
    assert story.lets_go("a") == ["ask a #2"]


def test_a_human_and_an_escalation_come_again() -> None:
    """Questions are asked anew."""
    story = begun(human("h", gate="pass"))
    story.answers("h", "reject")
    assert story.retries() == ["reopen", "question h"]
    story.answers("h", "approve")
    assert story.status == "succeeded"


# Size, and what comes between


def test_a_large_run_is_reopened_over_several_commits() -> None:
    """The work may be larger than one commit."""
    count = 3 * MAX_COMMANDS
    steps = [ask(f"n{at}") for at in range(count)]
    story = begun(ask("first"), *steps)
    while story.run.record.agenda:
        story.continues()
    failed(story, "first")
    while story.run.record.agenda:
        story.continues()
    assert story.status == "failed"
    story.retries()
    assert story.run.record.agenda
    while story.run.record.agenda:
        story.continues()
    assert len(story.requests) == count + 1
    assert story.run.record.running == count + 1


def test_a_run_that_is_cancelled_while_it_is_reopened_ends_again() -> None:
    """Nothing has started, and nothing does."""
    steps = [ask(f"n{at}") for at in range(3 * MAX_COMMANDS)]
    story = begun(ask("first"), *steps)
    while story.run.record.agenda:
        story.continues()
    failed(story, "first")
    while story.run.record.agenda:
        story.continues()
    story.retries()
    assert story.skips("first")[0].startswith("refused: the run is being prepared")
    story.cancels()
    while story.run.record.agenda:
        story.continues()
    assert (story.status, len(story.requests)) == ("cancelled", 0)
    assert story.retries()[0] == "reopen"


@pytest.mark.parametrize("kind", [CancelRequested, TerminateRequested])
def test_an_end_that_was_asked_for_before_the_retry_does_not_end_the_new_round(kind: Any) -> None:
    """It was about the round that had ended by itself."""
    story = failed(begun(ask("a")), "a")
    said = {"run": RUN, "at_ms": story.at_ms}
    story.happens(RetryRequested(id="inbox:9-0", **said))
    assert story.happens(kind(id="inbox:8-1", **said)) == ["ignored: late"]
    assert story.happens(kind(id="inbox:9-1", **said)) == ["stop a #2", "end cancelled"]
