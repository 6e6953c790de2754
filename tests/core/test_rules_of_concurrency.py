"""What `concurrency` makes of one run, one test per sentence; each docstring is its rule.

How runs share a key is the stores' part: `tests/contracts/test_slots.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.codec import parent_from
from coordinator.core.commands import AcquireSlot, EndRun
from coordinator.core.concurrency import OnConflict
from coordinator.core.events import Parent
from coordinator.core.ids import RunId
from coordinator.core.state import NodeStatus, RunStatus
from coordinator.core.turn import MAX_COMMANDS
from coordinator.core.why import Serving, waits
from coordinator.simulation import simulate
from tests.core.build import as_mapping, ask, child, workflow
from tests.core.story import RUN, Story

OTHER = RunId("1" * 26)
REPO = {"repo": "srv/x"}


def queued(*, task: Any = None, key: Any = "{{ task.repo }}", **keys: Any) -> Story:
    """A run that has asked for its key."""
    told = {name: keys.pop(name) for name in ("limit", "on_conflict") if name in keys}
    definition = workflow(ask("a"), concurrency={"key": key, **told}, **keys)
    story = Story(definition, task={**REPO, **(task or {})})
    story.starts()
    return story


def test_a_run_with_a_key_asks_for_it_and_waits() -> None:
    """Its first commit asks; nothing starts, and the run is `pending`."""
    story = queued(limit=3, on_conflict="skip")
    assert story.asked_slot == AcquireSlot(
        key="srv/x", limit=3, on_conflict=OnConflict.SKIP, attempt=1
    )
    assert (story.status, story.requests) == ("pending", {})


def test_a_run_without_a_key_never_waits() -> None:
    """No `concurrency`: the first step starts with the first commit."""
    story = Story(workflow(ask("a")))
    assert story.starts() == ["ask a #1"]


def test_with_its_slot_the_run_begins_and_at_its_end_gives_it_back() -> None:
    """`SlotGranted` starts it, the commit that ends it releases the key."""
    story = queued()
    assert story.is_granted() == ["ask a #1"]
    assert story.status == "running"
    assert story.passes("a") == ["release srv/x", "end succeeded"]


def test_the_repository_is_prepared_only_when_the_run_has_its_slot() -> None:
    """Preparing comes after queueing."""
    story = queued(uses_files=True)
    assert story.is_granted() == ["ask @prepare #1"]
    assert story.status == "running"


def test_a_slot_is_kept_until_finally_is_over() -> None:
    """Whatever the run does about its failure, it still holds the key."""
    story = queued(finally_=[ask("clean")])
    story.is_granted()
    assert story.replies("a", error="refused") == ["ask finally/clean #1"]
    assert story.passes("finally/clean") == ["release srv/x", "end failed"]


def test_repeated_and_late_words_change_nothing() -> None:
    """Granted twice, granted or refused after the end, meant for an earlier asking: ignored."""
    story = queued()
    assert story.is_granted(attempt=2) == ["ignored: late"]
    assert story.is_refused(OTHER, attempt=2) == ["ignored: late"]
    story.is_granted()
    assert story.is_granted() == ["ignored: repeated"]
    assert story.is_refused(OTHER) == ["ignored: repeated"]
    story.passes("a")
    assert story.is_granted() == ["ignored: ended"]


def test_a_word_to_a_run_without_a_key_is_ignored() -> None:
    """It never asked."""
    story = Story(workflow(ask("a")))
    story.starts()
    assert story.is_granted(attempt=0) == ["ignored: repeated"]
    assert story.is_granted() == ["ignored: late"]


def test_a_refused_run_is_stopped_and_nothing_of_it_runs() -> None:
    """`skip`: the run ends `stopped`, names the holder, and neither undoes nor cleans up."""
    story = queued(on_conflict="skip", finally_=[ask("clean")], on_failure=[ask("tell")])
    assert story.is_refused(OTHER) == ["release srv/x", "end stopped"]
    error = as_mapping(story.run.record.error)
    assert error == {"class": "refused", "message": f"another run holds srv/x: {OTHER}"}
    assert story.nodes == {}


@pytest.mark.parametrize("how", ["cancels", "terminates"])
def test_a_queued_run_that_is_cancelled_ends_at_once(how: str) -> None:
    """Nothing began: no `undo`, no `finally`; its place in the queue is given up."""
    story = queued(finally_=[ask("clean")])
    assert getattr(story, how)() == ["release srv/x", "end cancelled"]
    assert story.status == "cancelled"
    assert story.is_granted() == ["ignored: ended"]


def test_the_time_in_the_queue_counts_against_the_runs_time_limit() -> None:
    """The run's `timeout` is from its start; a run that waits too long fails, and nothing ran."""
    story = queued(timeout_ms=60_000, on_failure=[ask("tell")])
    assert story.timers[("", 0, "run_timeout")] == 1_060_010
    assert story.fires("", "run_timeout", 0) == ["release srv/x", "end failed"]
    assert as_mapping(story.run.record.error)["class"] == "timeout"


def test_a_paused_run_keeps_the_slot_that_it_is_granted_and_starts_nothing() -> None:
    """Pause holds it also between its slot and its first step."""
    story = queued()
    story.pauses()
    assert story.status == "paused"
    assert story.is_granted() == []
    assert (story.status, story.requests) == ("paused", {})
    assert story.resumes() == ["ask a #1"]


def test_a_run_that_is_resumed_in_the_queue_waits_on() -> None:
    """Resuming is no slot."""
    story = queued()
    story.pauses()
    assert story.resumes() == []
    assert story.status == "pending"
    assert story.is_granted() == ["ask a #1"]


def test_a_paused_run_with_a_slot_that_is_cancelled_gives_it_back() -> None:
    """Nothing began, so it ends at once."""
    story = queued(finally_=[ask("clean")])
    story.pauses()
    story.is_granted()
    assert story.cancels() == ["release srv/x", "end cancelled"]


@pytest.mark.parametrize(
    ("key", "becomes"),
    [
        ("fixed", "fixed"),
        ("{{ task.number }}", "7"),
        ("{{ task.ratio }}", "0.5"),
        ("{{ variables.v }}/{{ params.p }}/{{ env.e }}", "7/x/y"),
    ],
)
def test_the_key_is_text_or_a_number_over_task_params_variables_and_env(
    key: str, becomes: str
) -> None:
    """It is rendered when the run begins."""
    definition = workflow(ask("a"), concurrency={"key": key}, variables={"v": "{{ task.number }}"})
    story = Story(definition, task={"number": 7, "ratio": 0.5}, params={"p": "x"}, env={"e": "y"})
    assert story.starts() == [f"acquire {becomes}"]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("{{ task.none }}", "not null"),
        ("{{ task.flag }}", "not a bool"),
        ("{{ task.labels }}", "not a list"),
        ("{{ task.empty }}", "an empty text"),
        ("{{ task.long }}", "501 characters; at most 500"),
        ("{{ task.missing }}", "missing"),
    ],
)
def test_a_key_that_is_none_fails_the_run_and_says_so(key: str, why: str) -> None:
    """Class `step_error`, the message names `concurrency.key`; `on_failure` runs."""
    task = {"none": None, "flag": True, "labels": [], "empty": " ", "long": "x" * 501}
    story = Story(workflow(ask("a"), concurrency={"key": key}, on_failure=[ask("tell")]), task=task)
    assert story.starts() == ["ask on_failure/tell #1"]
    error = as_mapping(story.run.record.error)
    assert error["class"] == "step_error"
    assert "concurrency.key" in str(error["message"])
    assert why in str(error["message"])
    assert story.passes("on_failure/tell") == ["end failed"]


def test_a_child_of_a_run_that_holds_the_key_needs_no_slot_of_its_own() -> None:
    """Otherwise parent and child would wait for each other; another key has to be asked for."""
    definition = workflow(child("checks"), concurrency={"key": "k"})
    story = Story(definition)
    story.starts()
    story.is_granted()
    above = parent_from(as_mapping(story.requests["checks"].payload["parent"]))
    assert above.keys == ("k",)

    inner = Story(workflow(child("x"), concurrency={"key": "k"}), parent=above)
    assert inner.starts() == ["ask x #1"]
    assert parent_from(as_mapping(inner.requests["x"].payload["parent"])).keys == ("k",)
    other = Story(workflow(child("x"), concurrency={"key": "other"}), parent=above)
    assert other.starts() == ["acquire other"]
    other.is_granted()
    assert parent_from(as_mapping(other.requests["x"].payload["parent"])).keys == ("k", "other")


def test_a_child_that_is_refused_its_slot_fails_its_step_with_that_reason() -> None:
    """The step that waits for it hears class `refused` and who holds the key."""
    above = Parent(run=OTHER, node="checks", attempt=1, token="t")
    story = Story(workflow(ask("a"), concurrency={"key": "k", "on_conflict": "skip"}), parent=above)
    story.starts()
    story.is_refused(OTHER)
    assert story.last is not None
    [told] = [one.reply for one in story.last.commands if isinstance(one, EndRun)]
    assert told is not None
    assert told.failure is not None
    assert told.failure.error_class == "refused"
    assert f"another run holds k: {OTHER}" in told.failure.message


def test_a_run_that_begins_again_after_its_end_asks_anew() -> None:
    """Its slot went with its end; word of the earlier asking means nothing to the later one."""
    story = queued(uses_files=True)
    story.is_granted()
    story.replies("@prepare", files={"revision": "r0"})
    story.replies("a", error="refused")
    story.passes("@release")
    assert story.status == "failed"

    assert story.retries() == ["reopen", "acquire srv/x"]
    assert story.asked_slot is not None
    assert (story.status, story.asked_slot.attempt) == ("pending", 2)
    assert story.is_granted(attempt=1) == ["ignored: late"]
    assert story.is_granted(attempt=2) == ["ask @prepare #2"]
    assert story.passes("@prepare") == ["ask a #2"]
    story.passes("a")
    assert story.passes("@release") == ["release srv/x", "end succeeded"]


def test_a_run_that_is_cancelled_before_it_asks_anew_runs_nothing_without_a_slot() -> None:
    """Also where beginning again takes several commits: neither `undo` nor `finally` run."""
    steps = [ask(f"n{at}") for at in range(3 * MAX_COMMANDS)]
    definition = workflow(
        ask("first", undo=[ask("back")]), *steps, concurrency={"key": "k"}, finally_=[ask("clean")]
    )
    story = Story(definition)
    story.starts()
    story.is_granted()
    while story.run.record.agenda:
        story.continues()
    story.replies("first", error="refused")
    while story.run.record.agenda:
        story.continues()
    story.passes("first/undo/back")
    story.passes("finally/clean")
    assert story.status == "failed"

    story.retries()
    assert story.run.record.agenda
    story.cancels()
    while story.run.record.agenda and not story.run.record.status.is_final:
        story.continues()
    assert (story.status, story.requests, story.run.record.agenda) == ("cancelled", {}, ())
    assert story.retries()[0] == "reopen"


def test_a_run_that_begins_again_may_be_refused_and_try_once_more() -> None:
    """With `skip` it is stopped again, and what it had done stays done."""
    definition = workflow(ask("a"), ask("b", "a"), concurrency={"key": "k", "on_conflict": "skip"})
    story = Story(definition)
    story.starts()
    story.is_granted()
    story.passes("a")
    story.replies("b", error="refused")
    story.retries()
    assert story.is_refused(OTHER, attempt=2) == ["release k", "end stopped"]
    story.retries()
    assert story.is_granted(attempt=3) == ["ask b #2"]
    assert story.passes("b") == ["release k", "end succeeded"]


@pytest.mark.parametrize("how", ["retries", "skips", "lets_go"])
def test_nothing_can_be_done_by_hand_to_steps_of_a_run_in_the_queue(how: str) -> None:
    """There is nothing yet to retry, skip or let go."""
    story = queued()
    said = "refused: the run waits for its concurrency key; nothing has begun yet"
    assert getattr(story, how)("a") == [said]


def test_why_names_the_key_its_holder_and_the_place_in_the_queue() -> None:
    """A run in the queue waits for `concurrency`."""
    story = queued()
    [wait] = waits(story.definition, story.run, Serving(holders=[OTHER], waiting=["x", RUN]))
    assert (wait.path, wait.kind) == ("", "concurrency")
    assert wait.detail == f"it needs srv/x, which {OTHER} holds; it is number 2 of 2 in the queue"
    [wait] = waits(story.definition, story.run, Serving())
    assert wait.detail == "it needs srv/x, which another run holds"
    story.is_granted()
    assert "concurrency" not in {one.kind for one in waits(story.definition, story.run, Serving())}


def test_in_a_simulation_the_slot_is_granted_at_once() -> None:
    """There is only one run there."""
    done = simulate(queued().definition, task=REPO)
    assert done.state.record.status is RunStatus.SUCCEEDED
    assert done.state.nodes["a"].status is NodeStatus.SUCCEEDED
    assert done.virtual_ms == 0
