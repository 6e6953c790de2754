"""The rules of what steps return, one test per sentence; each docstring is its rule.

`pytest tests/core/test_rules_of_results.py --collect-only` is the table of contents.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator.core.artifacts import MAX_BYTES, MOST, artifacts_of, node_artifacts
from coordinator.core.definition import Channel
from coordinator.core.schema_checks import check_schema
from coordinator.core.schemas import Contract, Schema
from coordinator.core.turn import Turn
from tests.core.build import (
    Step,
    as_mapping,
    ask,
    child,
    conditional,
    git,
    human,
    parallel,
    repeat,
    workflow,
)
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


def test_the_outputs_of_a_child_run_are_held_to_the_steps_schema() -> None:
    """What another workflow gives back is a result like any other."""
    story = begun(child("a", result_schema=schema({"required": ["commit"]})))

    story.replies("a", result={})

    assert error(story, "a")[0] == "invalid_reply"


def test_a_stand_in_of_a_simulation_is_held_against_no_schema() -> None:
    """A reply that no scenario wrote passes whatever the schema says."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    assert story.passes("a", is_stand_in=True) == ["end succeeded"]


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(_ANY)
@example(10**400)
@example({"plan": [{"name": "x" * 2_000_000}] * 3})
@example({"plan": [0] * 200_000})
def test_whatever_comes_back_the_attempt_succeeds_or_fails_with_a_reason(result: Any) -> None:
    """No result is strange enough to be more than a failed attempt."""
    story = begun(ask("a", result_schema=schema(PLAN)))

    story.passes("a", result=result)

    assert story.status in ("succeeded", "failed")
    if story.status == "failed":
        assert error(story, "a")[0] == "invalid_reply"


def test_a_result_of_a_thousand_levels_fails_or_fits_and_never_crashes() -> None:
    """Depth is nothing special."""
    deep: Any = []
    for _ in range(1_000):
        deep = [deep]
    b = ask("b", result_schema=schema({"type": "array"}))
    story = begun(ask("a", result_schema=schema(PLAN)), b)

    story.passes("b", result=deep)
    story.passes("a", result={"plan": deep})

    assert (story.node("a"), story.node("b")) == ("failed", "succeeded")


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


# Outputs


def ended(story: Story) -> Any:
    """What the run's own outputs are."""
    return story.run.record.outputs


def test_outputs_are_rendered_when_the_step_has_succeeded_and_become_keys_of_it() -> None:
    """`steps.x.outputs.name` is the output, and `steps.x.name` too."""
    story = begun(
        ask("a", outputs={"version": "{{ result.tag }}", "text": "v{{ result.tag }}"}),
        ask("b", "a", params={"x": "{{ steps.a.outputs.version }}", "y": "{{ a.text }}"}),
    )

    story.passes("a", result={"tag": 3})

    assert as_mapping(story.requests["b"].payload["params"]) == {"x": 3, "y": "v3"}


def test_an_output_comes_before_a_key_of_the_result_of_the_same_name() -> None:
    """The name falls through to the outputs before it falls through to the result."""
    story = begun(
        ask("a", outputs={"tag": "new"}),
        outputs={"tag": "{{ a.tag }}", "old": "{{ a.result.tag }}", "other": "{{ a.other }}"},
    )

    story.passes("a", result={"tag": "old", "other": 1})

    assert ended(story) == {"tag": "new", "old": "old", "other": 1}


def test_a_step_without_outputs_may_return_a_key_of_that_name() -> None:
    """`steps.x.outputs` is the result's key where the step declares no outputs."""
    story = begun(ask("a"), outputs={"x": "{{ a.outputs.x }}"})

    story.passes("a", result={"outputs": {"x": 1}})

    assert ended(story) == {"x": 1}


def test_outputs_read_the_result_the_verdict_and_everything_else_in_scope() -> None:
    """`result` is what the step returned, `verdict` what it concluded."""
    outputs = {
        "all": "{{ result }} {{ verdict }} {{ task.id }} {{ steps.a.result }} {{ run.status }}"
    }
    story = begun(ask("a"), ask("b", "a", outputs=outputs), outputs={"all": "{{ b.all }}"})

    story.passes("a", result="one")
    story.replies("b", verdict="fail", result="two")

    assert ended(story) == {"all": "two fail T-1 one running"}


def test_an_output_that_cannot_be_rendered_fails_the_attempt_with_step_error() -> None:
    """A missing value in an output is a failure, and it names the output."""
    story = begun(ask("a", outputs={"tag": "{{ result.tag }}"}, retry={"max_attempts": 3}))

    assert story.passes("a", result={}) == ["end failed"]

    found, message = error(story, "a")
    assert found == "step_error"
    assert message.startswith("outputs.tag: ")
    assert "result.tag is missing" in message


def test_a_step_that_did_not_succeed_has_no_outputs() -> None:
    """Nothing is rendered for a step that failed, even if that is tolerated."""
    story = begun(
        ask("a", on_error="continue", outputs={"tag": "x"}),
        ask("b", "a", condition="steps.a.outputs.tag == null && a.tag == null"),
    )

    assert story.replies("a", error="refused") == ["ask b #1"]


def test_outputs_are_those_of_the_attempt_that_succeeded() -> None:
    """Another attempt gives outputs of its own."""
    story = begun(
        repeat(
            "fix",
            steps=[ask("qa", outputs={"n": "{{ result.n }}"})],
            until="steps.qa.n == 2",
            most=3,
            outputs={"last": "{{ steps.qa.n }}", "times": "{{ result.qa.n }}"},
        ),
        outputs={"n": "{{ steps.qa.n }}", "last": "{{ fix.last }}", "times": "{{ fix.times }}"},
    )

    assert story.passes("fix#1/qa", result={"n": 1}) == ["ask fix#2/qa #1"]
    story.passes("fix#2/qa", result={"n": 2})

    assert ended(story) == {"n": 2, "last": 2, "times": 2}


def test_outputs_of_a_container_read_its_inner_steps_and_its_result() -> None:
    """A container's outputs are rendered when all in it is done."""
    story = begun(
        parallel(
            "both",
            steps=[ask("a", outputs={"n": "{{ result.n }}"}), ask("b")],
            outputs={"sum": "{{ steps.a.n + steps.b.n }}", "ids": "{{ result | length }}"},
        ),
        conditional(
            "maybe",
            "both",
            when="both.sum > 4",
            then=[ask("c")],
            outputs={"did": "{{ steps.c.result }}"},
        ),
        outputs={
            "sum": "{{ both.sum }}",
            "ids": "{{ both.outputs.ids }}",
            "did": "{{ maybe.did }}",
        },
    )

    story.passes("both/a", result={"n": 2})
    assert story.passes("both/b", result={"n": 3}) == ["ask maybe/c #1"]
    story.passes("maybe/c", result="done")

    assert ended(story) == {"sum": 5, "ids": 2, "did": "done"}


def test_outputs_of_a_container_that_cannot_be_rendered_fail_it_and_its_on_error_applies() -> None:
    """step_error of a container is handled as any failure of it."""
    story = begun(
        parallel("p", steps=[ask("a")], outputs={"x": "{{ steps.a.x }}"}, on_error="continue"),
        ask("b", "p"),
    )

    assert story.passes("p/a", result={}) == ["ask b #1"]
    assert story.node("p") == "failed"


def test_outputs_of_a_human_step_read_the_answer() -> None:
    """What a human fills in is the result."""
    story = begun(human("ok", outputs={"who": "{{ result.by }}"}), outputs={"who": "{{ ok.who }}"})

    story.answers("ok", "approve", by="ann")

    assert ended(story) == {"who": "ann"}


def test_a_review_sees_a_step_whose_outputs_are_there_already() -> None:
    """Outputs are rendered before the review, so that a step which cannot give them fails first."""
    story = begun(
        ask("a", review=True, outputs={"n": "{{ result.n }}"}), outputs={"n": "{{ a.n }}"}
    )

    assert story.passes("a", result={"n": 1}) == ["question a"]
    story.answers("a", "continue", by="ann")

    assert ended(story) == {"n": 1}


def test_what_a_human_gives_in_the_place_of_a_failed_step_gives_outputs_too() -> None:
    """`continue` with a given result renders the outputs from that."""
    story = begun(
        ask("a", on_error="escalate", outputs={"n": "{{ result.n }}"}), outputs={"n": "{{ a.n }}"}
    )

    story.replies("a", error="refused")
    assert story.answers("a", "continue", by="ann") == ["question a"]
    assert error(story, "a")[0] == "step_error"
    story.answers("a", "continue", by="ann", values={"n": 4})

    assert ended(story) == {"n": 4}


def test_outputs_of_a_dependency_travel_with_a_request() -> None:
    """What a persona is shown of the steps before it includes their outputs."""
    story = begun(ask("a", outputs={"n": "{{ result.n }}"}), ask("b", "a"))

    story.passes("a", result={"n": 1})

    payload: Any = story.requests["b"].payload
    assert payload["context"]["steps"]["a"]["outputs"] == {"n": 1}


# Artifacts

REPORT = {"name": "report", "path": "out/report.html", "type": "text/html", "bytes": 12}
COVER = {"name": "coverage", "url": "https://ci.example/7"}


def listed(story: Story) -> list[tuple[object, object]]:
    """What `artifacts` is now: node and name of each."""
    found = artifacts_of(Turn(story.definition, story.run, story.events[-1]))
    return [(each["node"], each["name"]) for each in found]


def test_artifacts_of_successful_nodes_are_one_list_in_the_order_they_settled() -> None:
    """`artifacts` is a list; each has the `step` and the `node` that made it."""
    story = begun(
        ask("a"),
        ask("b"),
        outputs={
            "names": "{{ artifacts[0].name }} {{ artifacts[1].node }}",
            "all": "{{ artifacts | length }}",
            "first": "{{ artifacts[0] }}",
            "old": "{{ context.artifacts | length }}",
        },
    )

    story.passes("b", artifacts=(REPORT,))
    story.passes("a", artifacts=(COVER, {"name": "more"}))

    assert ended(story) == {
        "names": "report a",
        "all": 3,
        "first": {**REPORT, "step": "b", "node": "b"},
        "old": 3,
    }


def test_conditions_read_artifacts() -> None:
    """`artifacts` is a list for conditions too."""
    story = begun(
        ask("a"), ask("b", "a", condition="artifacts.length > 0 && artifacts[0].bytes < 20")
    )

    assert story.passes("a", artifacts=(REPORT,)) == ["ask b #1"]


def test_the_step_is_named_by_its_id_and_the_node_by_its_path() -> None:
    """Inside a loop every iteration has artifacts of its own."""
    story = begun(repeat("fix", steps=[ask("qa")], until="steps.qa.verdict == 'pass'", most=3))

    story.replies("fix#1/qa", verdict="fail", artifacts=(REPORT,))
    story.passes("fix#2/qa", artifacts=(COVER,))

    found = artifacts_of(Turn(story.definition, story.run, story.events[-1]))
    assert [(each["step"], each["node"], each["name"]) for each in found] == [
        ("qa", "fix#1/qa", "report"),
        ("qa", "fix#2/qa", "coverage"),
    ]


def test_artifacts_of_a_failed_node_are_kept_with_it_and_not_listed() -> None:
    """A failed gate keeps its report for people; `artifacts` has those of success only."""
    story = begun(ask("a", gate="pass", on_error="continue"), ask("b", "a"))

    story.replies("a", verdict="fail", artifacts=(REPORT,))

    assert listed(story) == []
    assert node_artifacts(story.run.results.get("a@artifacts")) == ((REPORT,), ())


def test_another_attempt_starts_without_the_artifacts_of_the_last() -> None:
    """Only what the attempt brought that succeeded counts."""
    story = begun(ask("a", gate="pass", retry={"max_attempts": 2, "on": frozenset({"gate"})}))

    story.replies("a", verdict="fail", artifacts=(REPORT,))
    story.fires("a", "retry")
    story.passes("a")

    assert listed(story) == []
    assert story.run.results.get("a@artifacts") is None


def test_what_a_container_that_begins_again_had_made_is_not_listed_twice() -> None:
    """An entry of the list counts only for the settling that made it."""
    story = begun(
        parallel(
            "p",
            steps=[ask("a"), ask("b", "a")],
            retry={"max_attempts": 2, "on": frozenset({"refused", "step_error"})},
        )
    )

    story.passes("p/a", artifacts=(REPORT,))
    story.replies("p/b", error="refused")
    story.fires("p", "retry")
    assert listed(story) == []
    story.passes("p/a", artifacts=(COVER,))

    assert listed(story) == [("p/a", "coverage")]


def test_a_reply_keeps_a_hundred_artifacts_of_four_kibibytes_and_names_the_others() -> None:
    """What is too much is named in the node's reason, never dropped in silence."""
    story = begun(ask("a"))
    large = {"name": "log", "text": "x" * MAX_BYTES}
    many = tuple({"name": f"n{number}"} for number in range(MOST + 2))

    story.passes("a", artifacts=(large, *many))

    assert len(listed(story)) == MOST
    kept, left_out = node_artifacts(story.run.results.get("a@artifacts"))
    assert (len(kept), left_out) == (MOST, ("log", "n100", "n101"))
    reason = story.run.nodes["a"].reason
    assert reason.startswith("artifacts left out")
    assert reason.endswith("log, n100, n101")


def test_a_reply_writes_its_own_artifacts_however_many_there_are_already() -> None:
    """The list is made when it is read; no reply writes it anew."""
    story = begun(*(ask(f"n{number}") for number in range(200)))
    for number in range(199):
        story.passes(f"n{number}", artifacts=(REPORT,))
    story.passes("n199", artifacts=(COVER,))

    assert story.last is not None
    assert story.last.changes is not None
    assert set(story.last.changes.results) == {"n199@artifacts", "@artifacts/200"}
    assert len(listed(story)) == 200
