"""Every workflow that comes with the program is tried out in all that its steps can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.definitions.fmt import format_layout, format_workflow
from coordinator.shipped import EXAMPLES, example_files, shipped_folder
from coordinator.simulation import play
from steps.registry import BUILT_IN, step_types
from tests.core.build import ask, human, repeat, workflow
from tests.definitions.corpus import compiled
from tests.docs.examples import shows, types_of
from tests.examples.definitions import bundle, everything, examples, source_of
from tests.examples.demands import demands, shown

BLOCKS = """
name: blocks
version: "1.0.0"
steps:
  - {id: each, type: foreach, items: [1], steps: [{id: inner, persona: worker}]}
  - id: way
    type: switch
    on: "{{ task.type }}"
    cases: {left: [{id: left, persona: worker}]}
  - {id: go, type: wait, signal: go, timeout: 1h}
  - {id: pause, type: wait, for: 1m}
  - {id: other, persona: worker, on_error: {fallback: editor}}
"""
BLOCK_IDS = ("each", "way", "way/left", "go", "pause", "other")
NAMES = sorted(everything())
PLAYED = [(name, file) for name in NAMES for file in everything()[name].scenarios]


def test_the_examples_have_neither_errors_nor_warnings() -> None:
    assert [str(fault) for fault in bundle(of_examples=True).faults] == []


def test_each_example_lies_in_a_file_of_its_name() -> None:
    files = {path.stem for path in (shipped_folder() / EXAMPLES).glob("*.yml")}
    assert set(examples()) == files


def test_no_scenario_is_of_a_workflow_that_does_not_exist() -> None:
    ours = {file for tried in everything().values() for file in tried.scenarios}
    there = {
        path.name.removesuffix(".scenario.yml")
        for path in (shipped_folder() / "workflows").rglob("*.scenario.yml")
    }
    assert ours == there


def test_no_example_takes_the_name_of_another_workflow() -> None:
    assert not set(examples()) & set(bundle(of_examples=False).workflows)


@pytest.mark.parametrize(("name", "file"), PLAYED, ids=[file for _, file in PLAYED])
def test_the_workflows_do_what_their_scenarios_say(name: str, file: str) -> None:
    tried = everything()[name]
    outcome = play(tried.scenarios[file], tried.compiled.workflow)
    assert outcome.failures == ()
    assert outcome.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_scenarios_show_everything_that_the_steps_can_do(name: str) -> None:
    tried = everything()[name]
    definition = tried.compiled.workflow
    seen = set()
    for scenario in tried.scenarios.values():
        simulation = play(scenario, definition).simulation
        assert simulation is not None
        seen |= shown(simulation)
    assert sorted(demands(definition) - seen) == []


def test_what_a_step_can_do_is_asked_for() -> None:
    definition = workflow(
        ask("a", condition="task.id", on_error="escalate"),
        repeat("b", steps=[ask("c")], until="false", most=2),
        human("d"),
    )
    assert sorted(demands(definition)) == [
        ("a", "abort"), ("a", "continue"), ("a", "fails"), ("a", "is skipped by its condition"),
        ("a", "retry"), ("a", "runs"), ("a", "skip"), ("a", "succeeds"),
        ("b", "ends at once"), ("b", "goes round again"), ("b", "is exhausted"), ("b", "runs"),
        ("b/c", "fails"), ("b/c", "runs"), ("b/c", "succeeds"),
        ("d", "approve"), ("d", "reject"), ("d", "runs"), ("d", "succeeds"),
    ]  # fmt: skip


SHOWN = {
    "on_error: continue", "on_error: retry", "on_error: fallback persona",
    "on_error: fallback steps", "on_error: escalate", "on_error: rollback", "undo", "on_failure",
    "finally", "required", "gate", "retry", "condition", "join: any_failed", "enum", "variables",
    "outputs", "match", "intents", "form", "assignees", "deadline", "wait for", "wait until",
    "wait signal", "wait_for: need", "on_branch_error: wait_all", "on_branch_error: ignore",
    "max_concurrent", "timeout", "on_conflict: queue", "on_conflict: skip",
    "on_conflict: replace",
}  # fmt: skip


def test_together_the_examples_show_every_step_type_and_most_of_the_language() -> None:
    shown = {each for compiled in examples().values() for each in shows(compiled)}
    assert SHOWN - shown == set()
    types = {each for compiled in examples().values() for each in types_of(compiled)}
    assert types == {each.name for each in BUILT_IN}


def test_what_blocks_and_waits_can_do_is_asked_for() -> None:
    definition = compiled(BLOCKS).workflow
    assert {
        path: {what for at, what in demands(definition) if at == path} for path in BLOCK_IDS
    } == {
        "each": {"runs", "has no items", "has several items", "has an item that fails"},
        "way": {"runs", "chooses nothing"},
        "way/left": {"runs", "succeeds", "fails", "is not chosen"},
        "go": {"runs", "succeeds", "fails"},
        "pause": {"runs", "succeeds"},
        "other": {"runs", "succeeds", "fails", "is done by the fallback"},
    }


@pytest.mark.parametrize("name", sorted(examples()))
def test_each_example_begins_by_telling_how_it_is_run_and_what_to_change(name: str) -> None:
    head = source_of(name).partition("schema:")[0]
    lines = head.splitlines()
    assert all(line.startswith("#") for line in lines), "the comment comes before the first key"
    assert f"#   coordinator run {EXAMPLES}/{name}.yml" in head
    assert "# For real use: " in head


@pytest.mark.parametrize("path", sorted(example_files()))
def test_the_examples_are_formatted(path: str) -> None:
    text = example_files()[path]
    is_workflow = Path(path).parent.name == "examples"
    formatted = (
        format_workflow(path, text, step_types=step_types())[0]
        if is_workflow
        else format_layout(path, text)[0]
    )
    assert formatted == text
