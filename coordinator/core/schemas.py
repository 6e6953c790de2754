"""PURE. JSON Schemas (draft 2020-12) that results and params are held against.

A value is any JSON, from anybody; a schema passed `schema_checks.check_schema` before. Both bound
what one check costs: no schema applies itself, patterns match in linear time, and a value that is
too large for its schema is refused without a look inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coordinator.core.plain_data import weight

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

MOST_CHECKS: Final = 20_000_000
"""Positions of the schema times values: what one check may cost, well below a second."""
MOST_SHOWN: Final = 3
"""Problems named; the rest is counted in one word."""
_MANY: Final = 10_000
"""Values in all; of more, only the first problem is looked for, since each one costs memory."""
_PATTERN_BYTES: Final = 1 << 20

Pointer = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """One place where a value is not what a schema asks for."""

    pointer: Pointer
    keyword: str
    """The keyword of the schema that asks for it."""
    expected: str
    """What it has to be, in words that follow the name of the place."""
    schema_path: Pointer = ()
    """How the check came to the keyword, `$ref` included."""
    names: tuple[str, ...] = ()
    """The keys that are missing, or too many."""


@dataclass(frozen=True)
class Schema:
    """A checked schema. Equal sources are equal schemas."""

    source: Mapping[str, Any]
    size: int = field(default=1, compare=False)
    """Its positions once every `$ref` is written out."""

    def misfits(self, value: object, *, shown: int = MOST_SHOWN) -> tuple[Misfit, ...]:
        """The first places where `value` does not fit, `shown` at most; none if it fits."""
        most = MOST_CHECKS // max(self.size, 1)
        heft = weight(value, most=most) if self.size > 100 else 0
        if heft >= most:
            told = f"has more than {most:,} values, too many for a schema of this size"
            return (Misfit((), "", told),)
        try:
            return self._found(value, shown)
        except (ValueError, OverflowError, RecursionError) as error:
            return (Misfit((), "", f"is no JSON that can be checked: {str(error)[:200]}"),)

    def _found(self, value: object, shown: int) -> tuple[Misfit, ...]:
        validator = self._validator
        if validator.is_valid(value):
            return ()
        if weight(value, most=_MANY) < _MANY:
            return tuple(_misfit(each) for each in islice(validator.iter_errors(value), shown))
        from jsonschema_rs import ValidationError

        try:
            validator.validate(value)
        except ValidationError as error:
            return (_misfit(error),)
        return ()

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return validator_of(self.source)


class Contract(NamedTuple):
    """What a persona's file says of what goes in and what comes out; None = anything."""

    input: Schema | None = None
    """Of the params of a request."""
    result: Schema | None = None


def validator_of(source: Mapping[str, Any]) -> Draft202012Validator:
    """What checks values by a schema.

    Raises:
        ValueError: the schema is none; jsonschema_rs.ValidationError says where.
    """
    # jsonschema-rs and not jsonschema: its patterns run on an engine that is linear in the text, so
    # that neither a schema nor a reply can make one match take for ever. It checks a reply of
    # 100 KiB in 0.3 ms (35 ms there), loads in 20 ms (70 ms), gives the same problems in the same
    # order each time, and one wheel per platform serves CPython 3.10 and later. Imported here, so
    # that nobody pays who uses no schema.
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    return jsonschema_rs.Draft202012Validator(
        dict(source), validate_formats=False, retriever=_nothing, pattern_options=options
    )


def _nothing(uri: str) -> Any:
    raise ValueError(f"nothing is fetched, {uri[:80]!r} neither")


def misfit_text(misfits: Sequence[Misfit], *, root: str) -> str:
    """The problems as the end of a sentence; `root` is what the whole value is called."""
    told = [f"{shown_place(each.pointer, root)} {each.expected}" for each in misfits]
    return "; ".join(told)[:1_500]


def shown_place(pointer: Pointer, root: str = "") -> str:
    """`plan[0].name`; `root` for the whole value."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in pointer)
    return text.removeprefix(".")[:200] or root


# In words

TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
"""The types of JSON Schema in words."""
_LIMITS: Final = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "exclusiveMinimum": "has to be more than {}",
    "exclusiveMaximum": "has to be less than {}",
    "minLength": "needs at least {} characters",
    "maxLength": "may have at most {} characters",
    "minItems": "needs at least {} items",
    "maxItems": "may have at most {} items",
    "minProperties": "needs at least {} keys",
    "maxProperties": "may have at most {} keys",
}
_FIXED: Final = {
    "anyOf": "fits none of the forms that are allowed (anyOf)",
    "oneOf": "has to fit exactly one of the forms that are allowed (oneOf)",
    "not": "has a form that is not allowed (not)",
    "contains": "does not contain what it has to (contains)",
    "uniqueItems": "has equal items, and each has to be different",
    "falseSchema": "has what is not allowed there",
}


def _misfit(error: ValidationError) -> Misfit:
    keyword = str(error.kind.name)
    facts = error.kind.as_dict()
    return Misfit(
        pointer=tuple(error.instance_path),
        keyword=keyword,
        expected=_expected(keyword, facts, error),
        schema_path=tuple(error.evaluation_path),
        names=_names(facts),
    )


def _names(facts: Mapping[str, Any]) -> tuple[str, ...]:
    if "property" in facts:
        return (str(facts["property"]),)
    return tuple(map(str, facts.get("unexpected", ())))


def _expected(keyword: str, facts: Mapping[str, Any], error: ValidationError) -> str:
    if keyword in _LIMITS:
        return _LIMITS[keyword].format(facts.get("limit"))
    if keyword in _FIXED:
        return _FIXED[keyword]
    match keyword:
        case "type":
            kinds = sorted(TYPES.get(str(each), str(each)) for each in facts["types"])
            return f"has to be {' or '.join(kinds)}, not {_kind_of(error.instance)}"
        case "required":
            return f'needs "{str(facts["property"])[:80]}"'
        case "additionalProperties" | "unevaluatedProperties":
            names = ", ".join(f'"{str(each)[:80]}"' for each in islice(facts["unexpected"], 3))
            return f"may not have {names}"
        case "enum":
            return (
                f"has to be one of {_brief(facts['options'])[1:-1]}, not {_brief(error.instance)}"
            )
        case "const":
            return f"has to be {_brief(facts['expected_value'])}, not {_brief(error.instance)}"
        case "pattern":
            return f"has to match {_brief(facts['pattern'])}"
        case "multipleOf":
            return f"has to be a multiple of {facts['multiple_of']}"
        case _:
            return f"does not fit: {error.message[:200]}"


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def _brief(value: object) -> str:
    """The value as JSON, short."""
    if isinstance(value, str):
        value = value[:200]
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:118]} …"
