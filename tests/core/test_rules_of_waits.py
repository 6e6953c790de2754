"""The rules of `wait` and `set`, one test per sentence; each docstring is its rule.

`pytest tests/core/test_rules_of_waits.py --collect-only` is the table of contents.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coordinator.core.definition import Join, OnRest
from coordinator.core.events import Answered, Signalled, TimerFired, TimerKind
from coordinator.core.jsontext import dump, parse
from coordinator.core.moments import moment_text
from coordinator.core.pmap import PMap
from coordinator.core.report import rows
from coordinator.core.signals import MOST_KEPT
from coordinator.core.turn import CHUNK
from coordinator.core.why import Serving, waits
from tests.core.build import (
    Step,
    as_mapping,
    ask,
    compute,
    conditional,
    foreach,
    human,
    parallel,
    repeat,
    wait,
    workflow,
)
from tests.core.story import RUN, Story

NINE = "2001-09-09T09:00:00Z"
NINE_MS = 1_000_026_000_000


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


def result(story: Story, path: str) -> Any:
    """What the node returned."""
    return story.run.results.get(path)


def error(story: Story, path: str) -> tuple[object, object]:
    """Class and message of why the node failed."""
    told = as_mapping(story.run.nodes[path].error)
    return told["class"], told["message"]


def late(story: Story, path: str, kind: str, attempt: int = 1) -> list[str]:
    """A timer fires that was cleared, or fires again."""
    at_ms = story.at_ms + 1_000_000
    event = TimerFired(
        id=f"late-{kind}", run=RUN, at_ms=at_ms, node=path, attempt=attempt, kind=TimerKind(kind)
    )
    return story.happens(event)


def why(story: Story) -> list[tuple[str, str, str]]:
    """What the run waits for."""
    return [tuple(one) for one in waits(story.definition, story.run, Serving({"after"}))]


# set


def test_set_writes_values_that_later_steps_read_as_state() -> None:
    """`values` are written into the workflow's own state, read as `state.<name>`."""
    story = begun(
        compute("a", values={"who": "{{ task.title }}", "n": 3, "many": ["{{ task.id }}"]}),
        ask("b", "a", params={"who": "{{ state.who }}", "n": "{{ state.n + 1 }}"}),
    )
    assert story.node("a") == "succeeded"
    assert story.requests["b"].payload["params"] == {"who": "a task", "n": 4}
    assert dict(story.run.values) == {"who": "a task", "n": 3, "many": ["T-1"]}


def test_all_values_of_a_set_see_the_state_before_it_so_their_order_does_not_matter() -> None:
    """Values are rendered against the state before the step."""
    story = begun(
        compute("a", values={"x": 1, "y": 2}),
        compute("b", "a", values={"x": "{{ state.y }}", "y": "{{ state.x }}"}),
    )
    assert dict(story.run.values) == {"x": 2, "y": 1}


def test_a_null_takes_a_name_out_of_the_state() -> None:
    """A null removes the name."""
    story = begun(
        compute("a", values={"x": 1, "y": 2}),
        compute("b", "a", values={"x": None, "never": None}),
        conditional("c", "b", when="state.x == null && state.y == 2", then=[ask("yes")]),
    )
    assert dict(story.run.values) == {"y": 2}
    assert story.node("c/yes") == "running"


def test_a_set_succeeds_at_once_with_its_values_as_result_and_without_a_verdict() -> None:
    """The node succeeds at once; its result is the mapping of the values."""
    story = begun(compute("a", values={"x": 1, "gone": None}), outputs={"r": "{{ steps.a.x }}"})
    assert (story.status, story.run.record.outputs) == ("succeeded", {"r": 1})
    assert result(story, "a") == {"x": 1, "gone": None}
    [row] = rows(story.definition, story.run)
    assert (row.attempts, row.verdict, row.started_ms) == (1, None, story.at_ms)


def test_a_value_that_cannot_be_rendered_fails_the_step_and_writes_none_of_the_others() -> None:
    """A template that fails is a `step_error`, and says which value."""
    story = begun(compute("a", values={"x": 1, "y": {"z": "{{ state.nothing }}"}}))
    assert story.status == "failed"
    kind, message = error(story, "a")
    assert (kind, str(message).partition(":")[0]) == ("step_error", "values.y.z")
    assert not story.run.values


def test_retry_and_on_error_hold_for_a_set() -> None:
    """A failed `set` is tried again, tolerated, replaced or put before a human like any step."""
    bad = {"x": "{{ state.nothing }}"}
    retry = {"max_attempts": 2, "on": frozenset({"step_error"})}
    story = begun(compute("a", values=bad, retry=retry, on_error="continue"), ask("b", "a"))
    assert story.node("a") == "backing_off"
    story.fires("a", "retry", attempt=1)
    assert (story.node("a"), story.node("b")) == ("failed", "running")
    assert story.run.nodes["a"].attempt == 2
    story = begun(compute("a", values=bad, fallback=[compute("f", values={"x": 0})]))
    assert (story.status, dict(story.run.values)) == ("succeeded", {"x": 0})
    story = begun(compute("a", values=bad, on_error="escalate"))
    assert story.status == "waiting"
    story.answers("a", "retry")
    story.answers("a", "continue")
    assert story.status == "succeeded"


def test_a_set_in_a_loop_writes_the_same_state_and_the_last_one_wins() -> None:
    """Inside a loop or foreach it writes the same state."""
    count = compute("count", values={"n": "{{ state.n | default(0) + 1 }}"})
    story = begun(repeat("r", steps=[count], until="state.n == 3", most=9))
    assert (story.status, dict(story.run.values)) == ("succeeded", {"n": 3})
    each = compute("each", values={"last": "{{ item }}"})
    story = begun(foreach("f", items=[5, 6, 7], steps=[each]))
    assert (story.status, dict(story.run.values)) == ("succeeded", {"last": 7})


def test_what_was_set_comes_before_what_a_step_left_under_the_same_name() -> None:
    """`state.<name>` of a `set` hides a step's status, until it is taken away again."""
    story = begun(
        ask("qa"),
        compute("hide", "qa", values={"qa_status": "mine"}),
        compute("seen", "hide", values={"first": "{{ state.qa_status }}"}),
        compute("show", "seen", values={"qa_status": None}),
        compute("again", "show", values={"second": "{{ state.qa_status }}"}),
    )
    story.passes("qa")
    assert dict(story.run.values) == {"first": "mine", "second": "pass"}


def test_more_sets_than_one_commit_holds_go_on_with_an_event_of_the_run_itself() -> None:
    """A commit has bounds; steps that settle at once keep to them."""
    count = compute("count", values={"n": "{{ state.n | default(0) + 1 }}"})
    story = begun(repeat("r", steps=[count], until=None, most=2_000))
    assert story.run.record.agenda
    while story.run.record.agenda:
        story.continues()
    assert (story.status, dict(story.run.values)) == ("succeeded", {"n": 2_000})


# wait: durations and moments


def test_a_wait_for_a_duration_goes_on_when_the_time_has_passed() -> None:
    """`for` waits that long; the result says how long it was."""
    story = begun(wait("pause", duration=90_000), ask("after", "pause"))
    assert (story.node("pause"), story.status) == ("waiting", "waiting")
    assert story.timers[("pause", 1, "wait")] == story.at_ms + 90_000
    assert story.fires("pause", "wait") == ["ask after #1"]
    assert result(story, "pause") == {"waited_seconds": 90.01}


def test_a_duration_may_be_a_template() -> None:
    """`for` is a duration or a template that gives one."""
    story = begun(wait("pause", duration="{{ task.pause }}"), task={"pause": "2m"})
    assert story.timers[("pause", 1, "wait")] == story.at_ms + 120_000


def test_a_wait_until_a_moment_goes_on_when_it_comes() -> None:
    """`until` is a time with a zone, or a template that gives one."""
    story = begun(wait("a", until=NINE_MS), wait("b", until="{{ task.at }}"), task={"at": NINE})
    assert story.timers == {("a", 1, "wait"): NINE_MS, ("b", 1, "wait"): NINE_MS}


def test_a_moment_that_is_past_already_goes_on_at_once() -> None:
    """An `until` that is past takes no time."""
    story = begun(wait("pause", until=1_000), ask("after", "pause"))
    assert (story.node("after"), story.timers.keys()) == ("running", {("after", 1, "timeout")})
    assert result(story, "pause") == {"waited_seconds": 0}
    assert story.run.record.waiting == 0


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"until": "{{ task.at }}"}, "'2001-09-09T09:00:00' has no zone: write it with date"),
        ({"until": "{{ task.title }}"}, "'a task' is not a time: write it"),
        ({"until": "{{ task.n }}"}, "'-5' is not a time"),
        ({"duration": "{{ task.n }}"}, "-5 is not a duration"),
        ({"duration": "{{ task.nothing }}"}, "task.nothing is missing"),
        ({"signal": "go", "timeout": "{{ task.n }}"}, "-5 is not a duration"),
    ],
)
def test_a_template_that_gives_no_time_fails_the_step(keys: Any, says: str) -> None:
    """What is no duration or no moment, one without a zone included, is a `step_error`."""
    task = {"n": -5, "at": "2001-09-09T09:00:00"}
    story = begun(wait("pause", on_error="continue", **keys), ask("after", "pause"), task=task)
    kind, message = error(story, "pause")
    assert kind == "step_error"
    assert says in str(message)
    assert (story.node("after"), story.run.record.waiting) == ("running", 0)


def test_a_timer_that_comes_again_or_of_an_earlier_attempt_changes_nothing() -> None:
    """Late and repeated times are ignored."""
    story = begun(
        parallel(
            "p",
            steps=[wait("pause", duration=1_000), wait("rest", duration=9_000)],
            retry={"max_attempts": 2, "on": frozenset({"persona_error"})},
        ),
        ask("other"),
    )
    story.fires("p/pause", "wait")
    assert late(story, "p/pause", "wait") == ["ignored: late"]
    assert late(story, "p/pause", "timeout") == ["ignored: late"]
    assert late(story, "p/rest", "wait", attempt=2) == ["ignored: late"]
    assert late(story, "p/rest", "timeout") == ["ignored: late"]
    assert late(story, "p/rest", "deadline") == ["ignored: late"]
    assert story.node("p/rest") == "waiting"


# wait: signals


def test_a_signal_lets_every_node_that_waits_for_its_name_go_on() -> None:
    """A signal releases all who wait for it now, with who sent it and what came with it."""
    story = begun(
        wait("a", signal="go"),
        wait("b", signal="go"),
        wait("c", signal="other"),
        ask("after", "a", params={"by": "{{ steps.a.by }}", "n": "{{ steps.a.values.n }}"}),
    )
    assert story.signals("go", n=7) == ["ask after #1"]
    assert story.requests["after"].payload["params"] == {"by": "ann", "n": 7}
    assert result(story, "b") == {"by": "ann", "values": {"n": 7}}
    assert (story.node("b"), story.node("c")) == ("succeeded", "waiting")
    assert story.run.nodes["a"].reason == "the signal go came from ann"


def test_a_signal_that_came_before_anybody_waited_is_taken_by_the_next_wait_at_once() -> None:
    """Where nobody waits, a signal is kept with the run; the oldest is taken first, each once."""
    story = begun(
        ask("work"),
        wait("first", "work", signal="go"),
        wait("second", "first", signal="go"),
        wait("third", "second", signal="go"),
    )
    story.signals("go", by="ann")
    story.signals("go", by="bob")
    story.passes("work")
    taken = [as_mapping(result(story, path))["by"] for path in ("first", "second")]
    assert taken == ["ann", "bob"]
    assert (story.node("third"), story.status) == ("waiting", "waiting")
    story.signals("go", by="eve")
    assert story.status == "succeeded"


def test_a_signal_that_somebody_waited_for_is_not_kept_for_later() -> None:
    """A signal is either used by those who wait, or kept."""
    story = begun(wait("first", signal="go"), wait("second", "first", signal="go"))
    story.signals("go")
    assert (story.node("first"), story.node("second")) == ("succeeded", "waiting")


def test_a_signal_before_the_first_step_is_kept_too() -> None:
    """The look-back reaches to the beginning of the run."""
    story = begun(wait("a", signal="go"), task={"repo": "/srv/r.git"}, uses_files=True)
    assert story.nodes == {}
    story.signals("go")
    story.replies("@prepare", files={"revision": "r0"})
    assert story.node("a") == "succeeded"


def test_at_most_a_hundred_signals_of_a_name_are_kept_and_one_more_is_refused() -> None:
    """More signals than are kept are refused with the reason, never dropped in silence."""
    story = begun(ask("work"), wait("a", "work", signal="go"), wait("b", signal="other"))
    for _ in range(MOST_KEPT):
        assert story.signals("go") == []
    told = f"refused: {MOST_KEPT} signals 'go' are kept already, and nothing waits for one"
    assert story.signals("go") == [told]
    assert story.signals("other") == []
    story.passes("work")
    assert story.node("a") == "succeeded"


def test_a_signal_that_no_step_of_the_workflow_waits_for_is_refused() -> None:
    """What could never be used is refused, and what there is is named."""
    story = begun(wait("a", signal="go"), wait("b", signal="stop"))
    [told] = story.signals("gone")
    assert told == (
        "refused: no step waits for a signal 'gone'; the workflow waits only for go, stop"
    )
    [told] = begun(ask("a")).signals("go")
    assert told.endswith("the workflow waits for no signal at all")


def test_a_signal_that_is_delivered_twice_counts_once() -> None:
    """A repeated delivery of the same signal is ignored."""
    story = begun(ask("work"), wait("a", "work", signal="go"), wait("b", "a", signal="go"))
    story.signals("go")
    [signal] = [event for event in story.events if isinstance(event, Signalled)]
    assert story.happens(signal) == ["ignored: repeated"]
    story.passes("work")
    assert story.happens(signal) == ["ignored: repeated"]
    assert (story.node("a"), story.node("b")) == ("succeeded", "waiting")


def test_a_time_limit_on_a_signal_fails_the_step_as_timeout() -> None:
    """`timeout` bounds the wait for a signal; the failure class is `timeout`."""
    story = begun(wait("a", signal="go", timeout=60_000, on_error="continue"), ask("b", "a"))
    assert story.timers == {("a", 1, "timeout"): story.at_ms + 60_000}
    story.fires("a", "timeout")
    assert error(story, "a") == ("timeout", "no signal 'go' came within the time limit")
    assert story.node("b") == "running"
    assert story.signals("go") == []
    assert story.node("a") == "failed"


def test_the_time_limit_of_a_signal_that_came_is_withdrawn() -> None:
    """What ended leaves no timer behind."""
    story = begun(wait("a", signal="go", timeout=60_000))
    story.signals("go")
    assert (story.status, story.timers) == ("succeeded", {})
    assert story.run.record.waiting == 0


def test_a_wait_that_timed_out_is_tried_again_as_its_retry_says() -> None:
    """Retries hold for a wait: the next attempt waits anew, and a kept signal ends it at once."""
    story = begun(wait("a", signal="go", timeout=60_000, retry={"max_attempts": 3}))
    story.fires("a", "timeout")
    assert story.node("a") == "backing_off"
    story.fires("a", "retry")
    assert (story.node("a"), story.run.nodes["a"].attempt) == ("waiting", 2)
    assert late(story, "a", "timeout", attempt=1) == ["ignored: late"]
    story.fires("a", "timeout", attempt=2)
    story.signals("go")
    story.fires("a", "retry", attempt=2)
    assert story.status == "succeeded"
    assert not story.timers


def test_a_wait_that_failed_may_be_put_before_a_human_and_then_no_signal_ends_it() -> None:
    """While a human decides about a failed wait it waits for nothing else."""
    story = begun(wait("a", signal="go", timeout=60_000, on_error="escalate"))
    story.fires("a", "timeout")
    assert list(story.questions) == ["a"]
    story.signals("go")
    assert late(story, "a", "timeout") == ["ignored: late"]
    assert story.node("a") == "waiting"
    story.answers("a", "retry")
    assert (story.status, story.questions) == ("succeeded", {})


def test_nobody_can_answer_a_wait_as_if_it_were_a_question() -> None:
    """A wait is no question: an answer to it is refused, and it goes on waiting."""
    story = begun(wait("a", duration=1_000))
    for word in ("approve", "skip", "abort"):
        [told] = story.happens(
            Answered(id=word, run=RUN, at_ms=story.at_ms, node="a", answer=word, by="eve")
        )
        assert told == "refused: nothing at 'a' waits for a human"
    assert story.node("a") == "waiting"


def test_a_signal_for_many_goes_on_in_portions_and_reaches_exactly_those_who_waited() -> None:
    """A signal for more nodes than one commit holds is carried on by the run's own events."""
    many = 3 * CHUNK + 250
    items = list(range(many))
    each = wait("w", signal="go", timeout=60_000)
    story = begun(foreach("f", items=items, steps=[each], max_concurrent=many), ask("x"))
    while story.run.record.agenda:
        story.continues()
    assert story.run.record.waiting == many
    story.signals("go", by="first")
    story.signals("go", by="second")
    while story.run.record.agenda:
        story.continues()
    names = {as_mapping(result(story, f"f[{n}]/w"))["by"] for n in items}
    assert (names, story.node("f"), story.timers.keys()) == (
        {"first"},
        "succeeded",
        {("x", 1, "timeout")},
    )


# Both, and what happens to the run meanwhile


def test_a_time_or_signal_that_comes_while_the_run_is_paused_settles_the_node_only() -> None:
    """Pause: times and signals apply as replies do, and nothing new starts."""
    story = begun(
        wait("a", duration=1_000), wait("b", signal="go"), ask("after", "a", "b"), ask("x")
    )
    story.pauses()
    story.fires("a", "wait")
    story.signals("go")
    assert (story.node("a"), story.node("b"), story.node("after")) == (
        "succeeded",
        "succeeded",
        "ready",
    )
    assert story.resumes() == ["ask after #1"]


@pytest.mark.parametrize("kind", ["duration", "signal"])
def test_a_wait_that_becomes_ready_while_the_run_is_paused_begins_with_the_resume(
    kind: str,
) -> None:
    """Nothing new starts in a paused run, a wait neither."""
    keys: dict[str, Any] = {"duration": 1_000} if kind == "duration" else {"signal": "go"}
    story = begun(ask("work"), wait("a", "work", **keys), compute("s", "work", values={"x": 1}))
    story.pauses()
    story.passes("work")
    assert (story.node("a"), story.node("s"), story.timers) == ("ready", "ready", {})
    story.resumes()
    assert (story.node("a"), story.node("s")) == ("waiting", "succeeded")


@pytest.mark.parametrize("keys", [{"duration": 1_000}, {"signal": "go", "timeout": 60_000}])
@pytest.mark.parametrize("end", ["cancels", "terminates", "dooms", "shuts"])
def test_a_wait_that_is_cancelled_leaves_nothing_behind(keys: Any, end: str) -> None:
    """Cancel, a failure elsewhere and the end of its block take a wait's timer and place back."""
    block = parallel("p", steps=[wait("a", **keys), ask("b")], need=1, on_rest=OnRest.CANCEL)
    story = begun(block, ask("c"), ask("d", "p"))
    told = {
        "cancels": story.cancels,
        "terminates": story.terminates,
        "dooms": lambda: story.replies("c", error="refused"),
        "shuts": lambda: story.passes("p/b"),
    }[end]()
    assert story.node("p/a") == "cancelled"
    assert not any(path == "p/a" for path, _, _ in story.timers)
    assert not any("question" in word for word in told)
    assert story.run.record.waiting == 0
    assert story.run.nodes["p/a"].detail is None
    if end == "shuts" and "signal" in keys:
        story.signals("go")
        assert len(as_mapping(result(story, "@signal/go"))["kept"]) == 1


def test_a_wait_whose_join_asks_for_it_goes_on_waiting_after_the_run_has_failed() -> None:
    """After a failure at the top level those still run whose join is `always`."""
    story = begun(ask("a"), wait("w", signal="go", join=Join.ALL_SETTLED), ask("b", "a"))
    story.replies("a", error="refused")
    assert (story.node("w"), story.status) == ("waiting", "waiting")
    story.signals("go")
    assert (story.node("w"), story.status) == ("succeeded", "failed")


def test_a_block_that_begins_again_waits_anew() -> None:
    """Attempts of a wait go on counting, so that an old timer does not end a new wait."""
    story = begun(
        parallel(
            "p",
            steps=[wait("a", signal="go", timeout=60_000), ask("b")],
            retry={"max_attempts": 2, "on": frozenset({"refused"})},
        )
    )
    story.replies("p/b", error="refused")
    story.fires("p", "retry")
    assert (story.node("p/a"), story.run.nodes["p/a"].attempt) == ("waiting", 2)
    assert late(story, "p/a", "timeout", attempt=1) == ["ignored: late"]
    story.signals("go")
    story.passes("p/b")
    assert (story.status, story.timers) == ("succeeded", {})


def test_each_iteration_takes_a_signal_of_its_own() -> None:
    """In a loop every iteration's wait uses one signal."""
    story = begun(repeat("r", steps=[wait("w", signal="go")], until=None, most=3), ask("x"))
    story.signals("go", by="one")
    story.signals("go", by="two")
    story.signals("go", by="three")
    taken = [as_mapping(result(story, f"r#{n}/w"))["by"] for n in (1, 2, 3)]
    assert (taken, story.node("r")) == (["one", "two", "three"], "succeeded")


def test_a_wait_and_a_set_are_reviewed_like_any_step() -> None:
    """With `review: true` what is done waits for a person, whatever kind of step it is."""
    story = begun(
        compute("s", values={"x": 1}, review=True),
        wait("past", "s", until=1, review=True),
        wait("go", "past", signal="go", review=True),
        ask("after", "go"),
    )
    for path in ("s", "past", "go"):
        if path == "go":
            story.signals("go")
        assert (story.node(path), story.questions[path].kind) == ("awaiting_review", "review")
        story.answers(path, "continue")
    assert story.node("after") == "running"
    assert result(story, "go") == {"by": "ann", "values": {}}


def test_a_wait_in_flight_may_be_skipped_or_begun_again_by_hand() -> None:
    """A person's skip or retry takes the timer and the place among those who wait back."""
    story = begun(wait("a", signal="go", timeout=60_000), wait("b", duration=9_000), ask("x"))
    story.skips("a")
    story.retries("b")
    assert (story.node("a"), story.node("b"), story.run.nodes["b"].attempt) == (
        "skipped",
        "waiting",
        2,
    )
    assert story.timers.keys() == {("b", 2, "wait"), ("x", 1, "timeout")}
    assert late(story, "b", "wait", attempt=1) == ["ignored: late"]
    assert late(story, "a", "timeout") == ["ignored: late"]
    story.signals("go")
    assert (story.node("a"), len(as_mapping(result(story, "@signal/go"))["kept"])) == ("skipped", 1)


def test_why_says_what_a_wait_waits_for_and_until_when() -> None:
    """`runs why` names the time and the signal, and how the signal is sent."""
    story = begun(
        wait("a", until=NINE_MS),
        wait("b", signal="go", timeout=60_000),
        wait("c", signal="go"),
        human("h"),
    )
    ends = moment_text(story.at_ms + 60_000)
    send = f"coordinator runs signal {RUN} go"
    assert why(story) == [
        ("a", "timer", "waits until 2001-09-09T09:00:00.000Z"),
        ("b", "signal", f"waits for the signal go, until {ends}: {send}"),
        ("c", "signal", f"waits for the signal go: {send}"),
        ("h", "human", "somebody has to approve or reject"),
    ]
    asks = [path for path, node in story.run.nodes.items() if node.asks_a_human]
    assert asks == ["h"]


def test_who_waits_for_a_signal_and_what_is_kept_are_no_nodes() -> None:
    """What a run remembers of signals never shows among its nodes."""
    story = begun(ask("work"), wait("a", "work", signal="go"))
    story.signals("go")
    assert [row.path for row in rows(story.definition, story.run)] == ["work", "a"]
    assert list(story.run.nodes) == ["work"]


def test_a_kept_signal_is_written_once_and_taken_away_once() -> None:
    """What came with a kept signal is not written again with each further one."""
    story = begun(ask("work"), wait("a", "work", signal="go"), wait("b", "a", signal="go"))
    written = []
    for number in range(3):
        story.signals("go", n=number)
        assert story.last is not None
        assert story.last.changes is not None
        written.append(set(story.last.changes.results) - {"@signal/go"})
    assert written == [{"@signal/go/1"}, {"@signal/go/2"}, {"@signal/go/3"}]
    story.passes("work")
    left = [path for path in story.run.results if path.startswith("@signal/go/")]
    assert (left, story.status) == (["@signal/go/3"], "succeeded")


def test_a_signal_touches_only_those_who_wait_for_it() -> None:
    """The cost of a signal depends on its name's waits, never on how large the run is."""
    others = [wait(f"o{n}", signal="other") for n in range(50)]
    story = begun(*others, wait("a", signal="go"), *(ask(f"x{n}") for n in range(50)))
    story.signals("go")
    assert story.last is not None
    assert story.last.changes is not None
    assert set(story.last.changes.nodes) == {"a"}
    assert set(story.last.changes.results) == {"a", "@signal/go"}


def test_a_run_that_went_through_a_store_goes_on_as_if_it_had_not() -> None:
    """Everything that a wait needs later survives as JSON."""
    story = begun(
        ask("work"), wait("a", signal="go", timeout=60_000), wait("b", "work", signal="go")
    )
    for number in range(3):
        story.signals("go", n=number)
        read = {path: parse(dump(value)) for path, value in story.run.results.items()}
        assert read == dict(story.run.results.items())
        story.state = replace(story.run, results=PMap(read))
    story.passes("work")
    assert (story.status, result(story, "b")["values"]) == ("succeeded", {"n": 1})


def test_a_deadline_that_comes_late_does_not_answer_what_to_do_about_a_failure() -> None:
    """Only the question that a deadline was set for is answered by it."""
    story = begun(human("h", deadline=60_000, gate="pass", on_error="escalate"))
    story.answers("h", "reject")
    assert story.questions["h"].kind == "escalation"
    assert late(story, "h", "deadline") == ["ignored: late"]
