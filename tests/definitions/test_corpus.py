"""Files that are right, and files with one thing wrong each, besides the examples of the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.definitions import RULES, Personas, compile_file, load_document
from tests.definitions.corpus import TYPES, bad_faults, personas

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").iterdir())
BAD = sorted((HERE / "bad").iterdir())


def _expected_warnings(text: str) -> list[str]:
    first = text.split("\n", 1)[0]
    if first.startswith("# warnings:"):
        return first.removeprefix("# warnings:").split()
    return ["WF033", "WF060"]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_file_compiles_with_no_more_than_the_expected_warnings(path: Path) -> None:
    text = path.read_text()
    known = personas() if path.stem == "everything" else Personas(has_folder=False)

    found, faults = compile_file(path.name, text, step_types=TYPES, personas=known)

    assert found is not None, "\n".join(map(str, faults))
    expected = _expected_warnings(text)
    if path.suffix == ".json":
        assert {fault.rule for fault in faults} <= set(expected)
    else:
        assert [fault.rule for fault in faults] == expected


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_file_compiles_to_the_same_from_its_canonical_document(path: Path) -> None:
    known = personas() if path.stem == "everything" else Personas(has_folder=False)
    found, _ = compile_file(path.name, path.read_text(), step_types=TYPES, personas=known)
    assert found is not None

    loaded, asked = load_document(found.workflow.digest, found.document, step_types=TYPES)

    assert loaded == found.workflow
    assert set(asked) == {*found.personas, "run"}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_has_exactly_its_one_fault_at_its_place(path: Path) -> None:
    text = path.read_text()
    expected = text.split("\n", 1)[0].removeprefix("# ")

    faults = bad_faults(path.stem, text)

    assert [f"{fault.rule} {fault.line}:{fault.column}" for fault in faults] == [expected]
    assert faults[0].message
    assert faults[0].hint


def test_rules_have_increasing_ids_and_full_texts() -> None:
    assert list(RULES) == sorted(RULES)
    for rule in RULES.values():
        assert rule.title
        assert rule.meaning.endswith(".")
        assert rule.cure.endswith(".")


def test_all_faults_of_a_file_come_at_once() -> None:
    text = """
name: many
version: one
steps:
  - {id: a, persona: wroker, timeout: soon}
  - {id: b, persona: worker, dependencies: [c], condition: "a ==="}
  - {id: d, persona: worker, params: {x: "{{ steps.e.result }}", y: "{{ nothing }}"}}
  - {id: d, persona: worker, gate: maybe}
"""
    rules = [fault.rule for fault in bad_faults("many", text)]

    assert rules == [
        "WF028", "WF060", "WF029", "WF040", "WF050", "WF053", "WF052", "WF025", "WF022",
    ]  # fmt: skip
