"""What the tests of definitions share: a few personas, and compiling one file among them."""

from __future__ import annotations

from coordinator.definitions import Compiled, Fault, Personas, compile_file, read_personas
from steps.registry import step_types

TYPES = step_types([])

PERSONA_FILES = {
    "personas/worker.yaml": "{name: worker, kind: command, command: [make], aliases: [hand]}",
    "personas/editor.yaml": "{name: editor, kind: command, command: [ed], files: patch}",
    "personas/tester.yaml": (
        "{name: tester, kind: command, command: [pytest], files: read, tests: required, "
        "timeout: 10m}"
    ),
    "personas/boss.yaml": (
        "{name: boss, kind: human, form: {why: {type: text}}, assignees: [ann], timeout: 2d}"
    ),
    "personas/strict.yaml": (
        "{name: strict, kind: command, command: [x], "
        "input_schema: {type: object, required: [depth], additionalProperties: false, "
        "properties: {depth: {type: integer, minimum: 1}, area: {$ref: '#/$defs/area'}}, "
        "$defs: {area: {type: object, required: [name], properties: {name: {type: string}}}}}, "
        "result_schema: {type: object, additionalProperties: false, properties: "
        "{score: {type: number}, plan: {type: object, properties: {steps: {type: array}}, "
        "additionalProperties: false}}}}"
    ),
    "personas/greeter.yaml": (
        "{name: greeter, kind: command, command: [echo, '{{ params.who }}', "
        "\"{{ params.why | default('because') }}\"]}"
    ),
    "personas/retired.yaml": "{name: retired, kind: command, command: [x], status: disabled}",
}


def personas() -> Personas:
    """The personas of the corpus."""
    found, faults, _ = read_personas(PERSONA_FILES)
    assert not faults
    return found


def compiled(text: str | bytes, path: str = "workflows/file.yml") -> Compiled:
    """The workflow in `text`, which has no errors."""
    found, faults = compile_file(path, text, step_types=TYPES, personas=personas())
    assert found is not None, "\n".join(map(str, faults))
    return found


def bad_faults(name: str, text: str | bytes) -> list[Fault]:
    """Every fault of a file."""
    return compile_file(f"{name}.yml", text, step_types=TYPES, personas=personas())[1]
