"""Values for a workflow's parameters, from JSON and from a command line."""

from __future__ import annotations

import pytest

from coordinator.core.definition import Workflow
from coordinator.definitions import check_params
from tests.definitions.corpus import compiled


def workflow(params: str) -> Workflow:
    text = f"name: w\nversion: '1.0.0'\nparams: {{{params}}}\nsteps: {{a: {{persona: worker}}}}"
    return compiled(text).workflow


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", "3", "3"),
        ("string", "", ""),
        ("integer", "3", 3),
        ("integer", -3, -3),
        ("int", "3", 3),
        ("number", "3.5", 3.5),
        ("number", 3, 3),
        ("float", "1e3", 1000.0),
        ("boolean", "true", True),
        ("boolean", "No", False),
        ("bool", False, False),
        ("list", "a, b", ["a", "b"]),
        ("list", '["a", 1]', ["a", 1]),
        ("array", [1], [1]),
        ("list", "", []),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", {"a": 1}, {"a": 1}),
    ],
)
def test_values_are_read_as_the_declared_type(kind: str, given: object, value: object) -> None:
    found, problems = check_params(workflow(f"p: {{type: {kind}}}"), {"p": given})

    assert problems == []
    assert found == {"p": value}
    assert type(found["p"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("string", 3),
        ("integer", "3.5"),
        ("integer", True),
        ("integer", "three"),
        ("number", "NaN"),
        ("number", "Infinity"),
        ("boolean", "maybe"),
        ("boolean", 1),
        ("list", "[1"),
        ("list", {"a": 1}),
        ("object", "[1]"),
        ("object", "[" * 100_000),
    ],
)
def test_a_value_of_another_type_is_a_problem_that_names_both(kind: str, given: object) -> None:
    _, problems = check_params(workflow(f"p: {{type: {kind}}}"), {"p": given})

    assert len(problems) == 1
    assert problems[0].startswith('"p" has to be ')


def test_defaults_fill_in_and_what_is_required_is_asked_for() -> None:
    declared = workflow("a: {default: x}, b: {type: integer, required: true}, c: {type: list}")

    values, problems = check_params(declared, {})

    assert values == {"a": "x", "b": None, "c": None}
    assert problems == ['the parameter "b" (integer) is required']


def test_an_unknown_parameter_is_a_problem_with_the_near_miss() -> None:
    _, problems = check_params(workflow("branch: {}"), {"brnch": "x"})

    assert problems == ['w has no parameter "brnch"; did you mean "branch"?']


def test_only_the_choices_of_an_enum_are_accepted() -> None:
    declared = workflow("n: {type: integer, enum: [1, 2]}")

    assert check_params(declared, {"n": "2"}) == ({"n": 2}, [])
    assert check_params(declared, {"n": "3"})[1] == ['"n" has to be one of 1, 2; not a number']


def test_a_submission_cannot_change_the_structure_of_a_workflow() -> None:
    """A parameter that looks like a template is data like any other."""
    values, problems = check_params(workflow("p: {}"), {"p": "{{ env.SECRET }}"})

    assert (values, problems) == ({"p": "{{ env.SECRET }}"}, [])
