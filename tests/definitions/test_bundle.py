"""Many files at once: which file is what, personas, names used twice, and all faults together."""

from __future__ import annotations

import pytest

from coordinator.core.definition import Ask
from coordinator.definitions import (
    Bundle,
    PersonaKind,
    compile_bundle,
    compile_persona,
    read_personas,
)
from tests.definitions.corpus import PERSONA_FILES, TYPES


def workflow(name: str, persona: str = "worker") -> str:
    return f"name: {name}\nversion: '1.0.0'\nsteps: {{a: {{persona: {persona}}}}}\n"


def rules(found: Bundle) -> list[str]:
    return [f"{fault.file} {fault.rule}" for fault in found.faults]


def test_files_are_what_their_place_and_name_say() -> None:
    found = compile_bundle(
        {
            "workflows/one.yml": workflow("one"),
            "workflows/deep/er/two.yaml": workflow("two"),
            "workflows/three.json": (
                '{"name": "three", "version": "1.0.0", "steps": {"a": {"persona": "worker"}}}'
            ),
            "sub/workflows/four.yml": workflow("four"),
            "workflows/one.scenario.yml": "scenario: not a workflow",
            "workflows/readme.md": "text",
            "other.yml": "nothing: of ours",
            "elsewhere/five.yml": workflow("five"),
            "personas/worker.yaml": PERSONA_FILES["personas/worker.yaml"],
            "personas/think/persona.yml": "{name: think, kind: llm, model: m}",
            "personas/think/notes.yml": "no: persona",
        },
        step_types=TYPES,
        workflows=["elsewhere/five.yml"],
    )

    assert rules(found) == []
    assert sorted(found.workflows) == ["five", "four", "one", "three", "two"]
    assert sorted(found.personas) == ["think", "worker"]
    assert found.files == 7


def test_all_faults_of_all_files_come_at_once_in_order() -> None:
    found = compile_bundle(
        {
            "workflows/b.yml": "name: b\nsteps: []\n",
            "workflows/a.yml": workflow("a", "wroker"),
            "workflows/c.yml": workflow("c"),
            "personas/worker.yaml": "{name: worker, kind: command, command: [make]}",
            "personas/broken.yaml": "{name: broken, kind: comand}",
        },
        step_types=TYPES,
    )

    assert rules(found) == [
        "personas/broken.yaml WF022",
        "workflows/a.yml WF060",
        "workflows/b.yml WF021",
        "workflows/b.yml WF030",
    ]
    assert list(found.workflows) == ["c"]


def test_without_a_folder_of_personas_an_unknown_one_is_a_warning() -> None:
    alone = compile_bundle({"workflows/a.yml": workflow("a")}, step_types=TYPES)
    empty = compile_bundle(
        {"workflows/a.yml": workflow("a"), "personas/README.md": ""}, step_types=TYPES
    )

    assert [(fault.rule, fault.severity) for fault in alone.faults] == [("WF060", "warning")]
    assert list(alone.workflows) == ["a"]
    assert [(fault.rule, fault.severity) for fault in empty.faults] == [("WF060", "error")]
    assert not empty.workflows


def test_a_workflow_that_asks_a_broken_persona_is_held_back_and_says_so() -> None:
    found = compile_bundle(
        {"workflows/a.yml": workflow("a"), "personas/worker.yaml": "{name: worker, kind: command}"},
        step_types=TYPES,
    )

    assert rules(found) == ["personas/worker.yaml WF021", "workflows/a.yml WF060"]
    assert "has faults" in found.faults[1].message


def test_two_workflows_of_one_id_are_a_fault() -> None:
    found = compile_bundle(
        {"workflows/a.yml": workflow("Same name"), "workflows/b.yml": workflow("same-name")},
        step_types=TYPES,
    )

    assert "workflows/b.yml WF038" in rules(found)
    assert found.workflows["same-name"].file == "workflows/a.yml"


@pytest.mark.parametrize(
    "other",
    [
        "{name: worker, kind: human}",
        "{name: hand, kind: human}",
        "{name: other, kind: human, aliases: [worker]}",
        "{name: other, kind: human, aliases: [hand]}",
    ],
)
def test_two_personas_of_one_name_or_alias_are_a_fault(other: str) -> None:
    found = compile_bundle(
        {"personas/a.yaml": PERSONA_FILES["personas/worker.yaml"], "personas/b.yaml": other},
        step_types=TYPES,
    )

    assert rules(found) == ["personas/b.yaml WF038"]


def test_personas_known_from_elsewhere_may_be_asked() -> None:
    known, _, _ = read_personas(PERSONA_FILES)
    found = compile_bundle(
        {"w.yml": workflow("w", "hand")}, step_types=TYPES, personas=known, workflows=["w.yml"]
    )

    assert rules(found) == []
    primitive = found.workflows["w"].workflow.nodes["a"].primitive
    assert isinstance(primitive, Ask)
    assert primitive.target == "worker"
    assert found.workflows["w"].personas == ("worker",)


def test_a_persona_file_is_read_whole() -> None:
    text = """
name: tester-qa
kind: command
description: Runs the project's tests and judges them
aliases: [qa-engineer]
status: enabled
capabilities: [test]
intents: ["run the tests"]
files: read
timeout: 10m
concurrency: 2
rate_limit: {requests: 60, per: 1m}
budget: {usd: 1.0, per: run, mode: enforce}
tests: required
input_schema: {}
result_schema: {type: object}
command: [pytest, -q, "{{ params.path | default('.') }}"]
exit_codes: {0: pass, 1: fail, 5: unknown}
"""
    found, faults = compile_persona("personas/tester-qa.yaml", text)

    assert {fault.rule for fault in faults} == {"WF039"}
    assert found is not None
    persona = found.persona
    assert persona.kind is PersonaKind.COMMAND
    assert persona.command == ("pytest", "-q", "{{ params.path | default('.') }}")
    assert persona.exit_codes == {0: "pass", 1: "fail", 5: "unknown"}
    assert (persona.timeout_ms, persona.concurrency, persona.tests_required) == (600_000, 2, True)
    assert persona.settings["rate_limit"] == {"requests": 60, "per": "60000ms"}


@pytest.mark.parametrize(
    "key",
    [
        "concurrency: 2",
        "rate_limit: {requests: 60, per: 1m}",
        "budget: {usd: 1.0}",
    ],
)
def test_what_a_persona_says_in_vain_has_a_warning_at_its_place(key: str) -> None:
    text = f"name: a\nkind: command\ncommand: [x]\n{key}\n"

    found, [fault] = compile_persona("personas/a.yaml", text)

    assert found is not None
    assert (fault.rule, fault.severity.value, fault.line) == ("WF039", "warning", 4)
    assert fault.message.startswith(f'"{key.partition(":")[0]}" has no effect')


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{name: a, kind: command}", "WF021"),
        ("{kind: human}", "WF021"),
        ("{name: a, kind: robot}", "WF022"),
        ("{name: A, kind: human}", "WF024"),
        ("{name: a, kind: human, aliases: [B]}", "WF024"),
        ("{name: a, kind: human, command: [x]}", "WF020"),
        ("{name: a, kind: human, comand: [x]}", "WF020"),
        ("{name: a, kind: command, command: pytest -q}", "WF022"),
        ("{name: a, kind: command, command: []}", "WF022"),
        ("{name: a, kind: command, command: [x], exit_codes: {0: good}}", "WF022"),
        ("{name: a, kind: command, command: [x], exit_codes: {x: pass}}", "WF022"),
        ("{name: a, kind: command, command: ['{{ steps.a }}']}", "WF052"),
        ("{name: a, kind: command, command: ['{{ params. }}']}", "WF051"),
        ("{name: a, kind: human, timeout: never}", "WF029"),
        ("{name: a, kind: human, tests: yes}", "WF022"),
        ("{name: a, kind: human, status: off}", "WF022"),
        ("{name: a, kind: llm, model: m, prompt: missing.md}", "WF062"),
        ("{name: a, kind: llm, model: m, temperature: hot}", "WF022"),
        ("{name: a, kind: human, rate_limit: {requests: 0, per: 1m}}", "WF022"),
        ("[a]", "WF022"),
        ("a: {{ b }}", "WF009"),
    ],
)
def test_a_bad_persona_has_its_one_fault(text: str, rule: str) -> None:
    found, faults = compile_persona("personas/a.yaml", text)

    assert found is None
    assert [fault.rule for fault in faults] == [rule]


def test_two_thousand_steps_in_two_hundred_files_are_all_checked() -> None:
    files = {**PERSONA_FILES}
    for number in range(200):
        steps = "".join(
            f"  - {{id: s{step}, persona: worker, dependencies: [s{step - 1}], "
            f'params: {{x: "{{{{ steps.s{step - 1}.result }}}}"}}}}\n'
            for step in range(1, 9)
        )
        files[f"workflows/w{number}.yml"] = (
            f"name: w{number}\nversion: '1.0.0'\nsteps:\n  - {{id: s0, persona: worker}}\n{steps}"
            f"  - {{id: last, persona: wroker, condition: 'steps.s81.result'}}\n"
        )

    found = compile_bundle(files, step_types=TYPES)

    assert len(found.faults) == 400
    assert {fault.rule for fault in found.faults} == {"WF060", "WF053"}
    assert all(fault.hint.startswith("Did you mean") for fault in found.faults)


def test_a_file_of_thousands_of_steps_and_faults_is_answered() -> None:
    steps = "".join(
        f"  - {{id: s{n}, persona: nobody{n}, dependencies: [s{(n + 1) % 4000}, x{n}]}}\n"
        for n in range(4000)
    )
    found = compile_bundle(
        {"workflows/w.yml": f"name: w\nversion: '1.0.0'\nsteps:\n{steps}", **PERSONA_FILES},
        step_types=TYPES,
    )

    assert len(found.faults) == 8001
