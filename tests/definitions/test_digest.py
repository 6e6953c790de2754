"""Equal digests mean equal behaviour; comments, layout, key order and spelling mean nothing."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.definitions import (
    TamperedDefinitionError,
    UnreadableDefinitionError,
    compile_bundle,
    load_document,
)
from coordinator.definitions.digest import canonical_bytes, digest_of
from tests.definitions.corpus import PERSONA_FILES, TYPES, compiled

PLAIN: dict[str, Any] = {
    "name": "digested",
    "version": "1.0.0",
    "description": "d",
    "params": {"n": {"type": "list", "default": [1, 2]}, "m": {"type": "integer", "default": 1}},
    "variables": {"v": "x", "w": {"z": 1, "y": [1, 2]}},
    "defaults": {"timeout": "15m", "retry": {"max_attempts": 2, "delay": "1s"}},
    "steps": [
        {
            "id": "a",
            "type": "persona-request",
            "persona": "worker",
            "params": {"q": 1, "p": "{{ params.m }}"},
        },
        {
            "id": "b",
            "type": "persona-request",
            "persona": "tester",
            "dependencies": ["a"],
            "condition": "a.verdict == 'pass'",
            "on_error": "continue",
            "timeout": "90s",
        },
        {
            "id": "c",
            "type": "parallel",
            "steps": [
                {
                    "id": "d",
                    "type": "persona-request",
                    "persona": "worker",
                    "params": {"z": "{{ a.result }}", "y": "{{ b.result | default(1) }}"},
                },
                {
                    "id": "e",
                    "type": "git-operation",
                    "operation": "commit",
                    "message": "m",
                    "join": "all_settled",
                    "dependencies": ["d"],
                },
            ],
        },
    ],
    "finally": [{"id": "f", "type": "persona-request", "persona": "boss"}],
    "outputs": {"two": "{{ b.result }}", "one": "{{ a.result }}"},
}


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return [shuffled(each, chance) for each in value]
    return value


_SPELLINGS = {
    "dependencies": ["depends_on", "needs"],
    "condition": ["when", "if"],
    "persona": ["agent_id"],
}


def respelled(value: Any, chance: random.Random) -> Any:
    """The same with accepted spellings, durations and words in the place of the canonical ones."""
    if isinstance(value, list):
        return [respelled(each, chance) for each in value]
    if not isinstance(value, dict):
        return value
    written: dict[str, Any] = {}
    for key, inner in value.items():
        name, content = chance.choice([key, *_SPELLINGS.get(key, [])]), respelled(inner, chance)
        if content == "continue":
            content = chance.choice(["continue", "log_and_continue"])
        elif content == "15m":
            content = chance.choice(["15m", 900, "PT15M", "900s", 900.0])
        elif content == "all_settled":
            content = chance.choice(["all_settled", "always"])
        elif (key, content) == ("type", "list"):
            content = chance.choice(["list", "array"])
        written[name] = content
    if written.get("type") == "persona-request" and chance.random() < 0.5:
        del written["type"]
    if "id" in written and "params" in written:
        written[chance.choice(["params", "parameters", "with"])] = written.pop("params")
    return written


@given(st.randoms(use_true_random=False), st.booleans(), st.sampled_from([40, 100, 4000]))
@settings(max_examples=60, deadline=None)
def test_writing_a_workflow_differently_keeps_its_digest(
    chance: random.Random, flow: bool, width: int
) -> None:
    source = shuffled(respelled(PLAIN, chance), chance)
    text = yaml.safe_dump(source, sort_keys=False, default_flow_style=flow, width=width)
    lines = [
        "# a comment",
        *(f"{line}   # why" if line.endswith(":") else line for line in text.splitlines()),
    ]

    found = compiled("\n".join(lines) + "\n\n# end\n")

    assert found.workflow.digest == compiled(json.dumps(PLAIN)).workflow.digest
    assert found.workflow == compiled(json.dumps(PLAIN)).workflow


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    if isinstance(value, list) and value and not isinstance(value[0], str):
        return [
            leaf for index, inner in enumerate(value) for leaf in _leaves(inner, (*path, index))
        ]
    return [path]


_OTHER: dict[str, Callable[[Any], Any]] = {
    "id": lambda value: f"{value}x",
    "persona": lambda value: "editor",
    "version": lambda value: "1.0.1",
    "condition": lambda value: "a.verdict == 'fail'",
    "dependencies": lambda value: [],
    "timeout": lambda value: "91s",
    "delay": lambda value: "2s",
    "on_error": lambda value: "abort",
    "join": lambda value: "all_succeeded",
    "operation": lambda value: "apply-patch",
    "p": lambda value: "{{ params.n }}",
    "z": lambda value: "{{ a.result.x }}" if isinstance(value, str) else value + 1,
    "y": lambda value: "other",
    "two": lambda value: "{{ a.result }}",
    "one": lambda value: "{{ b.result }}",
}


def _changes() -> list[tuple[Any, ...]]:
    return [path for path in _leaves(PLAIN) if path[-1] not in ("type", "id")]


@pytest.mark.parametrize("path", _changes(), ids=lambda path: ".".join(map(str, path)))
def test_changing_any_value_changes_the_digest(path: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(PLAIN)
    place = changed
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    plain = (lambda value: value + 1) if isinstance(old, int) else (lambda value: f"{value} more")
    place[path[-1]] = _OTHER.get(path[-1], plain)(old)
    assert place[path[-1]] != old

    assert (
        compiled(json.dumps(changed)).workflow.digest != compiled(json.dumps(PLAIN)).workflow.digest
    )


def test_the_order_of_steps_is_part_of_the_digest() -> None:
    turned = {**PLAIN, "steps": [PLAIN["steps"][0], PLAIN["steps"][2], PLAIN["steps"][1]]}

    assert (
        compiled(json.dumps(turned)).workflow.digest != compiled(json.dumps(PLAIN)).workflow.digest
    )


def _bundle_digest(**changes: str) -> str:
    files = {
        "workflows/w.yml": "name: w\nversion: '1.0.0'\nsteps: {a: {persona: tester}}",
        **PERSONA_FILES,
        **{path.replace("__", "/"): text for path, text in changes.items()},
    }
    bundle = compile_bundle(files, step_types=TYPES)
    return bundle.workflows["w"].workflow.digest


def test_only_the_personas_that_are_used_are_part_of_the_digest() -> None:
    before = _bundle_digest()
    other = PERSONA_FILES["personas/worker.yaml"].replace("make", "cmake")
    used = PERSONA_FILES["personas/tester.yaml"].replace("pytest", "tox")

    assert _bundle_digest(**{"personas__worker.yaml": other}) == before
    assert _bundle_digest(**{"personas__tester.yaml": used}) != before
    assert (
        _bundle_digest(**{"personas__tester.yaml": PERSONA_FILES["personas/tester.yaml"] + " #"})
        == before
    )


def test_the_text_of_a_prompt_file_is_part_of_the_digest() -> None:
    def digest(prompt: str) -> str:
        files = {
            "workflows/w.yml": "name: w\nversion: '1.0.0'\nsteps: {a: {persona: think}}",
            "personas/think/persona.yaml": "{name: think, kind: llm, model: m, prompt: think.md}",
            "personas/think/think.md": prompt,
        }
        bundle = compile_bundle(files, step_types=TYPES)
        assert not bundle.faults
        return bundle.workflows["w"].workflow.digest

    assert digest("Think.") == digest("Think.")
    assert digest("Think.") != digest("Think twice.")


def test_a_stored_definition_loads_as_it_was_compiled() -> None:
    found = compiled(json.dumps(PLAIN))

    workflow, personas = load_document(found.workflow.digest, found.document, step_types=TYPES)

    assert workflow == found.workflow
    assert sorted(personas) == ["boss", "run", "tester", "worker"]
    assert personas["tester"].tests_required
    assert digest_of(found.document) == workflow.digest


def test_a_stored_definition_with_one_byte_changed_is_refused() -> None:
    found = compiled(json.dumps(PLAIN))
    changed = found.document.replace(b'"worker"', b'"wOrker"', 1)

    with pytest.raises(TamperedDefinitionError) as refused:
        load_document(found.workflow.digest, changed, step_types=TYPES)

    assert refused.value.digest == found.workflow.digest


def test_a_stored_definition_of_an_unknown_step_type_says_so() -> None:
    found = compiled(json.dumps(PLAIN))
    without = {name: each for name, each in TYPES.items() if name != "parallel"}

    with pytest.raises(UnreadableDefinitionError, match="no step type"):
        load_document(found.workflow.digest, found.document, step_types=without)


def test_a_stored_definition_of_another_format_is_refused() -> None:
    document = canonical_bytes({"format": 2})

    with pytest.raises(UnreadableDefinitionError, match="format"):
        load_document(digest_of(document), document, step_types=TYPES)
