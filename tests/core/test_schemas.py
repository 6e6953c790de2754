"""Schemas and values from people who want more from them than a check."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.schema_checks import KEYWORDS, MAX_PATTERN, MAX_VALUES, check_schema
from coordinator.core.schemas import Schema, misfit_text

pytestmark = pytest.mark.timeout(30)


def usable(source: Any) -> Schema:
    """The schema, which may be used."""
    found, problems = check_schema(source)
    assert found is not None, problems
    return found


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def doubling(levels: int) -> dict[str, Any]:
    """Each level applies the next one twice."""
    twice = {
        f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**twice, f"d{levels}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"$ref": "#"}, "leads back"),
        ({"allOf": [{"$ref": "#"}]}, "leads back"),
        ({"items": {"$ref": "#"}}, "leads back"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "leads back"),
        ({"$ref": "http://127.0.0.1/a"}, "nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, "nothing is fetched"),
        ({"$ref": "other.json"}, "nothing is fetched"),
        ({"$ref": "#name"}, "nothing is fetched"),
        ({"$ref": "#/$defs/a"}, "leads to no schema"),
        ({"$ref": "#/enum/0", "enum": [{"maxLength": 3}]}, "leads to no schema"),
        ({"$ref": "#/const", "const": {"$ref": "http://127.0.0.1/a"}}, ""),
        ({"$id": "http://127.0.0.1/a"}, "is not read"),
        ({"$dynamicRef": "#a"}, "is not read"),
        ({"pattern": "(?=a)"}, "linear time"),
        ({"pattern": r"(a)\1"}, "linear time"),
        ({"pattern": "((a{500}){500}){50}"}, "linear time"),
        ({"pattern": "a" * (MAX_PATTERN + 1)}, "characters"),
        ({"patternProperties": {"(": {}}}, "linear time"),
        ({"patternProperties": {"a" * (MAX_PATTERN + 1): {}}}, "characters"),
        ({"enum": list(range(MAX_VALUES))}, "values"),
        ({"const": nested(40)}, "deeper"),
        (doubling(24), "places"),
        ({"type": "text"}, "a type is one of"),
        ({"properties": {"a": 3}}, ""),
        ({"minimum": "3"}, ""),
        ([], "a mapping"),
        (True, "a mapping"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_a_reason(source: Any, told: str) -> None:
    found, problems = check_schema(source)

    assert found is None
    assert problems
    assert told in problems[-1].message


def test_words_that_mean_something_elsewhere_are_names_of_properties_and_data() -> None:
    source = {
        "properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {}},
        "const": {"$ref": "http://127.0.0.1/", "$id": "x"},
        "x-note": {"$ref": 1},
    }

    assert check_schema(source)[1] == []


def test_a_pattern_that_would_take_ages_elsewhere_is_matched_at_once() -> None:
    found = usable({"pattern": "^(a+)+$"})

    [misfit] = found.misfits("a" * 100_000 + "b")

    assert misfit.expected == 'has to match "^(a+)+$"'


@pytest.mark.parametrize(
    "value",
    [nested(90), nested(900), 10**400, float("nan"), float("inf"), "\ud800", 1e308],
)
def test_no_value_is_too_strange_to_be_checked(value: Any) -> None:
    found = usable({"type": "object", "properties": {"a": {"type": "number", "maximum": 3}}})

    assert found.misfits({"a": value})


def test_a_value_with_too_much_in_it_for_its_schema_is_refused_without_a_look_inside() -> None:
    found = usable({"items": {"anyOf": [{"const": number} for number in range(900)]}})

    [misfit] = found.misfits([1] * 200_000)

    assert "too many for a schema of this size" in misfit_text([misfit], root="the result")


def test_of_very_many_problems_one_is_named() -> None:
    found = usable({"items": {"type": "string"}})

    assert len(found.misfits([1] * 100_000)) == 1
    assert len(found.misfits([1] * 100)) == 3


def test_equal_schemas_are_equal_whether_or_not_they_were_used() -> None:
    one, other = usable({"type": "object"}), usable({"type": "object"})
    one.misfits(3)

    assert one == other


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["a", "b"]), inner, max_size=4)
    ),
    max_leaves=20,
)
_SCHEMAS = st.recursive(
    st.booleans() | st.just({}) | _VALUES,
    lambda inner: st.dictionaries(
        st.sampled_from(sorted(KEYWORDS)),
        inner
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=3)
        | st.sampled_from(["#", "#/$defs/a", "#/properties/a", "http://127.0.0.1/", "object", "("]),
        max_size=5,
    ),
    max_leaves=30,
)


@given(_SCHEMAS, _VALUES)
def test_whatever_the_schema_and_the_value_there_is_an_answer(source: Any, value: Any) -> None:
    found, problems = check_schema(source)

    assert (found is None) <= bool(problems)
    if found is not None:
        assert all(each.expected for each in found.misfits(value))
        assert found.misfits(value) == found.misfits(value)
