"""The JSON Schemas agree with what the compiler accepts and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coordinator.definitions import persona_schema, workflow_schema
from coordinator.definitions.faults import Faults
from coordinator.definitions.read import read
from tests.definitions.corpus import PERSONA_FILES, TYPES

HERE = Path(__file__).parent
BY_SHAPE = {"WF020", "WF021", "WF022", "WF030", "WF031", "WF034"}
NOT_BY_SHAPE = {"wait-for-count-too-high", "form-field-type"}
"""Bad files whose fault no schema can see."""


def value_of(text: str) -> Any:
    document = read("f.yml", text, Faults("f.yml"))
    assert document is not None
    return document.value


def is_valid(schema: dict[str, Any], text: str) -> bool:
    return not list(Draft202012Validator(schema).iter_errors(value_of(text)))


def test_both_are_schemas_of_the_2020_dialect() -> None:
    for schema in (workflow_schema(TYPES), persona_schema()):
        assert schema["$schema"].endswith("2020-12/schema")
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", sorted((HERE / "good").iterdir()), ids=lambda path: path.name)
def test_a_good_file_is_valid(path: Path) -> None:
    assert is_valid(workflow_schema(TYPES), path.read_text())


def _bad_by_shape() -> list[Path]:
    more = [path for path in sorted((HERE / "bad").iterdir()) if path.stem not in NOT_BY_SHAPE]
    examples = [path for rule in sorted(BY_SHAPE) for path in (HERE / "rules" / rule).glob("bad/*")]
    return [path for path in (*examples, *more) if path.read_text().split()[1] in BY_SHAPE]


@pytest.mark.parametrize("path", _bad_by_shape(), ids=lambda path: "/".join(path.parts[-3:]))
def test_a_file_of_the_wrong_shape_is_not_valid(path: Path) -> None:
    assert not is_valid(workflow_schema(TYPES), path.read_text())


@pytest.mark.parametrize("text", PERSONA_FILES.values(), ids=PERSONA_FILES.keys())
def test_a_good_persona_is_valid(text: str) -> None:
    assert is_valid(persona_schema(), text)


@pytest.mark.parametrize(
    "text",
    [
        "{name: a}",
        "{name: a, kind: robot}",
        "{name: a, kind: command}",
        "{name: a, kind: human, command: [x]}",
        "{name: a, kind: command, command: [x], files: write}",
    ],
)
def test_a_bad_persona_is_not_valid(text: str) -> None:
    assert not is_valid(persona_schema(), text)


def test_no_object_of_either_schema_accepts_unknown_keys() -> None:
    for name, about in workflow_schema(TYPES)["$defs"].items():
        if name.startswith("step-"):
            assert about["additionalProperties"] is False
    for name, about in persona_schema()["$defs"].items():
        if name.startswith("persona-"):
            assert about["additionalProperties"] is False
