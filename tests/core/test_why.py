from __future__ import annotations

from typing import Any

from coordinator.core.definition import OnErrorAction
from coordinator.core.why import Serving, endings, waits
from tests.core.build import ask, git, human, parallel, repeat, workflow
from tests.core.story import Story

EVERYBODY = Serving(("plan", "build", "qa", "left", "right"))


def _waits(story: Story, serving: Serving = EVERYBODY) -> list[tuple[str, str]]:
    assert story.state is not None
    found = waits(story.definition, story.state, serving)
    return [(wait.path, wait.kind) for wait in found]


def _told(story: Story, serving: Serving = EVERYBODY) -> dict[str, str]:
    assert story.state is not None
    found = waits(story.definition, story.state, serving)
    return {wait.path: wait.detail for wait in found}


def _started(*steps: Any, **keys: Any) -> Story:
    story = Story(workflow(*steps, **keys))
    story.starts()
    return story


def test_a_request_waits_for_its_persona_and_who_comes_after_for_it() -> None:
    story = _started(ask("plan"), ask("build", "plan"), ask("qa", "build"))
    assert _waits(story) == [("plan", "persona"), ("build", "dependency"), ("qa", "dependency")]
    assert _told(story)["build"] == "waits for plan"


def test_a_persona_that_nobody_serves_is_named_with_the_command_to_serve_it() -> None:
    story = _started(ask("plan"))
    told = _told(story, Serving(()))["plan"]
    assert told == "no worker serves plan: coordinator worker --persona plan"


def test_without_a_coordinator_that_comes_first() -> None:
    story = _started(ask("plan"))
    serving = Serving(("plan",), has_coordinator=False)
    assert _waits(story, serving)[0] == ("", "coordinator")


def test_a_question_waits_for_those_it_was_put_to() -> None:
    story = _started(human("release", assignees=("ann", "bob")))
    assert _waits(story) == [("release", "human")]
    assert _told(story)["release"] == "ann, bob has to approve or reject"


def test_a_retry_waits_for_its_pause_and_says_what_went_wrong() -> None:
    story = _started(ask("plan", retry={"max_attempts": 3}))
    story.replies("plan", error="transport", message="the line is cut")
    assert _waits(story) == [("plan", "timer")]
    assert "attempt 2 of 3" in _told(story)["plan"]
    assert "transport: the line is cut" in _told(story)["plan"]


def test_an_escalation_waits_for_a_human_with_the_error() -> None:
    story = _started(ask("plan", on_error=OnErrorAction.ESCALATE))
    story.replies("plan", error="refused", message="I will not")
    assert _waits(story) == [("plan", "human")]
    assert "answer retry, skip, continue or abort" in _told(story)["plan"]
    assert "refused: I will not" in _told(story)["plan"]


def test_a_paused_run_says_so_for_itself_and_for_what_it_holds_back() -> None:
    story = _started(ask("plan"), ask("build", "plan"))
    story.pauses()
    story.passes("plan")
    assert _waits(story) == [("", "paused"), ("build", "paused")]


def test_git_work_waits_for_the_coordinator() -> None:
    story = Story(workflow(git("commit"), uses_files=True), task={"repo": "somewhere"})
    story.starts()
    assert _waits(story)[0] == ("", "coordinator")
    assert "repository" in _told(story)[""]


def test_a_container_waits_by_its_steps() -> None:
    story = _started(
        parallel("both", steps=[ask("left"), ask("right")]),
        repeat("again", "both", steps=[ask("qa")], until=None, most=2),
    )
    assert _waits(story) == [
        ("both/left", "persona"),
        ("both/right", "persona"),
        ("again", "dependency"),
    ]


def test_a_run_that_has_ended_waits_for_nothing_and_explains_its_ends() -> None:
    story = _started(
        ask("plan"),
        ask("build", "plan", condition="task.type == 'never'"),
        ask("qa", "build"),
        ask("left", "plan"),
        ask("right", "left"),
    )
    story.passes("plan")
    story.replies("left", error="refused", message="no")
    assert story.state is not None
    assert _waits(story) == []
    found = {one.path: one for one in endings(story.definition, story.state)}
    assert found.keys() == {"build", "qa", "left", "right"}
    assert found["build"].operands == {"task.type": "task"}
    assert found["left"].error is not None
    assert (found["left"].status, found["left"].error["class"]) == ("failed", "refused")
    assert found["right"].status == "cancelled"
