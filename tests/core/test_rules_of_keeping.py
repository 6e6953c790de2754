"""What `on_rest: keep` means, one test per sentence; each docstring is its rule."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.definition import Join, OnBranchError, OnRest
from tests.core.build import Step, ask, conditional, foreach, human, parallel, repeat, workflow
from tests.core.story import Story


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


def keeping(*steps: Step, name: str = "p", after: tuple[str, ...] = (), **keys: Any) -> Step:
    """Branches of which one is enough, the others kept."""
    keys = {"need": 1, "on_rest": OnRest.KEEP, **keys}
    return parallel(name, *after, steps=steps, **keys)


def test_the_container_succeeds_at_once_and_what_depends_on_it_goes_on() -> None:
    """As soon as enough branches have succeeded the container has, and the rest keeps running."""
    story = begun(keeping(ask("a"), ask("b")), ask("next", "p"))
    assert story.passes("p/a") == ["ask next #1"]
    assert (story.node("p"), story.node("p/b")) == ("succeeded", "running")


def test_so_many_as_needed_are_enough() -> None:
    """`{need: 2}` waits for two."""
    story = begun(keeping(ask("a"), ask("b"), ask("c"), need=2), ask("next", "p"))
    assert story.passes("p/a") == []
    assert story.passes("p/b") == ["ask next #1"]


def test_the_rest_runs_to_its_own_end_steps_that_had_not_begun_included() -> None:
    """What follows a kept branch inside the container starts as it would have."""
    story = begun(keeping(ask("a"), ask("b"), ask("c", "b")), ask("next", "p"))
    story.passes("p/a")
    assert story.passes("p/b") == ["ask p/c #1"]
    story.passes("next")
    assert story.passes("p/c") == ["end succeeded"]


def test_a_later_failure_is_recorded_and_fails_nothing() -> None:
    """A kept branch that fails has its error on its node, and the run succeeds."""
    story = begun(keeping(ask("a"), ask("b"), ask("c")))
    story.passes("p/a")
    story.replies("p/b", error="refused", message="no")
    assert (story.node("p/b"), story.node("p/c")) == ("failed", "running")
    assert story.passes("p/c") == ["end succeeded"]
    assert story.run.record.error is None
    error = story.run.nodes["p/b"].error
    assert error is not None
    assert error["message"] == "no"


def test_the_run_does_not_end_before_what_it_kept_has_settled() -> None:
    """Neither `finally` nor the end comes before the last kept branch."""
    story = begun(keeping(ask("a"), ask("b")), ask("next", "p"), finally_=[ask("clean")])
    story.passes("p/a")
    assert story.passes("next") == []
    assert story.status == "running"
    assert story.passes("p/b") == ["ask finally/clean #1"]
    assert story.passes("finally/clean") == ["end succeeded"]


def test_a_question_in_a_kept_branch_keeps_the_run_waiting() -> None:
    """A kept branch that waits for a human is waited for."""
    story = begun(keeping(ask("a"), human("h")))
    story.passes("p/a")
    assert story.status == "waiting"
    assert story.answers("p/h", "approve") == ["end succeeded"]


def test_the_failure_of_the_run_cancels_what_it_kept() -> None:
    """`undo` and `on_failure` come when the kept branches are cancelled."""
    story = begun(keeping(ask("a"), ask("b")), ask("next", "p"), on_failure=[ask("tell")])
    story.passes("p/a")
    assert story.replies("next", error="refused") == ["stop p/b #1", "ask on_failure/tell #1"]
    assert story.node("p/b") == "cancelled"


@pytest.mark.parametrize("how", ["cancels", "terminates"])
def test_cancel_and_terminate_end_what_was_kept(how: str) -> None:
    """Also when nothing but a kept branch is left."""
    story = begun(keeping(ask("a"), ask("b")))
    story.passes("p/a")
    assert getattr(story, how)() == ["stop p/b #1", "end cancelled"]


def test_the_time_limit_of_the_run_ends_what_was_kept() -> None:
    """The run fails, although nothing but a kept branch was left."""
    story = begun(keeping(ask("a"), ask("b")), timeout_ms=60_000)
    story.passes("p/a")
    assert story.fires("", "run_timeout", 0) == ["stop p/b #1", "end failed"]


def test_a_paused_run_starts_nothing_of_what_it_kept() -> None:
    """A kept branch is held like any other, and goes on with the run."""
    story = begun(keeping(ask("a"), ask("b"), ask("c", "b")))
    story.passes("p/a")
    story.pauses()
    assert story.passes("p/b") == []
    assert story.node("p/c") == "ready"
    assert story.resumes() == ["ask p/c #1"]


def test_a_container_around_it_does_not_wait_but_its_failure_cancels() -> None:
    """An enclosing container settles without what is kept; when it fails, that is cancelled."""
    around = parallel("o", steps=[keeping(ask("a"), ask("b")), ask("x")])
    story = begun(around, ask("next", "o"))
    story.passes("o/p/a")
    assert story.passes("o/x") == ["ask next #1"]
    assert story.node("o/p/b") == "running"

    story = begun(parallel("o", steps=[keeping(ask("a"), ask("b")), ask("x"), ask("y")]))
    story.passes("o/p/a")
    assert story.replies("o/x", error="refused") == ["stop o/y #1", "stop o/p/b #1", "end failed"]


def test_a_container_that_fails_only_when_all_have_settled_cancels_too() -> None:
    """`wait_all` ends with the last step; what was kept does not outlive it."""
    inner = [keeping(ask("a"), ask("b")), ask("x")]
    around = parallel("o", steps=inner, on_branch_error=OnBranchError.WAIT_ALL, on_error="continue")
    story = begun(around, ask("next", "o"))
    story.passes("o/p/a")
    assert story.replies("o/x", error="refused") == ["stop o/p/b #1", "ask next #1"]


def test_a_gate_around_it_that_is_not_met_cancels_what_was_kept() -> None:
    """The enclosing container fails by its gate: nothing of it runs on."""
    around = parallel(
        "o", steps=[keeping(ask("a"), ask("b")), ask("x")], gate="pass", on_error="continue"
    )
    story = begun(around, ask("next", "o"))
    story.passes("o/p/a")
    assert story.replies("o/x", verdict="fail") == ["stop o/p/b #1", "ask next #1"]


def test_a_container_whose_gate_is_not_met_keeps_nothing() -> None:
    """Enough succeeded, with the wrong verdict: the container fails and the rest is cancelled."""
    story = begun(keeping(ask("a"), ask("b"), gate="pass"))
    assert story.replies("p/a", verdict="fail") == ["stop p/b #1", "end failed"]


def test_a_container_that_begins_again_first_cancels_what_it_kept() -> None:
    """A retry of an enclosing container starts with nothing of the last attempt in flight."""
    inner = [keeping(ask("a"), ask("b")), ask("x", "p")]
    retry = {"max_attempts": 2, "on": frozenset({"refused"})}
    story = begun(parallel("o", steps=inner, retry=retry))
    story.passes("o/p/a")
    said = story.replies("o/x", error="refused")
    assert said == ["retry o later", "stop o/p/b #1"]
    assert story.fires("o", "retry") == ["ask o/p/a #2", "ask o/p/b #2"]
    story.passes("o/p/a")
    story.passes("o/x")
    assert story.passes("o/p/b") == ["end succeeded"]


def test_the_next_iteration_begins_while_the_last_ones_rest_still_runs() -> None:
    """Iterations have paths of their own; the run waits for what all of them kept."""
    loop = repeat("l", steps=[keeping(ask("a"), ask("b"))], until="iteration == 2", most=3)
    story = begun(loop)
    assert story.passes("l#1/p/a") == ["ask l#2/p/a #1", "ask l#2/p/b #1"]
    story.passes("l#2/p/a")
    assert (story.node("l"), story.node("l#1/p/b")) == ("succeeded", "running")
    story.passes("l#2/p/b")
    assert story.passes("l#1/p/b") == ["end succeeded"]


def test_a_loop_that_fails_cancels_what_every_iteration_kept() -> None:
    """Exhausted: the rest of the earlier iterations and of the last one is stopped."""
    loop = repeat(
        "l", steps=[keeping(ask("a"), ask("b"))], until="false", most=2, on_error="continue"
    )
    story = begun(loop, ask("next", "l"))
    story.passes("l#1/p/a")
    said = story.passes("l#2/p/a")
    assert sorted(said) == ["ask next #1", "stop l#1/p/b #1", "stop l#2/p/b #1"]


def test_a_loop_that_is_cancelled_takes_earlier_iterations_along() -> None:
    """Its sibling failed: what it runs now and what it kept before are stopped."""
    loop = repeat("l", steps=[keeping(ask("a"), ask("b"))], until="false", most=3)
    story = begun(parallel("o", steps=[loop, ask("x")]))
    story.passes("o/l#1/p/a")
    said = story.replies("o/x", error="refused")
    stopped = ["stop o/l#1/p/b #1", "stop o/l#2/p/a #1", "stop o/l#2/p/b #1"]
    assert sorted(said) == ["end failed", *stopped]


def test_kept_branches_may_keep_branches_of_their_own() -> None:
    """The run waits for the innermost too, whichever container was left first."""
    inner = keeping(ask("c"), ask("d"), name="q")
    story = begun(keeping(ask("a"), inner))
    story.passes("p/a")
    assert story.passes("p/q/c") == []
    assert (story.node("p/q"), story.node("p/q/d")) == ("succeeded", "running")
    assert story.passes("p/q/d") == ["end succeeded"]


def test_what_is_kept_in_a_fallback_or_a_chosen_branch_is_cancelled_with_the_run() -> None:
    """Wherever the container is, whoever ends what is around it finds it."""
    story = begun(ask("x", fallback=[keeping(ask("a"), ask("b"))]), ask("next", "x"))
    story.replies("x", error="refused")
    assert story.passes("x/fallback/p/a") == ["ask next #1"]
    said = story.replies("next", error="refused")
    assert said == ["stop x/fallback/p/b #1", "end failed"]

    chosen = conditional("c", when="true", then=[keeping(ask("a"), ask("b"))])
    story = begun(chosen, ask("next", "c"))
    assert story.passes("c/p/a") == ["ask next #1"]
    assert story.replies("next", error="refused") == ["stop c/p/b #1", "end failed"]


def test_an_item_is_over_without_what_it_kept_and_a_failed_one_cancels_it() -> None:
    """The next item begins while the rest of the last one runs; a failed item takes it along."""
    steps = [keeping(ask("a"), ask("b")), ask("x", "p")]
    policy = OnBranchError.WAIT_ALL
    story = begun(foreach("m", items=[1, 2], steps=steps, max_concurrent=1, on_branch_error=policy))
    story.passes("m[0]/p/a")
    assert story.passes("m[0]/x") == ["ask m[1]/p/a #1", "ask m[1]/p/b #1"]
    story.passes("m[1]/p/a")
    said = story.replies("m[1]/x", error="refused")
    assert sorted(said) == ["end failed", "stop m[0]/p/b #1", "stop m[1]/p/b #1"]

    policy = OnBranchError.IGNORE
    story = begun(foreach("m", items=[1, 2], steps=steps, on_branch_error=policy), ask("n", "m"))
    story.passes("m[0]/p/a")
    story.passes("m[0]/x")
    story.passes("m[1]/p/a")
    said = story.replies("m[1]/x", error="refused")
    assert sorted(said) == ["ask n #1", "stop m[1]/p/b #1"]
    story.passes("n")
    assert story.passes("m[0]/p/b") == ["end succeeded"]


def test_finally_waits_for_what_it_kept_itself() -> None:
    """Every phase waits for its own."""
    story = begun(ask("s"), finally_=[keeping(ask("a"), ask("b"))])
    story.passes("s")
    assert story.passes("finally/p/a") == []
    assert story.passes("finally/p/b") == ["end succeeded"]


def test_a_result_read_later_has_what_had_succeeded_by_then() -> None:
    """A kept branch is null in the container's result until it has succeeded."""
    later = ask("late", "slow", params={"seen": "{{ steps.p.result }}"})
    soon = ask("soon", "p", params={"seen": "{{ steps.p.result }}"})
    story = begun(keeping(ask("a"), ask("b")), soon, ask("slow", "p"), later)
    story.passes("p/a", result=1)
    assert story.requests["soon"].payload["params"] == {"seen": {"a": 1, "b": None}}
    story.passes("p/b", result=2)
    story.passes("slow")
    assert story.requests["late"].payload["params"] == {"seen": {"a": 1, "b": 2}}


def test_a_review_that_rejects_the_container_cancels_what_it_kept() -> None:
    """While the review is open the rest runs; a container that is done again begins without it."""
    story = begun(keeping(ask("a"), ask("b"), review=True), ask("next", "p"))
    assert story.passes("p/a") == ["question p"]
    assert (story.node("p"), story.node("p/b")) == ("awaiting_review", "running")
    assert story.answers("p", "reject") == ["stop p/b #1", "end failed"]

    story = begun(keeping(ask("a"), ask("b"), review=True), ask("next", "p"))
    story.passes("p/a")
    assert story.retries("p") == ["stop p/b #1", "ask p/a #2", "ask p/b #2"]
    story.passes("p/a")
    assert story.answers("p", "continue") == ["ask next #1"]
    story.passes("next")
    assert story.passes("p/b") == ["end succeeded"]


def test_a_person_may_skip_what_is_kept() -> None:
    """A kept branch is a step of the run like any other."""
    story = begun(keeping(ask("a"), ask("b"), ask("c", "b", join=Join.ALL_SETTLED)))
    story.passes("p/a")
    assert story.skips("p/b") == ["stop p/b #1", "ask p/c #1"]
    assert story.passes("p/c") == ["end succeeded"]


def test_a_block_that_a_person_skips_takes_along_what_was_kept_in_it() -> None:
    """Wherever in the block it is."""
    loop = repeat("l", steps=[keeping(ask("a"), ask("b")), ask("x", "p")], until="false", most=3)
    story = begun(loop, ask("next", "l", join=Join.ALL_SETTLED))
    story.passes("l#1/p/a")
    story.passes("l#1/x")
    said = story.skips("l")
    stopped = ["stop l#1/p/b #1", "stop l#2/p/a #1", "stop l#2/p/b #1"]
    assert sorted(said) == ["ask next #1", *stopped]


def test_the_verdict_stays_that_of_the_moment_it_succeeded() -> None:
    """A fail that comes later does not change what was decided by."""
    story = begun(
        keeping(ask("a"), ask("b")), ask("next", "p", condition="state.p_status == 'pass'")
    )
    assert story.passes("p/a") == ["ask next #1"]
    story.replies("p/b", verdict="fail")
    assert story.run.nodes["p"].verdict == "pass"
