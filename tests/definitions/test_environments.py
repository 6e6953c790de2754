"""Environments: an overlay is put over the files before they are checked, compiled and hashed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordinator.core.definition import Ask, Node
from coordinator.definitions import Bundle, compile_bundle, load_document
from tests.definitions.corpus import TYPES

WORKFLOW = """\
name: Ship it
version: "1.0.0"
parameters:
  branch: {type: string, default: main, enum: [main, release]}
variables: {minutes: 30, note: hello}
defaults: {timeout: 10m, retry: {delay: 5s, max_attempts: 2}}
steps:
  - {id: plan, persona: worker, with: {stage: first, keep: 1}}
  - id: checks
    type: parallel
    steps:
      qa: {persona: worker, dependencies: [], params: {where: "{{ env.region | default('here') }}"}}
"""
PERSONA = "{name: worker, kind: command, command: [make, -k], timeout: 5m}"
FILES = {"workflows/ship.yml": WORKFLOW, "personas/worker.yaml": PERSONA}


def bundle(env: str = "production", **overlays: str) -> Bundle:
    overlays = {"other": "values: {region: there}", **overlays}
    files = {f"envs/{name}.yaml": text for name, text in overlays.items()}
    return compile_bundle({**FILES, **files}, step_types=TYPES, env=env)


def document(found: Bundle) -> dict[str, Any]:
    assert found.faults == (), "\n".join(map(str, found.faults))
    content: dict[str, Any] = json.loads(found.workflows["ship-it"].document)
    return content


def asked(found: Bundle, path: str) -> tuple[Node, Ask]:
    node = found.workflows["ship-it"].workflow.nodes[path]
    assert isinstance(node.primitive, Ask)
    return node, node.primitive


def places(found: Bundle) -> list[str]:
    return [f"{each.rule} {each.file}:{each.line}:{each.column}" for each in found.faults]


def test_without_a_choice_no_overlay_counts() -> None:
    plain = compile_bundle(FILES, step_types=TYPES).workflows["ship-it"].workflow.digest

    chosen_none = bundle("", production="variables: {minutes: 60}")

    assert chosen_none.workflows["ship-it"].workflow.digest == plain
    assert chosen_none.files == 4


def test_variables_count_in_every_workflow_that_declares_them() -> None:
    found = document(bundle(production="variables: {minutes: 60}"))

    assert found["workflow"]["variables"] == {"minutes": 60, "note": "hello"}


def test_a_variable_that_some_workflow_declares_is_left_alone_in_the_others() -> None:
    other = 'name: other\nversion: "1.0.0"\nvariables: {days: 1}\nsteps: {a: {persona: worker}}\n'
    overlay = "{values: {region: x}, variables: {minutes: 60, days: 2}}"
    files = {**FILES, "workflows/other.yml": other, "envs/production.yaml": overlay}

    found = compile_bundle(files, step_types=TYPES, env="production")

    assert document(found)["workflow"]["variables"] == {"minutes": 60, "note": "hello"}
    assert json.loads(found.workflows["other"].document)["workflow"]["variables"] == {"days": 2}


def test_mappings_merge_deeply_lists_and_scalars_replace_and_null_removes() -> None:
    found = document(
        bundle(
            production="""\
defaults: {timeout: null, retry: {max_attempts: 5}}
workflows:
  ship-it:
    params: {branch: {default: release, enum: [release]}}
    variables: {note: null}
    steps: {plan: {params: {stage: null, more: {x: 1, y: null}}}}
"""
        )
    )

    workflow = found["workflow"]
    assert workflow["defaults"] == {"retry": {"delay": "5000ms", "max_attempts": 5}}
    assert workflow["params"]["branch"] == {
        "type": "string", "default": "release", "enum": ["release"]
    }  # fmt: skip
    assert workflow["variables"] == {"minutes": 30}
    assert workflow["steps"][0]["params"] == {"keep": 1, "more": {"x": 1}}


def test_a_step_is_changed_wherever_it_is_in_the_file() -> None:
    found = bundle(
        production="workflows: {ship-it: {timeout: 2h, steps: {qa: {retries: 3, timeout: 30m}}}}"
    )

    node, ask = asked(found, "checks/qa")
    assert (node.retry.max_attempts, ask.timeout) == (4, 1_800_000)
    assert found.workflows["ship-it"].workflow.timeout_ms == 7_200_000


def test_what_a_workflow_says_for_itself_wins_over_what_is_for_all() -> None:
    found = document(
        bundle(
            production="variables: {minutes: 60}\nworkflows: {ship-it: {variables: {minutes: 90}}}"
        )
    )

    assert found["workflow"]["variables"]["minutes"] == 90


def test_keys_of_a_persona_are_replaced() -> None:
    found = bundle(production="personas: {worker: {timeout: 20m, command: [make, -q]}}")

    persona = found.personas["worker"]
    assert (persona.timeout_ms, persona.command) == (1_200_000, ("make", "-q"))
    assert asked(found, "plan")[1].timeout == 1_200_000
    assert document(found)["personas"]["worker"]["command"] == ["make", "-q"]


def test_every_overlay_that_changes_something_makes_another_digest() -> None:
    overlays = {
        "one": "values: {region: a}",
        "two": "values: {region: b}",
        "three": "{values: {region: a}, variables: {minutes: 1}}",
        "four": "personas: {worker: {timeout: 1m}}",
    }

    digests = {
        env: bundle(env, **overlays).workflows["ship-it"].workflow.digest for env in ["", *overlays]
    }

    assert len(set(digests.values())) == 5


def test_values_that_nobody_reads_make_no_other_definition() -> None:
    one = bundle(production="values: {region: a, unread: 1}")
    two = bundle(production="values: {region: a, unread: 2}")

    assert document(one) == document(two)
    assert document(one)["env"] == {"region": "a"}


def test_whoever_reads_env_as_a_whole_gets_all_of_it() -> None:
    text = WORKFLOW.replace("env.region | default('here')", "env | tojson")
    files = {**FILES, "workflows/ship.yml": text, "envs/production.yaml": "values: {a: 1, b: [2]}"}

    found = compile_bundle(files, step_types=TYPES, env="production")

    assert found.workflows["ship-it"].workflow.env == {"a": 1, "b": [2]}


def test_a_stored_definition_brings_the_values_of_its_environment() -> None:
    compiled = bundle(production="values: {region: a}").workflows["ship-it"]

    loaded, _ = load_document(compiled.workflow.digest, compiled.document, step_types=TYPES)

    assert loaded == compiled.workflow
    assert loaded.env == {"region": "a"}


@pytest.mark.parametrize(
    ("overlay", "place"),
    [
        ("workflows:\n  ship-it:\n    timeout: soon\n", "WF029 envs/production.yaml:3:14"),
        ("workflows: {ship-it: {steps: {qa: {timeot: 1}}}}", "WF020 envs/production.yaml:1:36"),
        (
            'workflows:\n  ship-it:\n    steps:\n      plan: {params: {a: "{{ nope }}"}}\n',
            "WF052 envs/production.yaml:4:30",
        ),
        ("workflows: {ship-it: {steps: {qa: {persona: x}}}}", "WF060 envs/production.yaml:1:45"),
        (
            "workflows: {ship-it: {params: {branch: {enum: [7]}}}}",
            "WF037 envs/production.yaml:1:48",
        ),
        ("personas: {worker: {timeout: never}}", "WF029 envs/production.yaml:1:30"),
        ("personas: {worker: {command: [a, 7]}}", "WF022 envs/production.yaml:1:34"),
        ("defaults: {retry: {backoff: soft}}", "WF022 envs/production.yaml:1:29"),
        ("{variables: {minutes: '{{ x }}'}}", "WF052 envs/production.yaml:1:27"),
        ("valuse: {}", "WF020 envs/production.yaml:1:1"),
        ("values: {a: ['{{ task.id }}']}", "WF022 envs/production.yaml:1:14"),
        ("workflows: {ship-it: 7}", "WF022 envs/production.yaml:1:22"),
    ],
)
def test_a_fault_of_merged_content_is_where_its_value_came_from(overlay: str, place: str) -> None:
    found = bundle(production=overlay)

    assert place in places(found)
    assert all(each.file in ("envs/production.yaml", "workflows/ship.yml") for each in found.faults)


def test_what_the_overlay_leaves_alone_keeps_its_place_in_the_workflow() -> None:
    broken = WORKFLOW.replace("stage: first", 'stage: "{{ nope }}"')
    files = {**FILES, "workflows/ship.yml": broken}
    overlay = "{values: {region: x}, workflows: {ship-it: {steps: {plan: {params: {keep: 2}}}}}}"

    found = compile_bundle(
        {**files, "envs/production.yaml": overlay}, step_types=TYPES, env="production"
    )

    assert places(found) == ["WF052 workflows/ship.yml:8:51"]


@pytest.mark.parametrize(
    ("overlay", "key"),
    [
        *(
            (f"workflows: {{ship-it: {{steps: {{checks: {{{key}: x}}}}}}}}", key)
            for key in ("id", "type", "dependencies", "needs", "condition", "if", "join", "steps")
        ),
        ("workflows: {ship-it: {steps: {plan: {undo: [{id: a}]}}}}", "undo"),
        ("workflows: {ship-it: {steps: {plan: {on_error: {fallback: [{id: a}]}}}}}", "on_error"),
        ("workflows: {ship-it: {params: {branch: {type: integer}}}}", "type"),
        ("personas: {worker: {kind: llm}}", "kind"),
        ("personas: {worker: {name: other}}", "name"),
    ],
)
def test_an_overlay_cannot_change_what_steps_there_are_or_when_they_run(
    overlay: str, key: str
) -> None:
    faults = [fault for fault in bundle(production=overlay).faults if fault.rule == "WF080"]

    assert [(each.file, each.message) for each in faults] == [
        ("envs/production.yaml", f'an overlay cannot change "{key}"')
    ]


@pytest.mark.parametrize(
    ("overlay", "what"),
    [
        ("workflows: {ship: {}}", 'workflow "ship"'),
        ("workflows: {ship-it: {steps: {plna: {timeout: 1}}}}", 'step "plna"'),
        ("workflows: {ship-it: {variables: {minuts: 1}}}", 'variable "minuts"'),
        ("workflows: {ship-it: {params: {brunch: {default: x}}}}", 'param "brunch"'),
        ("personas: {wroker: {timeout: 1}}", 'persona "wroker"'),
        ("variables: {minuts: 1}", 'variable "minuts"'),
    ],
)
def test_a_name_that_is_not_there_is_a_fault_with_the_near_miss(overlay: str, what: str) -> None:
    [fault] = bundle(production=overlay).faults

    assert (fault.rule, fault.file) == ("WF081", "envs/production.yaml")
    assert what in fault.message
    assert "Did you mean" in fault.hint


def test_an_environment_that_is_not_there_is_a_fault_that_lists_those_there_are() -> None:
    found = bundle("prodution", production="{}", staging="{}")

    [fault] = found.faults
    assert fault.message == 'there is no environment "prodution"'
    assert fault.hint == 'Did you mean "production"? There are: other, production, staging.'


READING = 'name: ship it\nversion: "1.0.0"\nsteps: {a: {persona: worker, params: {x: "%s"}}}\n'


@pytest.mark.parametrize(
    ("expression", "env", "overlays", "expected"),
    [
        ("{{ env.region }}", "a", {"a": "values: {region: x}", "b": "{}"}, []),
        ("{{ env.regoin }}", "a", {"a": "values: {region: x}"}, ["WF082 error"]),
        ("{{ env.regoin | default(1) }}", "", {"a": "values: {region: x}"}, ["WF082 error"]),
        ("{{ env.region }}", "b", {"a": "values: {region: x}", "b": "{}"}, ["WF082 error"]),
        ("{{ env.region | default(1) }}", "b", {"a": "values: {region: x}", "b": "{}"}, []),
        ("{{ env.region }}", "", {"a": "values: {region: x}"}, ["WF083 warning"]),
        ("{{ env.region }}", "", {}, ["WF083 warning"]),
        ("{{ env.region | default(1) }}", "", {}, []),
        ("{{ env.region if env.region else 1 }}", "", {}, []),
    ],
)
def test_names_below_env_are_checked_against_the_environments(
    expression: str, env: str, overlays: dict[str, str], expected: list[str]
) -> None:
    files = {**FILES, "workflows/ship.yml": READING % expression}
    files |= {f"envs/{name}.yaml": text for name, text in overlays.items()}

    found = compile_bundle(files, step_types=TYPES, env=env)

    assert [f"{each.rule} {each.severity}" for each in found.faults] == expected


def test_a_condition_that_asks_for_a_value_stands_in_for_it_in_the_step() -> None:
    text = (READING % "{{ env.region }}").replace("params:", "condition: env.region, params:")
    files = {**FILES, "workflows/ship.yml": text, "envs/a.yaml": "values: {region: x}"}

    for env in ("", "b"):
        found = compile_bundle({**files, "envs/b.yaml": "{}"}, step_types=TYPES, env=env)
        assert found.faults == ()


def test_in_a_condition_a_missing_value_of_the_environment_is_null() -> None:
    text = READING.replace('params: {x: "%s"}', "condition: env.region == 'x'")

    found = compile_bundle({**FILES, "workflows/ship.yml": text}, step_types=TYPES)

    assert found.faults == ()


def test_a_workflow_in_a_folder_of_its_own_called_envs_is_no_overlay() -> None:
    files = {**FILES, "workflows/envs/ship.yml": WORKFLOW, "workflows/ship.yml": ""}

    found = compile_bundle(
        {**files, "sub/envs/production.yaml": "values: {region: x}"}, step_types=TYPES
    )

    assert found.workflows["ship-it"].file == "workflows/envs/ship.yml"
    assert [each.file for each in found.faults] == ["workflows/ship.yml"]


def test_two_files_of_one_environment_are_a_fault() -> None:
    files = {**FILES, "envs/production.yaml": "{}", "envs/production.yml": "{}"}

    [fault] = [each for each in compile_bundle(files, step_types=TYPES).faults if each.line == 1]

    assert (fault.rule, fault.file) == ("WF038", "envs/production.yml")
