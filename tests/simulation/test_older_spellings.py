"""Workflows as older documents and planners write them run to their end as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coordinator.core.definition import Workflow
from coordinator.core.report import rows
from coordinator.core.tasks import normalise_task
from coordinator.definitions import Personas, compile_file
from coordinator.definitions.parameters import check_params
from coordinator.simulation import Script, Simulation, simulate
from tests.definitions.corpus import TYPES

GOOD = Path(__file__).parents[1] / "definitions" / "good"
FILES = sorted(path.name for path in GOOD.iterdir() if path.stem != "everything")
SUCCEEDED, SKIPPED = "succeeded", "skipped"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of a file: what it is given, and what becomes of it."""

    file: str
    replies: Mapping[str, object] = field(default_factory=dict)
    task: Mapping[str, object] = field(default_factory=dict)
    status: str = SUCCEEDED
    nodes: Mapping[str, str]
    outputs: Mapping[str, object] = field(default_factory=dict)
    asked: Mapping[str, object] = field(default_factory=dict)
    """Node -> params of its first request."""


PLANNED = {"planning": {"verdict": "pass", "result": {"plan": ["one"]}}}
MAILS = {"fetch_emails": {"verdict": "pass", "result": {"count": 2, "mails": ["a", "b"]}}}
LOOP = ("planning", "plan-evaluation", "implementation", "qa", "code-review", "security-review")
CASES = {
    "mails are summarised and sent": Case(
        file="daily-email.yml",
        replies={**MAILS, "summarize": {"result": "two mails"}},
        nodes=dict.fromkeys(("fetch_emails", "summarize", "notify"), SUCCEEDED),
        outputs={"summary": "two mails", "email_count": 2},
        asked={
            "fetch_emails": {"action": "fetch", "account": "primary", "limit": 20},
            "summarize": {
                "action": "analyze",
                "prompt": "Summarize",
                "context": {"count": 2, "mails": ["a", "b"]},
            },
            "notify": {"action": "send", "message": "two mails"},
        },
    ),
    "a summary is tried three times": Case(
        file="daily-email.yml",
        replies={**MAILS, "summarize": {"error": "persona_error"}},
        status="failed",
        nodes={"fetch_emails": SUCCEEDED, "summarize": "failed", "notify": "cancelled"},
    ),
    "a message that is not delivered is only logged": Case(
        file="daily-email.yml",
        replies={**MAILS, "notify": {"error": "refused"}},
        nodes={"summarize": SUCCEEDED, "notify": "failed"},
    ),
    "mails that cannot be fetched abort the run": Case(
        file="daily-email.yml",
        replies={"fetch_emails": {"error": "refused"}},
        status="failed",
        nodes={"fetch_emails": "failed", "summarize": "cancelled", "notify": "cancelled"},
    ),
    "the loop goes through once there is a plan": Case(
        file="project-loop-seed.yml", replies=PLANNED, nodes=dict.fromkeys(LOOP, SUCCEEDED)
    ),
    "tests that fail keep the reviews from running": Case(
        file="project-loop-seed.yml",
        replies={**PLANNED, "qa": {"verdict": "fail"}},
        nodes={"qa": SUCCEEDED, "code-review": SKIPPED, "security-review": SKIPPED},
    ),
    "without a plan nothing is built": Case(
        file="project-loop-seed.yml",
        status="stopped",
        nodes={"planning": SUCCEEDED, **dict.fromkeys(LOOP[1:], SKIPPED)},
    ),
    "a hotfix goes one way": Case(
        file="two-paths-seed.yml",
        task={"type": "hotfix", "title": "It is down", "project": "site"},
        nodes={"setup": SUCCEEDED, "hotfix-path": SUCCEEDED, "standard-path": SKIPPED},
        asked={"setup": {"branch": "feat/it-is-down"}},
    ),
    "anything else goes the other": Case(
        file="two-paths-seed.yml",
        task={"type": "feature", "title": "Export", "project": "site"},
        nodes={"hotfix-path": SKIPPED, "standard-path": SUCCEEDED},
    ),
    "what compares waits for both": Case(
        file="subtasks-seed.json",
        replies={"weather_tokyo": {"after": "1m"}, "weather_nyc": {"after": "2m"}},
        nodes=dict.fromkeys(("weather_tokyo", "weather_nyc", "compare", "send_msg"), SUCCEEDED),
    ),
    "in the rain it is searched indoors": Case(
        file="conditional-subtask-seed.json",
        replies={"check_weather": {"result": "heavy rain"}},
        nodes={"check_weather": SUCCEEDED, "indoor_search": SUCCEEDED},
    ),
    "in the sun it is not": Case(
        file="conditional-subtask-seed.json",
        replies={"check_weather": {"result": "sun"}},
        nodes={"check_weather": SUCCEEDED, "indoor_search": SKIPPED},
    ),
    "steps as a mapping follow their edges": Case(
        file="steps-as-mapping-seed.json", nodes={"step1": SUCCEEDED, "step2": SUCCEEDED}
    ),
}


def definition(file: str) -> Workflow:
    text = (GOOD / file).read_text()
    found, faults = compile_file(file, text, step_types=TYPES, personas=Personas(has_folder=False))
    assert found is not None, faults
    return found.workflow


def simulated(case: Case) -> Simulation:
    workflow = definition(case.file)
    params, problems = check_params(workflow, {})
    assert problems == []
    task = normalise_task(dict(case.task), entry_id="0-1")
    return simulate(workflow, task=task, params=params, script=Script.read(case.replies))


@pytest.mark.parametrize("name", CASES)
def test_a_printed_workflow_runs_to_its_end_as_written(name: str) -> None:
    case = CASES[name]
    told = simulated(case)
    found = {row.path: row.status for row in rows(told.definition, told.state)}
    assert (told.status, found) == (case.status, found | case.nodes)
    outputs = told.state.record.outputs or {}
    assert dict(outputs) == {**outputs, **case.outputs}
    asked = {request.path: request.payload["params"] for request in told.requests}
    assert asked == {**asked, **case.asked}


def test_each_file_is_tried() -> None:
    assert {case.file for case in CASES.values()} == set(FILES)


def test_the_two_weather_reports_are_asked_for_side_by_side() -> None:
    told = simulated(CASES["what compares waits for both"])
    at = {request.path: request.at_ms for request in told.requests}
    assert at == {"weather_tokyo": 0, "weather_nyc": 0, "compare": 120_000, "send_msg": 120_000}
