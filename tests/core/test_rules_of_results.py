"""The rules of what steps return, one test per sentence; each docstring is its rule.

`pytest tests/core/test_rules_of_results.py --collect-only` is the table of contents.
"""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.definition import Channel
from coordinator.core.schema_checks import check_schema
from coordinator.core.schemas import Contract, Schema
from tests.core.build import Step, as_mapping, ask, git, workflow
from tests.core.story import Story

PLAN = {
    "type": "object",
    "required": ["plan"],
    "properties": {
        "plan": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}},
            },
        },
        "risk": {"enum": ["low", "high"]},
    },
}


def schema(source: Any) -> Schema:
    """A schema that may be used."""
    found, problems = check_schema(source)
    assert found is not None, problems
    return found


def begun(*steps: Step, task: Any = None, **keys: Any) -> Story:
    """A run that has started."""
    story = Story(workflow(*steps, **keys), task=task)
    story.starts()
    return story


def error(story: Story, path: str) -> tuple[str, str]:
    """Class and message of why the last attempt failed."""
    found = as_mapping(story.run.nodes[path].error)
    return str(found["class"]), str(found["message"])


# Results and schemas


def test_a_result_that_does_not_fit_the_steps_schema_fails_the_attempt_as_invalid_reply() -> None:
    """A final reply whose result does not fit fails the attempt with class invalid_reply."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    assert story.passes("a", result={"plan": [{"name": 7}]}) == ["end failed"]

    assert error(story, "a")[0] == "invalid_reply"
    assert story.node("a") == "failed"


def test_the_message_names_the_first_three_places_and_what_was_expected_there() -> None:
    """The failure names the place in the result and what was expected, three problems at most."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    story.passes("a", result={"plan": [{"name": 7}, {}, 3, 4], "risk": "some"})

    message = error(story, "a")[1]
    assert message.startswith("the result does not fit the step's result_schema: ")
    assert "plan[0].name has to be text, not a number" in message
    assert 'plan[1] needs "name"' in message
    assert message.count(";") == 2


def test_a_result_that_does_not_fit_is_asked_for_again_by_default_and_the_persona_hears_why() -> (
    None
):
    """invalid_reply is retried by default; the next request carries the problem as feedback."""
    story = begun(ask("a", result_schema=schema(PLAN), retry={"max_attempts": 2}))

    assert story.passes("a", result="done") == ["retry a later"]
    assert story.fires("a", "retry") == ["ask a #2"]
    payload: Any = story.requests["a"].payload
    [told] = payload["feedback"]
    assert "the result has to be an object, not text" in told["error"]["message"]
    assert story.passes("a", result={"plan": []}) == ["end succeeded"]


def test_the_schemas_of_the_step_and_of_the_persona_both_apply() -> None:
    """Step and persona may each have a schema; a result has to fit both."""
    contract = Contract(result=schema({"properties": {"score": {"minimum": 1}}}))
    keys: Any = {"contracts": {"judge": contract}}
    a = ask("a", persona="judge", result_schema=schema({"required": ["score"]}))

    both = begun(a, **keys)
    assert both.passes("a", result={"score": 3}) == ["end succeeded"]
    steps = begun(a, **keys)
    steps.passes("a", result={})
    assert "the step's result_schema" in error(steps, "a")[1]
    personas = begun(a, **keys)
    personas.passes("a", result={"score": 0})
    told = 'the result_schema of the persona "judge": score has to be at least 1'
    assert told in error(personas, "a")[1]


def test_a_fallback_persona_is_held_to_its_own_schema() -> None:
    """Whoever is asked instead answers by the schema of that persona's file."""
    contracts = {
        "a": Contract(result=schema({"required": ["long"]})),
        "b": Contract(result=schema({"required": ["short"]})),
    }
    story = begun(ask("a", fallback="b"), contracts=contracts)

    assert story.passes("a", result={}) == ["ask a #2"]
    assert story.passes("a", result={"short": 1}) == ["end succeeded"]


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_a_schema_changes_nothing_of_how_verdicts_are_read(verdict: str) -> None:
    """The verdict of a reply that fits is what it would be without a schema."""
    story = begun(ask("a", result_schema=schema({"type": "object"})))

    story.replies("a", result={"status": verdict})

    assert story.run.nodes["a"].verdict == verdict


def test_a_reply_that_says_error_is_not_held_against_a_schema() -> None:
    """Only a done reply has a result; an error keeps its own class."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    story.replies("a", error="refused")

    assert error(story, "a")[0] == "refused"


def test_git_work_is_held_to_the_steps_schema_alone() -> None:
    """No persona file speaks of the coordinator's own work."""
    contracts = {"git-operation": Contract(result=schema({"required": ["never"]}))}
    story = begun(git("a", result_schema=schema({"required": ["commit"]})), contracts=contracts)

    assert story.replies("a", result={"commit": "c1"}) == ["end succeeded"]


def test_a_stand_in_of_a_simulation_is_held_against_no_schema() -> None:
    """A reply that no scenario wrote passes whatever the schema says."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    assert story.passes("a", is_stand_in=True) == ["end succeeded"]


# Params and schemas


def test_params_that_do_not_fit_fail_the_attempt_as_refused_and_are_not_retried() -> None:
    """Rendered params are held against the persona's input_schema before anybody is asked."""
    contracts = {"a": Contract(input=schema({"properties": {"depth": {"type": "integer"}}}))}
    a = ask("a", params={"depth": "{{ task.depth }}"}, retry={"max_attempts": 3})

    story = Story(workflow(a, contracts=contracts), task={"depth": "deep"})

    assert story.starts() == ["end failed"]
    assert error(story, "a") == (
        "refused",
        'the params do not fit the input_schema of the persona "a": '
        "depth has to be a whole number, not text",
    )


def test_params_that_fit_go_out_with_the_type_that_their_template_kept() -> None:
    """A whole-value template keeps its type, and that is what the schema sees."""
    contracts = {"a": Contract(input=schema({"properties": {"depth": {"type": "integer"}}}))}
    a = ask("a", params={"depth": "{{ task.depth }}"})

    story = Story(workflow(a, contracts=contracts), task={"depth": 3})

    assert story.starts() == ["ask a #1"]


def test_a_human_is_not_asked_with_params_that_the_persona_does_not_take() -> None:
    """The input_schema holds for a persona of any kind."""
    contracts = {"boss": Contract(input=schema({"required": ["why"]}))}
    a = ask("a", persona="boss", channel=Channel.HUMAN)

    story = Story(workflow(a, contracts=contracts))

    assert story.starts() == ["end failed"]
    assert not story.questions
