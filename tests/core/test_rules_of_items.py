"""`foreach` and `switch`, sentence by sentence."""

from __future__ import annotations

from typing import Any

from coordinator.core.context import RunScope, result_of
from coordinator.core.definition import OnBranchError, Workflow
from coordinator.core.turn import Turn
from tests.core.build import ask, foreach, parallel, repeat, switch, workflow
from tests.core.story import Story


def told(definition: Workflow, **started: Any) -> Story:
    story = Story(definition, **started)
    story.starts()
    return story


def each(*steps: Any, items: Any = ("a", "b", "c"), **keys: Any) -> Workflow:
    return workflow(foreach("each", items=list(items), steps=steps or [ask("x")], **keys))


def result(story: Story, path: str = "each") -> object:
    turn = Turn(story.definition, story.run, story.events[-1])
    return result_of(turn, path)


# foreach


def test_items_run_side_by_side_at_most_max_concurrent_at_a_time() -> None:
    story = told(each(max_concurrent=2))
    assert sorted(story.requests) == ["each[0]/x", "each[1]/x"]
    assert story.passes("each[1]/x") == ["ask each[2]/x #1"]
    assert story.passes("each[0]/x") == []
    assert story.passes("each[2]/x") == ["end succeeded"]


def test_the_results_are_a_list_in_item_order() -> None:
    story = told(each())
    for index in (2, 0, 1):
        story.passes(f"each[{index}]/x", result={"n": index})
    assert result(story) == [{"x": {"n": 0}}, {"x": {"n": 1}}, {"x": {"n": 2}}]


def test_paths_count_items_from_0() -> None:
    assert sorted(told(each()).requests) == ["each[0]/x", "each[1]/x", "each[2]/x"]


def test_the_steps_read_their_item_and_its_index() -> None:
    params = {"city": "{{ city }}", "at": "{{ index }}", "next": "{{ index + 1 }}"}
    story = told(each(ask("x", params=params), as_name="city"))
    asked = story.requests["each[1]/x"].payload
    assert asked["params"] == {"city": "b", "at": 1, "next": 2}


def test_the_name_of_an_item_is_item_where_nothing_else_is_said() -> None:
    story = told(each(ask("x", params={"it": "{{ item.name }}"}), items=[{"name": "n"}]))
    assert story.requests["each[0]/x"].payload["params"] == {"it": "n"}


def test_inner_items_are_known_beside_outer_ones() -> None:
    params = {"row": "{{ row }}", "cell": "{{ cell }}", "at": "{{ index }}"}
    inner = foreach("cells", items="{{ row }}", as_name="cell", steps=[ask("x", params=params)])
    story = told(each(inner, items=[[1], [2, 3]], as_name="row"))
    asked = {path: request.payload["params"] for path, request in story.requests.items()}
    assert asked == {
        "each[0]/cells[0]/x": {"row": [1], "cell": 1, "at": 0},
        "each[1]/cells[0]/x": {"row": [2, 3], "cell": 2, "at": 0},
        "each[1]/cells[1]/x": {"row": [2, 3], "cell": 3, "at": 1},
    }


def test_inside_an_item_steps_x_is_that_items_x() -> None:
    after = ask("y", "x", params={"mine": "{{ steps.x.result }}", "state": "{{ state.x_result }}"})
    story = told(each(ask("x"), after))
    story.passes("each[1]/x", result="one")
    story.passes("each[0]/x", result="zero")
    asked = {path: request.payload["params"] for path, request in story.requests.items()}
    assert asked["each[0]/y"] == {"mine": "zero", "state": "zero"}
    assert asked["each[1]/y"] == {"mine": "one", "state": "one"}


def test_the_list_is_found_when_the_node_begins() -> None:
    story = told(
        workflow(
            ask("find"),
            foreach("each", "find", items="{{ steps.find.result.files }}", steps=[ask("x")]),
        )
    )
    story.passes("find", result={"files": ["p", "q"]})
    assert sorted(story.requests) == ["each[0]/x", "each[1]/x"]


def test_items_that_are_no_list_fail_the_step_with_a_clear_word() -> None:
    story = told(workflow(foreach("each", items="{{ task.title }}", steps=[ask("x")])))
    assert story.status == "failed"
    error = story.run.nodes["each"].error
    assert error is not None
    assert error["class"] == "step_error"
    assert "items has to be a list, not a str" in str(error["message"])


def test_an_empty_list_succeeds_with_an_empty_list() -> None:
    story = told(each(items=[]))
    assert (story.status, result(story)) == ("succeeded", [])


def test_items_whose_steps_are_all_skipped_succeed() -> None:
    story = told(each(ask("x", condition="false")))
    assert story.node("each") == "succeeded"
    assert result(story) == [{"x": None}] * 3


def test_fail_fast_cancels_the_other_items_and_starts_no_more() -> None:
    story = told(each(max_concurrent=2))
    words = story.replies("each[0]/x", error="refused")
    assert words == ["stop each[1]/x #1", "end failed"]
    assert story.node("each") == "failed"
    assert story.node("each[1]/x") == "cancelled"
    assert story.node("each[2]/x") == "pending"


def test_the_failed_step_is_named_in_the_error() -> None:
    story = told(each())
    story.replies("each[1]/x", error="refused", message="no")
    error = story.run.nodes["each"].error
    assert error == {"class": "refused", "message": "no", "node": "each[1]/x"}


def test_wait_all_lets_the_others_finish_and_then_fails() -> None:
    story = told(each(max_concurrent=1, on_branch_error=OnBranchError.WAIT_ALL))
    assert story.replies("each[0]/x", error="refused") == ["ask each[1]/x #1"]
    story.passes("each[1]/x")
    assert story.passes("each[2]/x") == ["end failed"]


def test_ignore_records_and_goes_on_with_null_for_the_failed_item() -> None:
    story = told(each(on_branch_error=OnBranchError.IGNORE))
    story.passes("each[0]/x", result=1)
    story.replies("each[1]/x", error="refused")
    assert story.passes("each[2]/x", result=3) == ["end succeeded"]
    assert result(story) == [{"x": 1}, None, {"x": 3}]


def test_a_failure_inside_an_item_cancels_only_the_steps_of_that_item() -> None:
    story = told(each(ask("x"), ask("y"), on_branch_error=OnBranchError.IGNORE))
    words = story.replies("each[1]/x", error="refused")
    assert words == ["stop each[1]/y #1"]
    assert story.node("each[0]/y") == "running"


def test_a_failure_tolerated_inside_an_item_does_not_fail_it() -> None:
    story = told(each(ask("x", on_error="continue"), ask("y", "x"), items=["a"]))
    assert story.replies("each[0]/x", error="refused") == ["ask each[0]/y #1"]
    story.passes("each[0]/y", result=2)
    assert result(story) == [{"x": None, "y": 2}]


def test_its_verdict_is_fail_if_any_childs_is_else_unknown_if_any_is() -> None:
    for verdicts, wanted in (
        (("pass", "fail", "unknown"), "fail"),
        (("pass", "unknown", "pass"), "unknown"),
        (("pass", "pass", "pass"), "pass"),
    ):
        story = told(each())
        for index, verdict in enumerate(verdicts):
            story.replies(f"each[{index}]/x", verdict=verdict)
        assert story.run.nodes["each"].verdict == wanted


def test_a_retried_foreach_begins_with_its_first_item() -> None:
    retry = {"max_attempts": 2, "on": frozenset({"refused"})}
    story = told(each(max_concurrent=1, retry=retry))
    story.passes("each[0]/x")
    story.replies("each[1]/x", error="refused")
    assert story.fires("each", "retry") == ["ask each[0]/x #2"]
    story.passes("each[0]/x", result=1)
    story.passes("each[1]/x", result=2)
    assert story.passes("each[2]/x", result=3) == ["end succeeded"]
    assert result(story) == [{"x": 1}, {"x": 2}, {"x": 3}]


def test_a_cancelled_run_cancels_every_item_under_way() -> None:
    story = told(each(max_concurrent=2))
    words = story.cancels()
    assert sorted(words[:2]) == ["stop each[0]/x #1", "stop each[1]/x #1"]
    assert story.status == "cancelled"
    assert story.node("each") == "cancelled"


def test_a_paused_run_starts_no_item() -> None:
    story = told(each(max_concurrent=1))
    story.pauses()
    assert story.passes("each[0]/x") == []
    assert story.resumes() == ["ask each[1]/x #1"]


def test_a_required_step_inside_has_to_succeed_for_every_item() -> None:
    steps = [ask("x"), ask("y", "x", required=True, condition="steps.x.verdict == 'pass'")]
    story = told(each(*steps, items=["a", "b"]))
    story.passes("each[0]/x")
    story.replies("each[1]/x", verdict="unknown")
    story.passes("each[0]/y")
    assert story.status == "stopped"


def test_an_undo_step_inside_still_knows_its_item() -> None:
    undo = [ask("ux", params={"it": "{{ item }}"})]
    story = told(each(ask("x", undo=undo), items=["a", "b"], max_concurrent=1))
    story.passes("each[0]/x")
    story.replies("each[1]/x", error="refused")
    assert story.requests["each[1]/x/undo/ux"].payload["params"] == {"it": "b"}
    story.passes("each[1]/x/undo/ux")
    assert story.requests["each[0]/x/undo/ux"].payload["params"] == {"it": "a"}


def test_a_repeat_inside_counts_its_own_iterations() -> None:
    inner = repeat("fix", steps=[ask("x")], until="steps.x.verdict == 'pass'", most=2)
    story = told(each(inner, items=["a", "b"]))
    story.replies("each[1]/fix#1/x", verdict="fail")
    story.passes("each[0]/fix#1/x")
    assert story.passes("each[1]/fix#2/x") == ["end succeeded"]


def test_ten_thousand_items_are_started_lazily() -> None:
    story = told(each(items=range(10_000), max_concurrent=7))
    assert len(story.requests) == 7
    assert len(story.run.nodes) == 8


def test_what_is_kept_of_an_item_that_is_over_does_not_grow_the_scopes() -> None:
    story = told(each(items=range(50), max_concurrent=5))
    for index in range(40):
        story.passes(f"each[{index}]/x")
    assert len(story.run.scopes) <= 7


def test_an_item_costs_the_same_however_many_there_are() -> None:
    written = {}
    for count in (20, 2_000):
        story = told(each(items=range(count), max_concurrent=4))
        most = 0
        for index in range(count):
            story.passes(f"each[{index}]/x")
            assert story.last is not None
            assert story.last.changes is not None
            changes = story.last.changes
            parts = (changes.nodes, changes.scopes, changes.results, story.last.commands)
            most = max(most, sum(len(part) for part in parts))
        assert story.status == "succeeded"
        written[count] = most
    assert written[20] == written[2_000]


def test_the_payload_carries_the_item() -> None:
    context: Any = told(each()).requests["each[2]/x"].payload["context"]
    assert (context["item"], context["index"]) == ("c", 2)


def test_outside_all_items_there_is_no_item_and_no_index() -> None:
    story = told(workflow(ask("x")))
    scope = RunScope(Turn(story.definition, story.run, story.events[-1]))
    assert "item" not in scope
    assert "index" not in scope


# switch


def chosen(on: Any, **task: Any) -> Story:
    cases = {"bug": [ask("fix")], "3": [ask("three")], "true": [ask("yes")], "null": [ask("none")]}
    return told(workflow(switch("way", on=on, cases=cases, default=[ask("other")])), task=task)


def test_the_branch_is_taken_whose_case_equals_the_value() -> None:
    assert list(chosen("{{ task.kind }}", kind="bug").requests) == ["way/fix"]


def test_numbers_truths_and_null_equal_the_case_that_writes_them() -> None:
    assert list(chosen("{{ task.n }}", n=3).requests) == ["way/three"]
    assert list(chosen("{{ task.n }}", n=True).requests) == ["way/yes"]
    assert list(chosen("{{ task.n | default(none) }}").requests) == ["way/none"]


def test_without_a_case_that_fits_the_default_runs() -> None:
    assert list(chosen("{{ task.kind }}", kind="feature").requests) == ["way/other"]


def test_without_a_case_and_without_a_default_it_succeeds() -> None:
    story = told(workflow(switch("way", on="{{ task.id }}", cases={"no": [ask("x")]})))
    assert story.status == "succeeded"
    assert story.run.nodes["way"].reason == "no branch was chosen"


def test_the_value_is_recorded() -> None:
    assert chosen("{{ task.kind }}", kind="bug").run.nodes["way"].detail == {"on": "bug"}


def test_a_value_that_cannot_be_read_fails_the_step() -> None:
    story = chosen("{{ task.nothing }}")
    assert story.status == "failed"
    assert story.run.nodes["way"].attempt == 1


def test_only_the_branch_taken_is_in_the_result() -> None:
    story = chosen("{{ task.kind }}", kind="bug")
    story.passes("way/fix", result=1)
    assert result(story, "way") == {"fix": 1}


def test_items_inside_branches_inside_items_end() -> None:
    inner = switch("way", on="{{ item }}", cases={"a": [parallel("p", steps=[ask("x")])]})
    story = told(each(inner))
    assert list(story.requests) == ["each[0]/way/p/x"]
    assert story.passes("each[0]/way/p/x") == ["end succeeded"]
