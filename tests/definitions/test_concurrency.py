"""`concurrency` of a workflow file: what it compiles to, and what is wrong with others."""

from __future__ import annotations

import pytest

from coordinator.core.concurrency import OnConflict
from coordinator.definitions.compile import compile_file
from coordinator.definitions.faults import Fault
from coordinator.definitions.personas import Personas
from coordinator.definitions.workflow import Compiled
from tests.definitions.corpus import TYPES


def compiled(concurrency: str) -> tuple[Compiled | None, list[Fault]]:
    """A workflow with this key, and its faults."""
    text = (
        "name: w\nversion: '1.0.0'\nparams: {where: {}}\nvariables: {site: x}\n"
        f"concurrency: {concurrency}\nsteps: [{{id: a, persona: worker}}]\n"
    )
    found, faults = compile_file(
        "w.yml", text, step_types=TYPES, personas=Personas(has_folder=False)
    )
    return found, [fault for fault in faults if fault.rule != "WF060"]


def test_one_run_at_a_time_that_others_wait_for_is_what_a_key_alone_means() -> None:
    found, faults = compiled('{key: "{{ task.repo }}"}')
    assert found is not None
    assert found.workflow.concurrency is not None
    assert found.workflow.concurrency.limit == 1
    assert found.workflow.concurrency.on_conflict is OnConflict.QUEUE
    assert found.workflow.concurrency.key.render({"task": {"repo": "r"}}) == "r"
    assert faults == []


def test_a_workflow_without_a_key_has_none() -> None:
    found, _ = compiled("null")
    assert found is not None
    assert found.workflow.concurrency is None


@pytest.mark.parametrize(
    ("given", "canonical"), [("cancel_running", "replace"), ("reject", "skip")]
)
def test_another_spelling_is_the_same_definition(given: str, canonical: str) -> None:
    one, _ = compiled(f"{{key: k, limit: 2, on_conflict: {given}}}")
    other, faults = compiled(f"{{key: k, limit: 2, on_conflict: {canonical}}}")
    assert one is not None
    assert other is not None
    assert one.workflow.concurrency == other.workflow.concurrency
    assert one.workflow.digest == other.workflow.digest
    assert faults == []


@pytest.mark.parametrize(
    ("concurrency", "rule", "place"),
    [
        ("{}", "WF021", (5, 14)),
        ("{key: k, limit: 0}", "WF022", (5, 30)),
        ("{key: k, on_conflict: wait}", "WF022", (5, 36)),
        ("{key: k, max: 2}", "WF020", (5, 23)),
        ("{key: 7}", "WF022", (5, 20)),
        ('{key: "{{ task. }}"}', "WF051", (5, 30)),
        ('{key: "{{ steps.a.result }}"}', "WF059", (5, 24)),
        ('{key: "{{ variables.sight }}"}', "WF055", (5, 24)),
        ("k", "WF022", (5, 14)),
    ],
)
def test_what_cannot_be_a_key_is_a_fault_at_its_place(
    concurrency: str, rule: str, place: tuple[int, int]
) -> None:
    found, faults = compiled(concurrency)
    assert found is None
    assert [(fault.rule, fault.line, fault.column) for fault in faults] == [(rule, *place)]
