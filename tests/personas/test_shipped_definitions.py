"""The shipped workflows and personas are free of faults and hang together."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.core.routing import choose_workflow, routes_from
from coordinator.core.tasks import normalise_task
from coordinator.definitions.compile import Bundle, compile_bundle
from coordinator.definitions.persona import PersonaKind
from coordinator.gitops.activation import active_bundle
from steps.registry import step_types

ROOT = Path(__file__).parents[2]


def bundle() -> Bundle:
    files = {
        f"{folder}/{path.name}": path.read_text()
        for folder in ("workflows", "personas")
        for path in sorted((ROOT / folder).iterdir())
        if path.suffix in (".yml", ".yaml")
    }
    return compile_bundle(files, step_types=step_types())


def test_they_have_neither_errors_nor_warnings() -> None:
    assert [str(fault) for fault in bundle().faults] == []


def test_all_of_them_are_there() -> None:
    made = bundle()
    assert sorted(made.workflows) == ["feature", "hotfix", "project-loop"]
    assert made.personas["tester-qa"].aliases == ("qa-engineer",)
    assert made.personas["tester-qa"].tests_required
    assert made.personas["tester-qa"].exit_codes == {0: "pass", 1: "fail", 2: "fail", 5: "fail"}


def test_every_persona_needs_one_allowed_program_only() -> None:
    for persona in bundle().personas.values():
        assert persona.kind is PersonaKind.COMMAND
        assert persona.command[0] == "coordinator-persona"


@pytest.mark.parametrize(
    ("task", "workflow"),
    [
        ({"title": "urgent: the site is down"}, "hotfix"),
        ({"title": "urgent and large"}, "hotfix"),
        ({"title": "a feature"}, "feature"),
        ({"title": "a large bug"}, "feature"),
        ({"title": "fix the parser"}, "project-loop"),
        ({"title": "sweep the floor"}, "project-loop"),
    ],
)
def test_the_shipped_match_rules_route_like_the_older_system(
    task: dict[str, object], workflow: str
) -> None:
    made = bundle()
    rules = active_bundle("main", "test", made, at_ms=0).routes

    chosen = choose_workflow(normalise_task(task), routes_from(rules), made.workflows)

    assert chosen.workflow == workflow
    assert chosen.why.startswith("The match rule")
