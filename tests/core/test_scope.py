"""What a name means to whoever reads it."""

from __future__ import annotations

import pytest

from coordinator.core.context import RunScope
from coordinator.core.expressions import compile_expression
from coordinator.core.turn import Turn
from tests.core.build import Step, ask, foreach, parallel, repeat, workflow
from tests.core.story import Story


def begun(*steps: Step, **started: object) -> Story:
    story = Story(workflow(*steps), **started)
    story.starts()
    return story


def value(story: Story, text: str, at: str = "") -> object:
    """What the condition `text` gives to a reader at a path of the run."""
    turn = Turn(story.definition, story.run, story.events[-1])
    return compile_expression(text).evaluate(RunScope(turn, at))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("task.type", "bug"),
        ("params.region", "eu"),
        ("variables", {}),
        ("state.plan_status", "pass"),
        ("steps.plan.result.n", 3),
        ("artifacts", []),
        ("run.workflow", "test"),
        ("env.stage", "dev"),
        ("context.workflowId", "test"),
        ("context.state.get('plan_status')", "pass"),
        ("iteration", 1),
    ],
)
def test_each_root_can_be_read(name: str, wanted: object) -> None:
    story = begun(ask("plan"), task={"type": "bug"}, params={"region": "eu"}, env={"stage": "dev"})
    story.passes("plan", result={"n": 3})
    assert value(story, name) == wanted


def test_a_bare_name_is_a_parameter_or_a_step_unless_another_name_hides_it() -> None:
    story = begun(ask("build"), ask("task"), ask("region"), params={"region": "eu"})
    story.passes("build", result={"n": 3, "verdict": "of the result"})
    assert value(story, "region") == "eu"
    assert value(story, "build.output.n") == 3
    assert value(story, "build.n") == 3
    assert value(story, "build.verdict") == "pass"
    assert value(story, "task.title") == "a task"


def test_dashes_in_ids_become_underscores() -> None:
    story = begun(ask("code-review"))
    story.passes("code-review", result=1)
    for name in ("steps.code_review", "steps['code-review']", "code_review"):
        assert value(story, f"{name}.result") == 1
    assert value(story, "state.code_review_status") == "pass"


def test_inside_an_iteration_a_name_means_that_iterations_step_and_outside_the_last_ones() -> None:
    inner = [ask("work"), ask("qa", "work")]
    loop = repeat("fix", steps=inner, until="steps.qa.verdict == 'pass'", most=3)
    story = begun(loop, ask("after", "fix"))
    for number, verdict in ((1, "fail"), (2, "pass")):
        story.passes(f"fix#{number}/work", result=number)
        story.replies(f"fix#{number}/qa", verdict=verdict)
    assert value(story, "steps.work.result", "fix#1/qa") == 1
    assert value(story, "steps.work.result", "fix#2/qa") == 2
    assert value(story, "state.qa_status", "fix#1/work") == "fail"
    assert value(story, "steps.work.result", "after") == 2
    assert value(story, "iteration", "fix#2/qa") == 2


def test_inside_a_block_a_name_means_what_is_outside_where_nothing_inside_has_it() -> None:
    story = begun(
        ask("plan"),
        foreach("each", "plan", items=["a"], steps=[parallel("both", steps=[ask("x"), ask("y")])]),
    )
    story.passes("plan", result="p")
    story.passes("each[0]/both/x", result="x")
    assert value(story, "steps.plan.result", "each[0]/both/y") == "p"
    assert value(story, "steps.x.result", "each[0]/both/y") == "x"
    assert value(story, "steps.x.result", "plan") is None


def test_state_has_the_status_and_the_result_of_settled_steps() -> None:
    story = begun(ask("plan"), ask("note", on_error="continue"), ask("open"))
    story.passes("plan", result={"n": 1})
    story.replies("note", error="refused")
    assert value(story, "state.plan_status") == "pass"
    assert value(story, "state.plan_result.n") == 1
    assert value(story, "state.note_status") == "failed"
    assert value(story, "state.note_result") is None
    assert value(story, "state.open_status") is None


def test_a_step_says_how_it_ended_what_it_concluded_and_how_often_it_was_tried() -> None:
    story = begun(ask("qa", retry={"max_attempts": 2}))
    story.replies("qa", error="timeout")
    story.fires("qa", "retry")
    story.replies("qa", verdict="fail", result={"seen": 1})
    read = {name: value(story, f"steps.qa.{name}") for name in ("outcome", "verdict", "attempts")}
    assert read == {"outcome": "succeeded", "verdict": "fail", "attempts": 2}
    assert value(story, "steps.qa.error") is None
