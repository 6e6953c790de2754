"""Which workflow a task gets, as tables."""

from __future__ import annotations

import pytest

from coordinator.core.routing import (
    BadRouteError,
    Choice,
    NoRouteError,
    choose_workflow,
    routes_from,
)
from coordinator.core.tasks import normalise_task

SHIPPED = ("feature", "hotfix", "project-loop")
ALL = (*SHIPPED, "context-only", "qa-followup")


def chosen(task: dict[str, object], *rules: dict[str, object], among: tuple[str, ...] = ALL) -> str:
    return choose_workflow(normalise_task(task), routes_from(rules), among).workflow


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"title": "urgent"}, "hotfix"),
        ({"title": "urgent, large"}, "hotfix"),
        ({"title": "a feature"}, "feature"),
        ({"type": "enhancement"}, "feature"),
        ({"title": "a large bug"}, "feature"),
        ({"title": "comprehensive analysis"}, "feature"),
        ({"title": "review it"}, "context-only"),
        ({"type": "context"}, "context-only"),
        ({"type": "understand"}, "context-only"),
        ({"title": "fix it"}, "project-loop"),
        ({"title": "move the button"}, "project-loop"),
        ({"type": "qa-followup"}, "qa-followup"),
        ({"type": "anything"}, "project-loop"),
    ],
)
def test_without_rules_the_kind_of_task_decides(task: dict[str, object], expected: str) -> None:
    assert chosen(task) == expected


@pytest.mark.parametrize("title", ["urgent", "a feature", "review it", "a large one"])
def test_what_is_not_active_falls_back_to_the_project_loop(title: str) -> None:
    assert chosen({"title": title}, among=("project-loop",)) == "project-loop"


@pytest.mark.parametrize(
    ("rule", "task", "fits"),
    [
        ({"types": ["task"]}, {}, True),
        ({"types": ["bugfix"]}, {}, False),
        ({"labels": ["a", "b"]}, {"labels": ["b"]}, True),
        ({"labels": ["a"]}, {"labels": ["b"]}, False),
        ({"scopes": ["large"]}, {"scope": "large"}, True),
        ({"scopes": ["large"]}, {}, False),
        ({"when": "task.repo != null"}, {"repo": "/a"}, True),
        ({"when": "task.repo != null"}, {}, False),
        ({"when": "task.nothing.at.all"}, {}, False),
        ({"types": ["task"], "when": "task.priority > 5"}, {"priority": 6}, True),
        ({"types": ["task"], "when": "task.priority > 5"}, {"priority": 5}, False),
        ({"types": ["task"], "labels": ["a"]}, {"labels": ["b"]}, False),
        ({}, {}, True),
    ],
)
def test_everything_a_rule_asks_for_must_hold(
    rule: dict[str, object], task: dict[str, object], fits: bool
) -> None:
    expected = "mine" if fits else "project-loop"

    assert chosen(task, {"workflow": "mine", **rule}, among=("mine", "project-loop")) == expected


def test_rules_are_asked_by_workflow_id_and_those_for_everything_last() -> None:
    everything = {"workflow": "a"}
    first, second = ({"workflow": name, "types": ["task"]} for name in ("b", "c"))

    assert chosen({}, second, everything, first, among=("a", "b", "c")) == "b"
    assert chosen({"type": "x"}, second, everything, first, among=("a", "b", "c")) == "a"


def test_a_rule_of_a_workflow_that_is_not_active_is_passed_over() -> None:
    assert chosen({}, {"workflow": "gone", "types": ["task"]}, among=SHIPPED) == "project-loop"


def test_a_rule_may_look_at_the_environment() -> None:
    rule = {"workflow": "canary", "when": "env.NAME == 'staging'"}
    task = normalise_task({})

    choice = choose_workflow(task, routes_from([{**rule, "env": {"NAME": "staging"}}]), ["canary"])

    assert choice.workflow == "canary"
    with pytest.raises(NoRouteError):
        choose_workflow(task, routes_from([rule]), ["canary"])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            [{"workflow": "hotfix", "types": ["hotfix"], "when": "task.repo == null"}],
            "The match rule of hotfix takes it: the type is hotfix, task.repo == null holds.",
        ),
        (
            [],
            "No match rule takes it, and its type hotfix is the name of a workflow.",
        ),
    ],
)
def test_the_choice_says_why(rules: list[dict[str, object]], expected: str) -> None:
    choice = choose_workflow(normalise_task({"title": "urgent"}), routes_from(rules), SHIPPED)

    assert choice == Choice(workflow="hotfix", why=expected)


def test_where_nothing_fits_the_error_names_what_there_is() -> None:
    with pytest.raises(NoRouteError, match=r"of type 'task' and scope 'medium'; there are: a, b"):
        chosen({}, among=("b", "a"))
    with pytest.raises(NoRouteError, match="there are none"):
        chosen({}, among=())


@pytest.mark.parametrize(
    "rule",
    [
        {"types": ["a"]},
        {"workflow": "w", "types": "task"},
        {"workflow": "w", "labels": [1]},
        {"workflow": "w", "when": "__import__('os')"},
        {"workflow": "w", "when": 1},
    ],
)
def test_a_stored_rule_that_is_none_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(BadRouteError, match="cannot be read"):
        routes_from([rule])


def test_a_rule_that_cannot_be_evaluated_says_so() -> None:
    with pytest.raises(BadRouteError, match="cannot be evaluated"):
        chosen({"a": object()}, {"workflow": "w", "when": "task.a == 1"}, among=("w",))
