"""PURE. Whether a JSON Schema may be used: it is one, it is closed in itself, and it is bounded.

| limit                | why                                                              |
|----------------------|------------------------------------------------------------------|
| 2,000 values, 32 deep | a schema is part of a definition, which is read at every start   |
| 5,000 positions      | with every `$ref` written out; what a check costs grows with them |
| no loop of `$ref`s   | a schema that applies itself has no bound                        |
| 500 characters a pattern | and no look-around or back-reference, so that matching is linear |
| `$ref` to `#/...` only | nothing is fetched, and no name means another place              |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from coordinator.core.schemas import TYPES, Pointer, Schema, validator_of

MAX_VALUES: Final = 2_000
MAX_DEPTH: Final = 32
MAX_POSITIONS: Final = 5_000
MAX_PATTERN: Final = 500
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_ONE: Final = frozenset(
    {
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_SOME: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
_SHELVES: Final = frozenset({"$defs", "definitions"})
"""Schemas that are only there to be referred to."""
_PLAIN: Final = frozenset(
    {
        "$comment", "$ref", "$schema", "const", "contentEncoding", "contentMediaType", "default",
        "dependentRequired", "deprecated", "description", "enum", "examples", "exclusiveMaximum",
        "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength", "maxProperties",
        "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
        "multipleOf", "pattern", "readOnly", "required", "title", "type", "uniqueItems",
        "writeOnly",
    }
)  # fmt: skip
_RENAMES: Final = frozenset(
    {
        "$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef",
        "$vocabulary",
    }
)  # fmt: skip
KEYWORDS: Final = _ONE | _SOME | _NAMED | _PLAIN
"""What means something in a schema."""


class SchemaProblem(NamedTuple):
    """What is wrong with a schema, and where in it."""

    pointer: Pointer
    message: str
    unknown: str = ""
    """A keyword that means nothing and so would check nothing; the schema can be used."""


def check_schema(source: object) -> tuple[Schema | None, list[SchemaProblem]]:
    """The schema, if it may be used, and its problems."""
    if not isinstance(source, Mapping):
        return None, [SchemaProblem((), "a schema is a mapping such as {type: object}")]
    problems = _too_large(source)
    if problems:
        return None, problems
    places = list(_schemas(source, ()))
    problems = [each for place in places for each in _own(source, place)]
    notes = [each for each in problems if each.unknown]
    if len(problems) == len(notes):
        problems += _refused(source)
    if len(problems) > len(notes):
        return None, problems
    expansion = _Expansion(source, frozenset(places))
    size = expansion.of(())
    if expansion.problem is not None:
        return None, [*problems, expansion.problem]
    return Schema(source, size), problems


def resolve(source: Mapping[str, Any], reference: str) -> Pointer | None:
    """Where in the schema `#/a/b` leads; None if nowhere."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    value: Any = source
    taken: list[str | int] = []
    for part in reference.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        step: str | int = name
        if isinstance(value, list) and name.isascii() and name.isdigit():
            step = int(name)
            value = value[step] if step < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
        taken.append(step)
    return tuple(taken) if isinstance(value, Mapping | bool) else None


def at(source: Any, pointer: Pointer) -> Any:
    """The part of a schema at a place that is there."""
    for part in pointer:
        source = source[part]
    return source


def below(schema: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any]]:
    """The schemas directly inside one, with how they are reached."""
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield (keyword,), value
        elif keyword in _SOME and isinstance(value, list):
            for index, each in enumerate(value):
                yield (keyword, index), each
        elif keyword in _NAMED and isinstance(value, Mapping):
            for name, each in value.items():
                yield (keyword, name), each


def _too_large(source: object) -> list[SchemaProblem]:
    pending: list[tuple[object, Pointer]] = [(source, ())]
    values = 0
    while pending:
        value, place = pending.pop()
        values += 1
        if len(place) > MAX_DEPTH:
            return [SchemaProblem(place, f"the schema is nested deeper than {MAX_DEPTH}")]
        if isinstance(value, Mapping):
            pending.extend((each, (*place, str(name))) for name, each in value.items())
        elif isinstance(value, list):
            pending.extend((each, (*place, index)) for index, each in enumerate(value))
        if values + len(pending) > MAX_VALUES:
            return [SchemaProblem((), f"the schema has more than {MAX_VALUES:,} values")]
    return []


def _schemas(schema: object, place: Pointer) -> Iterator[Pointer]:
    """Where the schema and those in it are, `true` and `false` left out."""
    if isinstance(schema, Mapping):
        yield place
        for step, inner in below(schema):
            yield from _schemas(inner, (*place, *step))


def _own(source: Mapping[str, Any], place: Pointer) -> Iterator[SchemaProblem]:
    for keyword, value in at(source, place).items():
        at_it = (*place, keyword)
        if keyword in _RENAMES:
            yield SchemaProblem(at_it, f'"{keyword}" is not read; refer with $ref: "#/$defs/name"')
        elif keyword == "$schema" and value not in (DIALECT, f"{DIALECT}#"):
            yield SchemaProblem(at_it, f"schemas are read as {DIALECT}")
        elif keyword == "$ref" and not _is_local(value):
            told = '$ref leads to a place in the same schema, such as "#/$defs/name"'
            yield SchemaProblem(at_it, f"{told}; nothing is fetched")
        elif keyword == "$ref" and resolve(source, value) is None:
            yield SchemaProblem(at_it, f'"{value[:80]}" leads to no schema')
        elif keyword == "pattern":
            yield from _pattern(at_it, value)
        elif keyword == "patternProperties" and isinstance(value, Mapping):
            for name in value:
                yield from _pattern((*at_it, name), name)
        elif keyword not in KEYWORDS and not str(keyword).startswith("x-"):
            told = f'"{keyword}"'[:80] + " is no keyword of JSON Schema, so it checks nothing"
            yield SchemaProblem(at_it, told, unknown=str(keyword))


def _is_local(reference: object) -> bool:
    return isinstance(reference, str) and (reference == "#" or reference.startswith("#/"))


def _pattern(place: Pointer, pattern: object) -> Iterator[SchemaProblem]:
    if isinstance(pattern, str) and len(pattern) > MAX_PATTERN:
        yield SchemaProblem(place, f"a pattern has at most {MAX_PATTERN} characters")


def _refused(source: Mapping[str, Any]) -> list[SchemaProblem]:
    """What the library says against the schema; nothing if it takes it."""
    try:
        validator_of(source)
    except ValueError as error:
        place: Pointer = tuple(getattr(error, "instance_path", ()))
        message = str(getattr(error, "message", error)).splitlines()[0][:300]
        if 'is not a "regex"' in message:
            message = (
                "the pattern is none, is too large, or needs look-around or back-references, "
                "which cannot be matched in linear time"
            )
        elif place[-1:] == ("type",):
            message = f"a type is one of {', '.join(TYPES)}, or a list of them"
        return [SchemaProblem(place, message)]
    except (RecursionError, OverflowError) as error:
        return [SchemaProblem((), f"the schema cannot be read: {error}"[:300])]
    return []


class _Expansion:
    """Counts the positions of a schema with each `$ref` written out, and finds loops of them."""

    def __init__(self, source: Mapping[str, Any], places: frozenset[Pointer]) -> None:
        self.source = source
        self.places = places
        self.problem: SchemaProblem | None = None
        self._known: dict[Pointer, int] = {}
        self._open: set[Pointer] = set()

    def of(self, place: Pointer) -> int:
        """The positions at and below `place`; what is found after a problem means nothing."""
        schema = at(self.source, place)
        if self.problem is not None or not isinstance(schema, Mapping):
            return 1
        if place in self._known:
            return self._known[place]
        self._open.add(place)
        total = 1 + len(schema.get("enum", ())) + 10 * ("pattern" in schema)
        for step, _ in below(schema):
            if step[0] not in _SHELVES:
                total += self.of((*place, *step))
        if "$ref" in schema:
            total += self._referred(place, str(schema["$ref"]))
        self._open.discard(place)
        self._known[place] = total
        if total > MAX_POSITIONS and self.problem is None:
            told = f"with its $refs written out, the schema has more than {MAX_POSITIONS:,} places"
            self.problem = SchemaProblem(place, told)
        return total

    def _referred(self, place: Pointer, reference: str) -> int:
        target = resolve(self.source, reference)
        is_bare = target is not None and isinstance(at(self.source, target), bool)
        if target is None or (target not in self.places and not is_bare):
            told = f'"{reference[:80]}" leads to no schema'
            self.problem = SchemaProblem((*place, "$ref"), told)
        elif target in self._open:
            told = f'"{reference[:80]}" leads back to a schema around it; a schema has to end'
            self.problem = SchemaProblem((*place, "$ref"), told)
        else:
            return self.of(target)
        return 1
