"""Schemas in files: what they refuse before anything runs."""

from __future__ import annotations

import pytest

from coordinator.definitions import compile_persona
from tests.definitions.corpus import bad_faults, compiled

HEAD = 'name: some work\nversion: "1.0.0"\nsteps:\n'


def told(steps: str) -> list[tuple[str, str]]:
    return [(fault.rule, fault.message) for fault in bad_faults("f", HEAD + steps)]


def strict(params: str) -> str:
    return f"  - {{id: a, persona: strict, params: {params}}}\n"


@pytest.mark.parametrize(
    "params",
    [
        "{depth: 1}",
        '{depth: "{{ task.depth }}"}',
        '{depth: 2, area: "{{ task.area }}"}',
        '{depth: 2, area: {name: "{{ task.name }}"}}',
    ],
)
def test_params_that_fit_or_may_fit_once_rendered_are_no_fault(params: str) -> None:
    assert told(strict(params)) == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{}", 'the persona "strict" needs params.depth'),
        ('{depth: "{{ task.d }}", dept: 1}', 'the persona "strict" does not take params.dept'),
        ("{depth: deep}", 'params.depth has to be a whole number, not text; the persona "strict"'),
        ("{depth: 0}", 'params.depth has to be at least 1; the persona "strict" asks for it'),
        ('{depth: 1, area: {nam: "{{ task.x }}"}}', 'the persona "strict" needs params.area.name'),
    ],
)
def test_literal_params_that_do_not_fit_are_faults(params: str, message: str) -> None:
    [(rule, found)] = told(strict(params))

    assert rule == "WF087"
    assert found.startswith(message)


def test_a_step_without_params_is_held_against_the_schema_too() -> None:
    [(rule, message)] = told("  - {id: a, persona: strict}\n")

    assert (rule, message) == ("WF087", 'the persona "strict" needs params.depth')


@pytest.mark.parametrize(
    "read",
    [
        "steps.a.result.score",
        "steps.a.score",
        "a.output.plan.steps",
        "a.plan.steps.length",
        "a.plan.steps[0].anything",
        "state.a_result.score",
        "a.verdict",
        "a.attempts",
    ],
)
def test_keys_that_the_schema_allows_can_be_read(read: str) -> None:
    later = (
        f'  - {{id: b, persona: worker, dependencies: [a], params: {{x: "{{{{ {read} }}}}"}}}}\n'
    )

    assert told(strict("{depth: 1}") + later) == []


@pytest.mark.parametrize(
    "read",
    [
        "steps.a.result.scores",
        "steps.a.scores",
        "a.output.plan.stpes",
        "state.a_result.scores",
        "context.state.a_result.scores",
        "a.scores | default(3)",
    ],
)
def test_keys_that_the_schema_rules_out_are_faults(read: str) -> None:
    later = (
        f'  - {{id: b, persona: worker, dependencies: [a], params: {{x: "{{{{ {read} }}}}"}}}}\n'
    )

    [(rule, message)] = told(strict("{depth: 1}") + later)

    assert rule == "WF085"
    assert message.startswith('the result of "a" never has "')


def test_outputs_of_the_workflow_are_held_against_the_schema_too() -> None:
    text = HEAD + strict("{depth: 1}") + 'outputs: {x: "{{ a.scores }}"}\n'

    assert [fault.rule for fault in bad_faults("f", text)] == ["WF085"]


def test_a_step_that_another_persona_may_answer_can_have_any_key() -> None:
    steps = """
  - {id: a, persona: strict, params: {depth: 1}, on_error: {fallback: worker}}
  - {id: b, persona: worker, params: {x: "{{ a.scores }}"}}
"""
    assert told(steps) == []


def test_a_key_that_either_schema_rules_out_is_a_fault() -> None:
    steps = """
  - id: a
    persona: strict
    params: {depth: 1}
    result_schema:
      $ref: "#/$defs/r"
      $defs: {r: {properties: {plan: {}}, additionalProperties: false}}
  - {id: b, persona: worker, params: {x: "{{ a.score }}"}}
"""
    assert [rule for rule, _ in told(steps)] == ["WF085"]


def test_the_compiled_workflow_has_the_schemas_of_steps_and_of_the_personas_it_asks() -> None:
    found = compiled(
        HEAD
        + strict("{depth: 1}")
        + "  - {id: b, persona: worker, result_schema: {type: object}}\n"
    ).workflow

    assert set(found.contracts) == {"strict"}
    assert found.nodes["a"].result_schema is None
    schema = found.nodes["b"].result_schema
    assert schema is not None
    assert schema.source == {"type": "object"}


@pytest.mark.parametrize("key", ["input_schema", "result_schema"])
def test_a_persona_with_a_schema_that_cannot_be_used_is_refused_at_its_place(key: str) -> None:
    text = f"name: a\nkind: command\ncommand: [x]\n{key}:\n  properties:\n    n: {{type: int}}\n"

    found, [fault] = compile_persona("personas/a.yaml", text)

    assert found is None
    assert (fault.rule, fault.line, fault.column) == ("WF086", 6, 15)
    assert "integer" in fault.message


def test_an_empty_schema_asks_for_nothing() -> None:
    found, faults = compile_persona(
        "personas/a.yaml", "{name: a, kind: command, command: [x], input_schema: {}}"
    )

    assert not faults
    assert found is not None
    assert found.persona.contract.input is None


# Outputs


def test_outputs_read_the_own_result_and_make_edges_to_other_steps() -> None:
    found = compiled(
        HEAD
        + """
  - {id: a, persona: worker}
  - {id: b, persona: worker, outputs: {x: "{{ result.x }} {{ verdict }}", y: "{{ a.result }}"}}
"""
    ).workflow

    assert found.nodes["b"].dependencies == ("a",)
    assert set(found.nodes["b"].outputs) == {"x", "y"}


@pytest.mark.parametrize(
    ("steps", "rule", "message"),
    [
        (
            '- {id: a, persona: worker, outputs: {x: "{{ steps.a.result }}"}}',
            "WF043",
            'step "a" reads its own result',
        ),
        (
            '- {id: a, persona: worker, outputs: {x: "{{ reslut }}"}}',
            "WF052",
            '"reslut" is not known here',
        ),
        (
            '- {id: a, persona: worker, params: {x: "{{ result }}"}}',
            "WF052",
            '"result" is not known here',
        ),
        (
            '- {id: a, persona: worker, outputs: {x: "{{ result | nosuch }}"}}',
            "WF051",
            "",
        ),
        (
            "- {id: a, persona: worker, outputs: {version: 1}}\n"
            '  - {id: b, persona: worker, params: {x: "{{ a.outputs.vresion }}"}}',
            "WF085",
            'the outputs of "a" do not have "vresion"',
        ),
        (
            "- {id: a, persona: worker, outputs: {verdict: 1}}",
            "WF027",
            '"verdict" of a step means something else',
        ),
        (
            "- {id: a, type: parallel, outputs: {x: '{{ b.x }}'}, "
            "steps: [{id: b, persona: worker, condition: task.x}]}",
            "WF058",
            '"b.x" may be missing',
        ),
        (
            "- {id: a, type: foreach, items: [1], outputs: {x: '{{ b.x }}'}, "
            "steps: [{id: b, persona: worker}]}",
            "WF045",
            "",
        ),
    ],
)
def test_outputs_that_cannot_be_are_faults(steps: str, rule: str, message: str) -> None:
    [(found, said)] = told(f"  {steps}\n")

    assert found == rule
    assert said.startswith(message)


@pytest.mark.parametrize(
    "steps",
    [
        "- {id: a, type: parallel, outputs: {x: '{{ b.x }}'}, steps: [{id: b, persona: worker}]}",
        "- {id: a, type: repeat, max_iterations: 2, until: b.x, outputs: {x: '{{ b.x }}'}, "
        "steps: [{id: b, persona: worker}]}",
        "- {id: a, persona: worker, outputs: {version: 1}}\n"
        '  - {id: b, persona: worker, params: {x: "{{ a.outputs.version }} {{ a.version }}"}}',
        "- {id: a, persona: strict, params: {depth: 1}, outputs: {version: 1}}\n"
        '  - {id: b, persona: worker, params: {x: "{{ a.version }} {{ a.score }}"}}',
    ],
)
def test_outputs_can_be_read_where_they_are(steps: str) -> None:
    assert told(f"  {steps}\n") == []
