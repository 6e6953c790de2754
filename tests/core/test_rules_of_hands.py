"""The rules by which people take a run into their own hands; each docstring is its rule."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.definition import Join
from coordinator.core.turn import MAX_COMMANDS
from coordinator.core.why import Serving, waits
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
from tests.core.story import Story

REPO = {"repo": "/srv/repo.git"}
PATCH = {"base": "r0", "diff": "d"}


def begun(*steps: Step, task: Any = None, advance: str = "auto", **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task, advance=advance)
    story.starts()
    return story


def error_class(story: Story, path: str) -> object:
    """Why the node failed."""
    return as_mapping(story.run.nodes[path].error)["class"]


def payload(story: Story, path: str) -> Any:
    """What the persona in flight was asked with."""
    return story.requests[path].payload


# review: true


def test_a_reviewed_node_that_would_succeed_waits_for_a_review_and_keeps_what_came_of_it() -> None:
    """When it would succeed it becomes `awaiting_review`; dependents do not start."""
    story = begun(ask("a", review=True), ask("b", "a"))
    assert story.passes("a", result={"n": 1}) == ["question a"]
    assert story.nodes == {"a": "awaiting_review"}
    assert (story.run.nodes["a"].verdict, story.run.results["a"]) == ("pass", {"n": 1})
    assert story.status == "waiting"


def test_a_review_asks_with_the_result_and_the_verdict() -> None:
    """A question of kind `review`: the answers, what came of it, and what may be changed."""
    story = begun(ask("a", review=True))
    story.replies("a", verdict="fail", result={"text": "x" * 5_000})
    asked = story.questions["a"]
    assert (asked.kind, asked.question["verdict"]) == ("review", "fail")
    assert asked.question["answers"] == ["continue", "retry", "reject"]
    assert str(asked.question["result"]).startswith('{"text":"xxx')
    assert len(str(asked.question["result"])) < 4_100
    assert set(as_mapping(asked.question["form"])) == {"params", "prompt"}


def test_continue_settles_a_reviewed_node_as_succeeded_with_its_result() -> None:
    """`continue` settles it as succeeded."""
    story = begun(ask("a", review=True), ask("b", "a", params={"n": "{{ steps.a.result.n }}"}))
    story.passes("a", result={"n": 7})
    assert story.answers("a", "continue", by="ann", comment="good") == ["ask b #1"]
    assert story.nodes == {"a": "succeeded", "b": "running"}
    assert story.run.nodes["a"].reason == "continue by ann: good"
    assert payload(story, "b")["params"] == {"n": 7}
    story.passes("b")
    assert story.status == "succeeded"
    assert story.run.record.waiting == 0


def test_retry_of_a_reviewed_node_asks_again_with_changed_params_and_prompt() -> None:
    """`params` are laid over the step's, `prompt` goes into the payload and into `feedback`."""
    story = begun(ask("a", review=True, params={"n": 1, "m": 1}))
    story.passes("a")
    values = {"params": {"n": 2}, "prompt": "be brief"}
    assert story.answers("a", "retry", by="ann", values=values) == ["ask a #2"]
    sent = payload(story, "a")
    assert (sent["params"], sent["prompt"]) == ({"n": 2, "m": 1}, "be brief")
    assert sent["feedback"] == [{"node": "a", "attempt": 1, "comment": "be brief", "by": "ann"}]
    story.passes("a")
    assert story.node("a") == "awaiting_review"


def test_what_was_changed_holds_for_later_attempts_too() -> None:
    """Changed params hold for that and later attempts of the node."""
    story = begun(ask("a", review=True, retry={"max_attempts": 2}, params={"n": 1}))
    story.passes("a")
    story.answers("a", "retry", by="ann", values={"params": {"n": 2}}, comment="more")
    story.replies("a", error="transport")
    assert story.fires("a", "retry", 2) == ["ask a #3"]
    assert payload(story, "a")["params"] == {"n": 2}
    story.passes("a")
    story.answers("a", "retry", values={"params": {"k": 3}})
    assert payload(story, "a")["params"] == {"n": 2, "k": 3}
    said = {"node": "a", "attempt": 1, "comment": "more", "by": "ann"}
    assert payload(story, "a")["feedback"] == [said]


def test_retries_by_people_do_not_count_against_max_attempts() -> None:
    """A person's retry begins another round of attempts."""
    story = begun(ask("a", review=True, retry={"max_attempts": 2}))
    for attempt in (1, 2, 3):
        assert story.passes("a") == ["question a"]
        assert story.answers("a", "retry") == [f"ask a #{attempt + 1}"]
    assert story.replies("a", error="transport") == ["retry a later"]


@pytest.mark.parametrize(
    ("on_error", "becomes"),
    [("abort", "failed"), ("continue", "failed"), ("escalate", "waiting")],
)
def test_reject_fails_a_reviewed_node_and_its_on_error_applies(on_error: str, becomes: str) -> None:
    """`reject` fails the node with class `refused`; it is not retried by itself."""
    story = begun(ask("a", review=True, on_error=on_error, retry={"max_attempts": 3}), ask("z"))
    story.passes("a")
    story.answers("a", "reject", by="ann", comment="no")
    assert story.node("a") == becomes
    assert error_class(story, "a") == "refused"
    assert as_mapping(story.run.nodes["a"].error)["message"] == "reject by ann: no"
    assert story.run.nodes["a"].is_tolerated == (on_error == "continue")
    assert story.run.nodes["a"].verdict == "fail"


def test_what_fails_does_not_go_to_review() -> None:
    """Failures that fail do not go to review; neither does a gate."""
    story = begun(ask("a", review=True, gate="pass", on_error="continue"), ask("b", "a"))
    assert story.replies("a", verdict="fail") == ["ask b #1"]
    assert story.node("a") == "failed"


def test_a_patch_lands_before_the_review() -> None:
    """Gates and patches come before the review; others may land meanwhile."""
    steps = [ask("a", review=True, files="patch"), ask("b", files="patch")]
    story = begun(*steps, task=REPO, uses_files=True)
    story.replies("@prepare", files={"revision": "r0", "base_branch": "main"})
    story.passes("b", patch=PATCH)
    assert story.passes("a", patch=PATCH) == ["ask a@land #1"]
    assert story.replies("a@land") == ["question a", "ask b@land #1"]
    assert story.answers("a", "retry") == ["ask a #2"]
    story.replies("b@land")
    assert story.passes("a", patch=PATCH) == ["ask a@land #2"]


def test_a_container_is_reviewed_when_it_would_succeed_and_begins_again() -> None:
    """Works on containers too: retry begins it again."""
    story = begun(
        parallel("p", steps=[ask("x"), ask("y")], review=True), ask("z", "p", join=Join.ALL_SETTLED)
    )
    story.passes("p/x", result={"n": 1})
    assert story.passes("p/y") == ["question p"]
    assert story.node("p") == "awaiting_review"
    assert story.questions["p"].question["result"] == {"x": {"n": 1}, "y": None}
    assert story.answers("p", "retry") == ["ask p/x #2", "ask p/y #2"]
    story.passes("p/x")
    story.passes("p/y")
    assert story.answers("p", "continue") == ["ask z #1"]


def test_a_container_takes_neither_params_nor_a_prompt() -> None:
    """A container asks nobody."""
    story = begun(parallel("p", steps=[ask("x")], review=True))
    story.passes("p/x")
    assert "asks nobody" in story.answers("p", "retry", values={"prompt": "x"})[0]
    assert story.questions["p"].question["form"] == {}


def test_a_reviewed_loop_that_is_retried_begins_a_new_round_of_iterations() -> None:
    """Iterations are numbered on."""
    story = begun(
        repeat("fix", steps=[ask("x")], until="state.x_status == 'pass'", most=1, review=True)
    )
    story.passes("fix#1/x")
    assert story.answers("fix", "retry") == ["ask fix#2/x #1"]
    story.passes("fix#2/x")
    story.answers("fix", "continue")
    assert story.status == "succeeded"


@pytest.mark.parametrize(
    ("answer", "values", "says"),
    [
        ("approve", {}, "continue, retry or reject"),
        ("retry", {"n": 1}, "a retry has no 'n'; it has params and prompt"),
        ("retry", {"params": "x"}, "are an object"),
        ("retry", {"prompt": 7}, "is text"),
        ("retry", {"params": {"x": "y" * 300_000}}, "262,144"),
        ("retry", {"prompt": "y" * 70_000}, "65,536"),
    ],
)
def test_an_answer_that_does_not_fit_a_review_is_refused(
    answer: str, values: Any, says: str
) -> None:
    """The question stays open."""
    story = begun(ask("a", review=True))
    story.passes("a")
    [told] = story.answers("a", answer, values=values)
    assert told.startswith("refused")
    assert says in told
    assert story.node("a") == "awaiting_review"


def test_a_second_answer_to_a_review_comes_too_late() -> None:
    """The first valid answer counts."""
    story = begun(ask("a", review=True))
    story.passes("a")
    story.answers("a", "retry")
    story.passes("a")
    assert story.answers("a", "continue", attempt=1) == ["ignored: late"]
    assert story.node("a") == "awaiting_review"


def test_a_run_that_is_cancelled_withdraws_the_review_and_undoes_what_was_done() -> None:
    """Cancel behaves: the question goes, the node is cancelled, its undo runs."""
    story = begun(ask("a", review=True, undo=[ask("ua")]))
    story.passes("a")
    assert story.cancels() == ["ask a/undo/ua #1"]
    assert (story.node("a"), story.questions) == ("cancelled", {})
    story.passes("a/undo/ua")
    assert (story.status, story.run.record.waiting) == ("cancelled", 0)


def test_a_run_that_is_terminated_or_out_of_time_ends_a_review() -> None:
    """Terminate and the run's time limit behave."""
    story = begun(ask("a", review=True))
    story.passes("a")
    assert story.terminates() == ["end cancelled"]
    story = begun(ask("a", review=True), timeout_ms=60_000)
    story.passes("a")
    story.fires("", "run_timeout", 0)
    assert (story.status, story.node("a"), story.questions) == ("failed", "cancelled", {})


def test_a_block_that_has_enough_ends_a_review_in_it() -> None:
    """Shutting containers behave."""
    story = begun(parallel("p", steps=[ask("x", review=True), ask("y")], need=1))
    story.passes("p/x")
    story.passes("p/y")
    assert (story.status, story.node("p/x"), story.questions) == ("succeeded", "cancelled", {})


def test_a_review_may_be_answered_while_the_run_is_paused() -> None:
    """Pause behaves: the answer counts, nothing starts."""
    story = begun(ask("a", review=True), ask("b", "a"))
    story.passes("a")
    story.pauses()
    assert story.answers("a", "continue") == []
    assert (story.node("a"), story.node("b")) == ("succeeded", "ready")
    assert story.resumes() == ["ask b #1"]


def test_a_retry_while_the_run_is_paused_goes_on_when_it_is_resumed() -> None:
    """The node stays ready."""
    story = begun(ask("a", review=True))
    story.passes("a")
    story.pauses()
    assert story.answers("a", "retry", values={"prompt": "p"}) == []
    assert story.node("a") == "ready"
    assert story.resumes() == ["ask a #2"]
    assert payload(story, "a")["prompt"] == "p"


def test_why_says_that_a_review_is_due() -> None:
    """`runs why` tells what to do."""
    story = begun(ask("a", review=True))
    story.passes("a")
    [wait] = waits(story.definition, story.run, Serving())
    assert (wait.path, wait.kind) == ("a", "review")
    assert "runs continue" in wait.detail
    assert "runs retry" in wait.detail


# advance: manual


def test_a_run_that_advances_by_hand_holds_every_node_before_it_starts() -> None:
    """Each node that would start is held `ready` until `continue` for it."""
    story = Story(workflow(ask("a"), ask("b"), ask("c", "a")), advance="manual")
    assert story.starts() == []
    assert story.nodes == {"a": "ready", "b": "ready"}
    assert story.run.nodes["a"].reason == "held: this run advances by hand"
    assert story.status == "waiting"
    assert story.lets_go("a") == ["ask a #1"]
    assert story.passes("a") == []
    assert story.nodes == {"a": "succeeded", "b": "ready", "c": "ready"}


def test_continue_without_a_node_lets_everything_go_that_is_held_now() -> None:
    """Nodes that become ready later are held again."""
    story = begun(ask("a"), ask("b"), ask("c", "a"), advance="manual")
    assert story.lets_go() == ["ask a #1", "ask b #1"]
    assert story.passes("a") == []
    assert story.node("c") == "ready"
    assert story.lets_go() == ["ask c #1"]
    assert story.lets_go() == ["ignored: late"]
    story.passes("b")
    story.passes("c")
    assert (story.status, story.run.record.waiting) == ("succeeded", 0)


def test_the_mode_of_a_run_that_is_under_way_can_be_switched() -> None:
    """`auto` releases what is held; `manual` holds what starts from now on."""
    story = begun(ask("a"), ask("b", "a"), ask("c", "b"))
    assert story.advances("manual") == []
    assert story.passes("a") == []
    assert story.node("b") == "ready"
    assert story.advances("auto") == ["ask b #1"]
    assert story.passes("b") == ["ask c #1"]


def test_the_coordinators_own_work_is_never_held() -> None:
    """Neither preparing nor landing."""
    story = begun(ask("a", files="patch"), task=REPO, uses_files=True, advance="manual")
    assert set(story.requests) == {"@prepare"}
    story.replies("@prepare", files={"revision": "r0", "base_branch": "main"})
    assert story.lets_go("a") == ["ask a #1"]
    assert story.passes("a", patch=PATCH) == ["ask a@land #1"]
    assert story.replies("a@land") == ["ask @release #1"]


def test_retries_of_a_node_that_was_let_go_are_not_held_again() -> None:
    """Only starts are held."""
    story = begun(ask("a", retry={"max_attempts": 2}), advance="manual")
    story.lets_go("a")
    story.replies("a", error="transport")
    assert story.fires("a", "retry") == ["ask a #2"]


def test_iterations_are_held_step_by_step() -> None:
    """Iterations and items are held per node; so is the container itself."""
    until = "state.x_status == 'pass'"
    story = begun(repeat("fix", steps=[ask("x")], until=until, most=2), advance="manual")
    assert story.lets_go("fix") == []
    assert story.lets_go("fix#1/x") == ["ask fix#1/x #1"]
    assert story.replies("fix#1/x", verdict="fail") == []
    assert story.node("fix#2/x") == "ready"
    assert story.lets_go("fix#2/x") == ["ask fix#2/x #1"]


def test_what_would_not_run_is_not_held() -> None:
    """A node whose condition does not hold is skipped at once."""
    story = begun(ask("a", condition="false"), ask("b"), advance="manual")
    assert story.nodes == {"a": "skipped", "b": "ready"}


def test_a_held_run_can_be_paused_and_resumed_and_stays_held() -> None:
    """Pause and hold do not mix themselves up."""
    story = begun(ask("a"), ask("b", "a"), advance="manual")
    story.pauses()
    assert story.lets_go("a") == []
    assert story.resumes() == ["ask a #1"]
    story.pauses()
    story.passes("a")
    assert story.resumes() == []
    assert (story.node("b"), story.status, story.run.record.waiting) == ("ready", "waiting", 1)
    assert story.lets_go("b") == ["ask b #1"]


def test_a_held_run_can_be_cancelled() -> None:
    """Nothing stays behind."""
    story = begun(ask("a"), advance="manual")
    assert story.cancels() == ["end cancelled"]
    assert (story.node("a"), story.run.record.waiting) == ("cancelled", 0)


def test_why_says_that_a_node_is_held_and_how_to_let_it_go() -> None:
    """Kind `held`, with the command."""
    story = begun(ask("a"), advance="manual")
    [wait] = waits(story.definition, story.run, Serving())
    assert (wait.path, wait.kind) == ("a", "held")
    assert f"coordinator runs continue {story.run.id} a" in wait.detail


# skip


def test_a_person_skips_a_node_that_has_not_begun() -> None:
    """It settles `skipped` with who and why; joins treat it as skipped."""
    story = begun(ask("a"), ask("b", "a"), ask("c", "b"), ask("d", "a", "b"))
    assert story.skips("b", by="ann", comment="not now") == []
    assert story.node("b") == "skipped"
    assert story.run.nodes["b"].reason == "skipped by ann: not now"
    assert story.passes("a") == ["ask d #1"]
    assert story.node("c") == "skipped"
    story.passes("d")
    assert story.status == "succeeded"


def test_a_person_skips_a_node_wherever_it_is_before_its_end() -> None:
    """Ready, backing off, waiting, awaiting review; a running one is stopped first."""
    story = begun(
        ask("running"),
        ask("backing", retry={"max_attempts": 2}),
        human("waiting", deadline=60_000),
        ask("reviewed", review=True),
        ask("escalated", on_error="escalate"),
        ask("end", "running", "backing", "waiting", "reviewed", "escalated", join=Join.ALL_SETTLED),
    )
    story.replies("backing", error="transport")
    story.passes("reviewed", result={"n": 1})
    story.replies("escalated", error="refused")
    assert story.skips("running") == ["stop running #1"]
    for path in ("backing", "waiting", "reviewed"):
        assert story.skips(path) == []
    assert story.skips("escalated") == ["ask end #1"]
    assert set(story.nodes.values()) == {"skipped", "running"}
    assert (story.questions, story.timers, story.run.record.waiting) == (
        {}, {("end", 1, "timeout"): story.timers["end", 1, "timeout"]}, 0,
    )  # fmt: skip
    assert story.run.results.get("reviewed") is None
    story.passes("end")
    assert story.status == "succeeded"


def test_a_held_node_can_be_skipped() -> None:
    """Ready is not settled."""
    story = begun(ask("a"), ask("b"), advance="manual")
    story.skips("a")
    assert (story.node("a"), story.run.record.waiting) == ("skipped", 1)


def test_a_running_container_is_stopped_and_then_skipped() -> None:
    """What runs inside is cancelled first."""
    story = begun(
        parallel("p", steps=[ask("x"), ask("y", "x")]), ask("z", "p", join=Join.ALL_SETTLED)
    )
    assert story.skips("p", by="ann") == ["stop p/x #1", "ask z #1"]
    assert story.nodes == {
        "p": "skipped",
        "p/x": "cancelled",
        "p/y": "cancelled",
        "z": "running",
    }
    assert story.run.nodes["p"].reason == "skipped by ann"


def test_a_node_whose_patch_lands_can_be_skipped() -> None:
    """The landing is stopped; the next patch may land."""
    story = begun(ask("a", files="patch"), ask("b", files="patch"), task=REPO, uses_files=True)
    story.replies("@prepare", files={"revision": "r0", "base_branch": "main"})
    story.passes("a", patch=PATCH)
    story.passes("b", patch=PATCH)
    assert story.skips("a") == ["stop a@land #1", "ask b@land #1"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("@prepare", "refused: @prepare is work of the coordinator's own"),
        ("nobody", "refused: the run has no node 'nobody'"),
        ("p/x", "refused: p/x is in a block that is not running"),
        ("fix/x", "refused: the run has no node 'fix/x'"),
        ("fix#2/x", "refused: fix#2/x is in a block that is not running"),
        ("done", "ignored: late"),
    ],
)
def test_what_cannot_be_skipped_is_refused(path: str, says: str) -> None:
    """Not the coordinator's own nodes; nothing in a block that is not open."""
    until = "true"
    story = begun(
        ask("done"),
        ask("a"),
        parallel("p", "a", steps=[ask("x")]),
        repeat("fix", steps=[ask("x")], until=until, most=2),
    )
    story.passes("done")
    [told] = story.skips(path)
    assert told.startswith(says)


def test_a_step_of_the_branch_not_taken_cannot_be_skipped() -> None:
    """It would settle where nobody counts it."""
    choose = conditional("c", when="true", then=[ask("x")], otherwise=[ask("y")])
    story = begun(choose)
    assert story.skips("c/y")[0].startswith("refused")
    story.skips("c/x")
    assert story.status == "succeeded"


def test_a_run_whose_last_step_a_person_skipped_has_not_been_stopped() -> None:
    """Somebody wanted it so."""
    story = begun(ask("a"), ask("b", "a"))
    story.skips("b")
    story.passes("a")
    assert story.status == "succeeded"


# patch


def test_a_person_sets_values_of_the_workflows_state() -> None:
    """`state.k` has the value; null removes it."""
    story = begun(ask("a"), ask("b", "a", condition="state.go == true"))
    assert story.patches(go=True, n=1) == []
    assert dict(story.run.values) == {"go": True, "n": 1}
    story.patches(n=None)
    assert dict(story.run.values) == {"go": True}
    assert story.passes("a") == ["ask b #1"]


# retry of one node


def test_a_node_that_backs_off_goes_at_once() -> None:
    """The pause is over when a person says so."""
    story = begun(ask("a", retry={"max_attempts": 2}))
    story.replies("a", error="transport")
    assert story.retries("a", params={"n": 1}, prompt="try this") == ["ask a #2"]
    assert payload(story, "a")["params"] == {"n": 1}
    assert [word for word in payload(story, "a")["feedback"] if "comment" in word]
    assert story.run.record.waiting == 0
    assert story.fires("a", "retry") == ["ignored: late"]


def test_a_running_attempt_is_stopped_and_asked_again() -> None:
    """A late reply to the old attempt is never taken for one to the new."""
    story = begun(ask("a"))
    old = story.requests["a"]
    assert story.retries("a") == ["stop a #1", "ask a #2"]
    assert story.replies("a", attempt=1, token=old.token) == ["ignored: late"]
    story.passes("a")
    assert story.status == "succeeded"


def test_a_running_container_is_stopped_and_begins_again() -> None:
    """Its steps are cancelled first."""
    story = begun(parallel("p", steps=[ask("x"), ask("y")]))
    story.passes("p/x")
    assert story.retries("p") == ["stop p/y #1", "ask p/x #2", "ask p/y #2"]
    story.passes("p/x")
    story.passes("p/y")
    assert story.status == "succeeded"


def test_a_run_that_is_cancelled_meanwhile_does_not_begin_the_container_again() -> None:
    """The end of the run wins."""
    inner = parallel("q", steps=[ask("x", files="patch")])
    story = begun(parallel("p", steps=[inner]), ask("z"))
    story.retries("p")
    story.cancels()
    assert story.status == "cancelled"
    assert not story.requests


def test_a_node_whose_fallback_runs_is_asked_itself_again() -> None:
    """The fallback is stopped; it may come again."""
    story = begun(ask("a", fallback=[ask("f")]))
    story.replies("a", error="refused")
    assert story.retries("a") == ["stop a/fallback/f #1", "ask a #2"]
    assert story.replies("a", error="refused") == ["ask a/fallback/f #2"]
    story.passes("a/fallback/f")
    assert story.status == "succeeded"


@pytest.mark.parametrize("where", ["review", "escalation", "question"])
def test_a_node_that_waits_for_a_human_is_asked_again(where: str) -> None:
    """Awaiting review and escalated as their answers; an open question is asked anew."""
    steps = {
        "review": ask("a", review=True),
        "escalation": ask("a", on_error="escalate"),
        "question": human("a"),
    }
    story = begun(steps[where])
    if where != "question":
        story.replies("a", **({"verdict": "pass"} if where == "review" else {"error": "refused"}))
    told = story.retries("a", prompt="p", params={"n": 1})
    assert told == (["question a"] if where == "question" else ["ask a #2"])
    assert story.run.nodes["a"].attempt == 2
    assert story.run.record.waiting == (where == "question")


def test_continue_answers_a_review_and_an_escalation() -> None:
    """The same word for what waits for a person."""
    story = begun(ask("a", review=True), ask("b", "a", on_error="escalate"), ask("c", "b"))
    story.passes("a")
    assert story.lets_go("a", by="ann") == ["ask b #1"]
    story.replies("b", error="refused")
    assert story.lets_go("b", values={"n": 1}) == ["ask c #1"]
    assert story.run.results["b"] == {"n": 1}
    assert story.lets_go("c") == ["ignored: late"]


def test_a_node_that_has_settled_or_not_begun_is_not_retried_in_a_run_under_way() -> None:
    """It has to wait for the end of the run, or for its turn."""
    story = begun(ask("a"), ask("b"), ask("c", "b"))
    story.passes("a")
    assert "once the run has ended" in story.retries("a")[0]
    assert "has not begun" in story.retries("c")[0]
    assert "name the node" in story.retries()[0]
    assert "no node" in story.retries("zz")[0]


def test_a_held_node_may_be_let_go_with_changed_params() -> None:
    """Retry of a held node is its start."""
    story = begun(git("a"), advance="manual")
    assert story.retries("a", params={"message": "m"}) == ["ask a #1"]
    assert payload(story, "a")["params"] == {"operation": "commit", "message": "m"}


def test_a_prompt_for_what_asks_no_persona_is_refused() -> None:
    """It would reach nobody; params do."""
    story = begun(git("a"))
    assert "would reach nobody" in story.retries("a", prompt="p")[0]
    assert story.retries("a", params={"message": "m"}) == ["stop a #1", "ask a #2"]


def test_many_held_nodes_are_let_go_over_several_commits() -> None:
    """The work may be larger than one commit."""
    count = 3 * MAX_COMMANDS
    story = begun(*[ask(f"n{at}") for at in range(count)], advance="manual")
    while story.run.record.agenda:
        story.continues()
    assert story.run.record.waiting == count
    story.lets_go()
    assert story.run.record.agenda
    while story.run.record.agenda:
        story.continues()
    assert (len(story.requests), story.run.record.waiting) == (count, 0)
