"""What random runs once brought to light, each as a short story."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.decide import decide
from coordinator.core.definition import ErrorClass, Join, OnBranchError
from coordinator.core.events import ResumeRequested
from coordinator.core.pmap import PMap
from coordinator.core.state import RunState
from coordinator.core.turn import CHUNK
from coordinator.core.why import Serving, waits
from tests.core.build import ask, compute, conditional, foreach, parallel, repeat, workflow
from tests.core.story import RUN, Story, small_commits

BROKEN: Any = {"x": "{{ state.nobody_wrote_this }}"}
"""Values of a `set` that cannot be rendered, so that it fails at once."""


def begun(*steps: Any, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


@pytest.mark.parametrize(
    "path",
    ["each/a", "each#1/a", "each[00]/a", "each[0]/a[0]", "fix/b", "fix[0]/b", "fix#0/b", "p[0]/c"],
)
@pytest.mark.parametrize("deed", ["skips", "retries", "lets_go"])
def test_a_path_that_names_no_item_or_iteration_is_no_node(path: str, deed: str) -> None:
    """A person who leaves out the number of the item is told so, and nothing is counted wrongly."""
    story = begun(
        foreach("each", items=[1, 2], steps=[ask("a")]),
        repeat("fix", steps=[ask("b")], until="true", most=1),
        parallel("p", steps=[ask("c")]),
    )
    assert getattr(story, deed)(path) == [f"refused: the run has no node {path!r}"]


def test_a_fallback_does_not_begin_when_its_step_is_ended_in_the_same_moment() -> None:
    """The run fails elsewhere just when a container has failed and its fallback is about to open:
    the container is cancelled, and nobody is asked any more."""
    story = Story(
        workflow(
            parallel("p", steps=[compute("a", values=BROKEN)], fallback=[ask("b")]),
            compute("q0", values={"y": 1}),
            compute("q", "q0", values=BROKEN),
        )
    )
    assert story.starts() == ["end failed"]
    assert story.node("p") == "cancelled"


@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_required_step_of_a_fallback_counts_like_any_other(
    is_repeated: bool, is_asked: bool
) -> None:
    """Where the fallback did not run the run stopped, inside of an item as well as outside."""
    step = ask("x", fallback=[ask("r", required=True)])
    story = begun(foreach("each", items=[1], steps=[step]) if is_repeated else step)
    path = "each[0]/x" if is_repeated else "x"
    if is_asked:
        story.replies(path, error="refused")
        story.passes(f"{path}/fallback/r")
    else:
        story.passes(path)
    assert story.status == ("succeeded" if is_asked else "stopped")


def test_the_fallback_of_a_loop_reads_what_its_last_iteration_said() -> None:
    """`state.qa_status` means the loop's own step there, as it does for those who follow."""
    story = begun(
        repeat(
            "fix",
            steps=[ask("qa")],
            until="state.qa_status == 'pass'",
            most=1,
            fallback=[ask("tell", condition="state.qa_status == 'fail'")],
        )
    )
    assert story.replies("fix#1/qa", verdict="fail") == ["ask fix/fallback/tell #1"]


def test_those_who_follow_a_loop_read_the_steps_of_its_fallback() -> None:
    """A fallback stands beside the iterations, not inside of one."""
    story = begun(
        repeat("fix", steps=[ask("qa")], until="false", most=1, fallback=[ask("tell")]),
        ask("next", "fix", condition="state.tell_status == 'pass'"),
    )
    story.replies("fix#1/qa", verdict="fail")
    assert story.passes("fix/fallback/tell") == ["ask next #1"]


def test_a_resumed_run_goes_on_in_the_same_order_whoever_held_its_state() -> None:
    """Stores give the nodes of a run back in any order."""
    story = begun(ask("first"), *(ask(f"n{at}", "first") for at in range(12)))
    story.pauses()
    story.passes("first")
    run = story.run
    backwards = PMap(dict(reversed(list(run.nodes.items()))))
    stored = RunState(run.id, run.head, run.record, backwards, run.scopes, run.results, run.values)
    resumed = ResumeRequested(id="e-99", run=RUN, at_ms=story.at_ms)
    after = [decide(story.definition, state, resumed).commands for state in (run, stored)]
    assert after[0] == after[1]
    asked = [command.node for command in after[0] if type(command).__name__ == "SendRequest"]
    assert asked == [f"n{at}" for at in range(12)]


def test_what_succeeded_in_a_container_stays_when_a_round_ends_before_it_began() -> None:
    """A second round whose files could not be prepared takes nothing away from the third."""
    story = begun(
        parallel("p", steps=[ask("a"), ask("b", "a")]), task={"repo": "/r"}, uses_files=True
    )
    story.passes("@prepare", files={"repo": "/r"})
    story.passes("p/a")
    story.replies("p/b", error="refused")
    story.passes("@release")
    story.retries()
    story.replies("@prepare", error="step_error")
    story.passes("@release")
    story.retries()
    assert story.passes("@prepare", files={"repo": "/r"}) == ["ask p/b #2"]


def test_a_step_inside_of_two_containers_that_was_undone_runs_again() -> None:
    """Both containers had succeeded, and what they had done was undone when another step failed."""
    inner = parallel("q", steps=[ask("x", undo=[ask("u")]), ask("y")])
    story = begun(parallel("p", steps=[inner, ask("w")]), ask("z", "p"))
    for path in ("p/q/x", "p/q/y", "p/w"):
        story.passes(path)
    story.replies("z", error="refused")
    story.passes("p/q/x/undo/u")
    assert story.retries() == ["reopen", "ask p/q/x #2"]


def test_many_steps_are_undone_in_the_reverse_of_the_order_in_which_they_settled() -> None:
    """However many there are, each is looked for once."""
    names = [f"n{at}" for at in range(2 * CHUNK + 10)]
    story = begun(*(ask(name, undo=[ask(f"u{name}")]) for name in names), ask("last", *names))
    for name in names:
        story.passes(name)
    story.replies("last", error="refused")
    undone = []
    while story.requests:
        [path] = story.requests
        undone.append(path.partition("/")[0])
        story.passes(path)
    assert undone == names[::-1]


def test_what_was_done_to_undo_a_step_is_undone_before_the_steps_that_settled_earlier() -> None:
    """Steps of `undo` settle as well; the order is that of all of them."""
    inner = ask("u", undo=[ask("v")])
    story = begun(ask("a", undo=[ask("w")]), ask("b", "a", undo=[inner]), ask("c", "b"))
    story.passes("a")
    story.passes("b")
    assert story.replies("c", error="refused") == ["ask b/undo/u #1"]
    assert story.passes("b/undo/u") == ["ask b/undo/u/undo/v #1"]
    assert story.passes("b/undo/u/undo/v") == ["ask a/undo/w #1"]


def test_a_step_that_is_retried_just_when_its_patch_has_landed_can_land_again() -> None:
    """Word of the landing waits behind other work, and comes after the retry."""
    patch = {"base": "r0", "diff": "d"}
    with small_commits():
        story = begun(ask("a", files="patch"), task={"repo": "/r"}, uses_files=True)
        story.passes("@prepare", files={"repo": "/r"})
        for attempt in (1, 2):
            while story.run.record.agenda:
                story.continues()
            story.passes("a", patch=patch)
            story.continues()
            assert story.requests["a@land"].attempt == attempt
            story.passes("a@land")
            assert story.run.record.agenda
            if attempt == 1:
                story.retries("a")
        story.continues()
        assert story.node("a") == "succeeded"


def test_nobody_waits_for_a_patch_that_has_landed() -> None:
    """`runs show` does not tell of work that is done."""
    story = begun(ask("a", files="patch"), ask("b", "a"), task={"repo": "/r"}, uses_files=True)
    story.passes("@prepare", files={"repo": "/r"})
    story.passes("a", patch={"base": "r0", "diff": "d"})
    serving = Serving(personas=["b"])
    assert [wait.path for wait in waits(story.definition, story.run, serving)][:1] == ["a"]
    story.passes("a@land")
    assert [wait.path for wait in waits(story.definition, story.run, serving)] == ["b"]


@pytest.mark.parametrize("deed", ["skips", "retries"])
def test_a_landing_that_a_pause_holds_back_goes_with_its_step(deed: str) -> None:
    """Its next try came due in the pause; meanwhile a person wants the step otherwise."""
    story = begun(ask("a", files="patch"), ask("b"), task={"repo": "/r"}, uses_files=True)
    story.passes("@prepare", files={"repo": "/r"})
    story.passes("a", patch={"base": "r0", "diff": "d"})
    story.pauses()
    story.replies("a@land", error="transport")
    story.fires("a@land", "retry")
    getattr(story, deed)("a")
    asked = {"skips": [], "retries": ["ask a #2"]}[deed]
    assert story.resumes() == asked
    assert "a@land" not in story.requests


def test_what_a_later_round_never_reached_is_not_there_for_people_any_more() -> None:
    """The round is cancelled while it is prepared; `finally` runs, and skipping what would have
    come before that does not end it."""
    story = begun(ask("a"), finally_=[ask("clean")], task={"repo": "/r"}, uses_files=True)
    story.passes("@prepare", files={"repo": "/r"})
    story.replies("a", error="refused")
    story.passes("finally/clean")
    story.passes("@release")
    story.retries()
    assert story.cancels() == ["stop @prepare #2", "ask finally/clean #2"]
    assert story.skips("a") == ["ignored: late"]
    assert story.passes("finally/clean") == ["ask @release #2"]


def test_a_step_that_a_person_skips_after_it_failed_has_no_verdict() -> None:
    """Its block is judged by the others; `state.a_status` is `skipped`."""
    story = begun(
        parallel("p", steps=[ask("a", gate="pass", on_error="escalate"), ask("b")], gate="pass"),
        ask("next", "p", condition="state.a_status == 'skipped'"),
    )
    story.replies("p/a", verdict="fail")
    story.passes("p/b")
    assert story.answers("p/a", "skip") == ["ask next #1"]


def test_a_later_attempt_does_not_have_the_verdict_of_an_earlier_one() -> None:
    """It did not come to one: the status is how the step ended."""
    story = begun(
        ask("a", gate="pass", retry={"max_attempts": 2, "on": frozenset({"gate"})}),
        ask("b", "a", join=Join.ANY_FAILED, condition="state.a_status == 'failed'"),
    )
    story.replies("a", verdict="fail")
    story.fires("a", "retry")
    assert story.replies("a", error="refused") == ["ask b #1"]
    assert story.run.nodes["a"].verdict is None


def test_a_run_out_of_steps_asks_no_other_persona_either() -> None:
    """`max_steps` bounds what a loop with a fallback persona can ask."""
    story = begun(
        repeat("fix", steps=[ask("a", fallback="other")], until="false", most=9), max_steps=2
    )
    assert story.passes("fix#1/a") == ["end failed"]


def test_a_person_who_wants_a_step_again_has_its_own_persona_asked() -> None:
    """What was tried before counts no more, the persona that stood in included."""
    story = begun(ask("a", fallback="other", review=True))
    story.replies("a", error="refused")
    assert story.requests["a"].target == "other"
    story.passes("a")
    story.answers("a", "retry")
    assert story.requests["a"].target == "a"


def test_outputs_that_fail_after_a_fallback_fail_the_step_for_good() -> None:
    """The fallback is the last resort, also of a step that never had an attempt of its own."""
    anything = {"max_attempts": 3, "on": frozenset(ErrorClass)}
    story = begun(
        ask(
            "a",
            fallback=[compute("b", values={"x": 1}, condition="task.nothing")],
            outputs={"n": "{{ result.n }}"},
            retry=anything,
        ),
        max_steps=0,
    )
    assert story.node("a") == "failed"


def test_a_step_of_an_item_whose_turn_comes_later_in_this_round_is_not_skipped_yet() -> None:
    """The items that failed begin again one after the other; each is counted once."""
    story = begun(
        foreach(
            "each",
            items=[1, 2],
            steps=[ask("a")],
            max_concurrent=1,
            on_branch_error=OnBranchError.WAIT_ALL,
        )
    )
    for at in range(2):
        story.replies(f"each[{at}]/a", error="refused")
    assert story.retries() == ["reopen", "ask each[0]/a #2"]
    [told] = story.skips("each[1]/a")
    assert told.startswith("refused: each[1]/a is in a block that is not running")
    assert story.passes("each[0]/a") == ["ask each[1]/a #2"]
    assert story.skips("each[1]/a") == ["stop each[1]/a #2", "end succeeded"]


def test_steps_of_a_branch_that_was_not_taken_wait_for_nothing() -> None:
    """`runs show` names what the run really waits for."""
    story = begun(
        conditional(
            "c",
            when="task.flag",
            then=[ask("a"), ask("b", "a")],
            otherwise=[ask("d"), ask("e", "d")],
        )
    )
    found = waits(story.definition, story.run, Serving())
    assert [wait.path for wait in found] == ["c/d", "c/e"]
