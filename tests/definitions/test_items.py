"""`foreach` and `switch` as files write them: names, edges, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordinator.core.definition import Choose, Map
from coordinator.definitions import load_document
from coordinator.simulation import simulate
from tests.definitions.corpus import TYPES, bad_faults, compiled

HEAD = "name: w\nversion: '1.0.0'\nparams: {cities: {type: list}}\nsteps:\n"
EACH = """  - id: each
    type: foreach
    items: "{{ params.cities }}"
    as: city
    max_concurrent: 2
    steps:
      - {id: a, persona: worker, params: {city: "{{ city.name }}", at: "{{ index }}"}}
      - {id: b, persona: worker, params: {of: "{{ a.result }}"}}
"""
SWITCH = """  - id: way
    type: switch
    on: "{{ task.type }}"
    cases:
      bug: [{id: fix, persona: worker}]
      200: [{id: ok, persona: worker}]
      True: {yes: {persona: worker}}
    default: [{id: other, persona: worker}]
"""


def rules(text: str) -> list[str]:
    return [each.rule for each in bad_faults("file", HEAD + text)]


def test_a_foreach_becomes_a_map() -> None:
    workflow = compiled(HEAD + EACH).workflow
    each = workflow.nodes["each"].primitive
    assert isinstance(each, Map)
    assert (each.as_name, each.max_concurrent, list(each.graph.nodes)) == ("city", 2, ["a", "b"])
    assert workflow.nodes["each/b"].dependencies == ("a",)


def test_a_switch_becomes_a_choice_by_value() -> None:
    way = compiled(HEAD + SWITCH).workflow.nodes["way"].primitive
    assert isinstance(way, Choose)
    assert [branch.case for branch in way.branches] == ["200", "bug", "true"]
    assert way.otherwise is not None


@pytest.mark.parametrize("text", [EACH, SWITCH])
def test_the_stored_document_compiles_to_the_same(text: str) -> None:
    found = compiled(HEAD + text)
    again, _ = load_document(found.workflow.digest, found.document, step_types=TYPES)
    assert again == found.workflow
    assert json.loads(found.document)["workflow"]["steps"]


def test_both_run() -> None:
    workflow = compiled(HEAD + EACH + SWITCH).workflow
    cities = [{"name": "tokyo"}, {"name": "nyc"}, {"name": "rome"}]
    done = simulate(workflow, task={"type": "bug"}, params={"cities": cities})
    assert done.status == "succeeded"
    assert "way/fix" in done.started
    asked: Any = {each.path: each.payload["params"] for each in done.requests}
    assert asked["each[2]/a"] == {"city": "rome", "at": 2}


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ("items: nothing", "WF022"),
        ("items: {a: 1}", "WF022"),
        ("items: [1], as: 2x", "WF022"),
        ("items: [1], as: _x", "WF022"),
        ("items: [1], as: task", "WF026"),
        ("items: [1], max_concurrent: 0", "WF022"),
        ("as: x", "WF021"),
        ("items: [1], on_branch_error: stop", "WF022"),
        ('items: ["{{ nothing.here }}"]', "WF052"),
    ],
)
def test_a_foreach_that_cannot_be_is_refused(keys: str, rule: str) -> None:
    text = f"  - {{id: e, type: foreach, {keys}, steps: [{{id: x, persona: worker}}]}}\n"
    assert rules(text) == [rule]


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ("on: task.type, cases: {a: [{id: x, persona: worker}]}", "WF022"),
        ('on: "{{ task.type }}", cases: {}', "WF022"),
        ('on: "{{ task.type }}", cases: {a: []}', "WF030"),
        (
            'on: "{{ task.id }}", cases: {true: {x: {run: [a]}}, True: {y: {run: [a]}}}',
            "WF022",
        ),
        ('on: "{{ task.type }}", default: [{id: x, persona: worker}]', "WF021"),
        ('on: "{{ task.type }}", cases: {a: [{id: x}], b: [{id: x}]}', "WF025"),
    ],
)
def test_a_switch_that_cannot_be_is_refused(keys: str, rule: str) -> None:
    assert rule in rules(f"  - {{id: s, type: switch, {keys}}}\n")


def test_items_are_known_inside_only() -> None:
    inside = "{id: x, persona: worker, params: {a: '{{ item }}', i: '{{ index }}'}}"
    text = f"  - {{id: e, type: foreach, items: [1], steps: [{inside}]}}\n"
    assert rules(text) == []
    outside = "  - {id: o, persona: worker, params: {a: '{{ item }}', i: '{{ index }}'}}\n"
    assert rules(outside) == ["WF059", "WF059"]


def test_the_undo_steps_of_a_step_inside_know_the_item_and_a_fallback_of_the_foreach_does_not() -> (
    None
):
    undo = "undo: [{id: u, persona: worker, params: {a: '{{ item }}'}}]"
    fallback = "on_error: {fallback: [{id: f, persona: worker, params: {a: '{{ item }}'}}]}"
    inner = f"steps: [{{id: x, persona: worker, {undo}}}]"
    text = f"  - {{id: e, type: foreach, items: [1], {inner}, {fallback}}}\n"
    assert [(each.rule, each.column > 100) for each in bad_faults("f", HEAD + text)] == [
        ("WF059", True)
    ]


@pytest.mark.parametrize(
    "reader",
    [
        "  - {id: r, persona: worker, params: {a: '{{ steps.b.result }}'}}\n",
        "  - {id: r, persona: worker, condition: \"state.a_status == 'pass'\"}\n",
        "outputs: {x: '{{ steps.b.result }}'}\n",
        "finally: [{id: r, persona: worker, params: {a: '{{ b.result | default(none) }}'}}]\n",
    ],
)
def test_a_step_inside_a_foreach_cannot_be_read_from_outside(reader: str) -> None:
    assert rules(EACH + reader) == ["WF045"]


def test_the_list_of_a_foreach_can_be_read_and_makes_an_edge() -> None:
    reader = "  - {id: r, persona: worker, params: {a: '{{ steps.each.result[0].b }}'}}\n"
    assert compiled(HEAD + EACH + reader).workflow.nodes["r"].dependencies == ("each",)


def test_a_step_of_a_case_is_read_by_its_id_from_outside_and_may_be_missing() -> None:
    reader = "  - {id: r, persona: worker, params: {a: '{{ steps.fix.result }}'}}\n"
    assert rules(SWITCH + reader) == ["WF058"]
    safe = "  - {id: r, persona: worker, params: {a: '{{ steps.fix.result | default(none) }}'}}\n"
    assert compiled(HEAD + SWITCH + safe).workflow.nodes["r"].dependencies == ("way",)


def test_a_step_of_another_case_cannot_be_read() -> None:
    text = SWITCH.replace(
        "{id: ok, persona: worker}",
        "{id: ok, persona: worker, params: {x: '{{ steps.fix.result }}'}}",
    )
    assert "WF059" in rules(text)
