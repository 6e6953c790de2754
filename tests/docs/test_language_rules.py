"""Each rule of the language is followed by tests that exist, and those of the rules are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PAGE = ROOT / "docs/language-rules.md"
_RULE = re.compile(r"^- \*\*(\d+)\.(\d+)\*\* (.+)$", re.MULTILINE)
_TEST = re.compile(r'`([\w/]+\.py)::(test_\w+)(?: "([^`]+)")?`')
RULES = {f"{part}.{number}": text for part, number, text in _RULE.findall(PAGE.read_text())}


def test_rules_are_numbered_without_gaps() -> None:
    numbers = [tuple(map(int, name.split("."))) for name in RULES]
    parts = sorted({part for part, _ in numbers})
    assert numbers == [
        (part, at + 1) for part in parts for at in range(sum(one == part for one, _ in numbers))
    ]


@pytest.mark.parametrize("name", RULES)
def test_the_tests_of_a_rule_exist(name: str) -> None:
    named = _TEST.findall(RULES[name])
    assert named, "no test is named"
    for path, test, row in named:
        source = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert f"def {test}(" in source, f"{path} has no {test}"
        assert not row or f'"{row}"' in source, f"{path} has no row {row!r}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/core").glob("test_rules_of_*.py")), ids=lambda path: path.stem
)
def test_tests_of_rules_are_among_those_that_are_named(path: Path) -> None:
    assert f"core/{path.name}::" in PAGE.read_text()
