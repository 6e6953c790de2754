"""Each rule has a bad example that breaks it, and a good one that breaks none."""

from __future__ import annotations

import pytest

from coordinator.definitions import RULES
from coordinator.definitions.rules import TABLE
from tests.definitions.rule_files import RULE_FILES, bad_example, good_example

HOW = "see the docstring of coordinator/definitions/rules.py"


@pytest.mark.parametrize("rule", RULES)
def test_the_bad_example_breaks_its_rule_at_the_place_it_names_and_no_other(rule: str) -> None:
    example = bad_example(rule)
    assert example.files, f"{rule} has no bad example; {HOW}"

    faults = example.validate("--format", "json").json["faults"]

    found = [(each["rule"], each["file"], each["line"], each["column"]) for each in faults]
    assert found == example.places
    assert [each[0] for each in found] == [rule]
    assert [each["severity"] for each in faults] == [RULES[rule].severity]


@pytest.mark.parametrize("rule", RULES)
def test_the_good_example_breaks_no_rule(rule: str) -> None:
    example = good_example(rule)
    assert example.files, f"{rule} has no good example; {HOW}"

    done = example.validate("--strict")

    assert (done.code, done.out.splitlines()[1:]) == (0, []), done.out


def test_there_are_no_examples_of_rules_that_do_not_exist() -> None:
    assert {each.name for each in RULE_FILES.iterdir()} == {*RULES, "personas"}


def test_no_two_rules_have_the_same_id() -> None:
    assert len(TABLE) == len(RULES)
