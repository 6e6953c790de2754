"""Schemas in files: read, held against literal params, and asked which keys can be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from coordinator.core.schema_checks import KEYWORDS, at, check_schema, resolve
from coordinator.core.schemas import Misfit, Pointer, Schema, shown_place
from coordinator.core.templates import TemplateError, compile_value
from coordinator.definitions.faults import listed
from coordinator.definitions.persona import Persona
from coordinator.definitions.read import Path
from coordinator.definitions.report import Reporter
from coordinator.definitions.rules import Severity

_MOST_LOOKED_AT: Final = 50
_BY_KEYS: Final = frozenset(
    {"required", "additionalProperties", "minProperties", "maxProperties", "minItems", "maxItems"}
)
"""What depends on keys and lengths alone, which are known before templates have values."""
_BY_VALUES: Final = frozenset(
    {"if", "then", "else", "anyOf", "oneOf", "not", "dependentSchemas", "contains"}
)


def read_schema(value: object, path: Path, report: Reporter) -> Schema | None:
    """The schema at a place of a file; None where there is none, or, with a fault, a bad one."""
    if not value:
        return None
    schema, problems = check_schema(value)
    for each in problems:
        place = (*path, *each.pointer)
        if each.unknown:
            near = report.faults.did_you_mean(each.unknown, KEYWORDS)
            hint = near or "Correct it, or begin it with x- if it is a note of your own."
            report.value("WF086", place, each.message, hint, severity=Severity.WARNING)
        else:
            report.value("WF086", place, each.message)
    return schema


# Literal params


def check_input(persona: Persona, params: object, path: Path, report: Reporter) -> None:
    """Report what can be seen now: params that the persona does not know, misses, or reads
    otherwise. What a template gives is checked when the request is made.
    """
    schema = persona.contract.input
    if schema is None:
        return
    try:
        templates = [pointer for pointer, _ in compile_value(params).templates]
    except TemplateError:
        return  # reported where the template is
    for misfit in schema.misfits(params, shown=_MOST_LOOKED_AT):
        if _is_certain(misfit, templates):
            _report_input(persona, schema, misfit, path, report)


def _is_certain(misfit: Misfit, templates: Sequence[Pointer]) -> bool:
    """Whether no value of a template can make the problem go away."""
    place = misfit.pointer
    if any(place[: len(template)] == template for template in templates):
        return False
    if not any(template[: len(place)] == place for template in templates):
        return True
    return misfit.keyword in _BY_KEYS and not _BY_VALUES.intersection(misfit.schema_path)


def _report_input(
    persona: Persona, schema: Schema, misfit: Misfit, path: Path, report: Reporter
) -> None:
    place = shown_place(("params", *misfit.pointer))
    who = f'the persona "{persona.name}"'
    match misfit.keyword:
        case "required":
            report.value(
                "WF087", (*path, *misfit.pointer), f"{who} needs {place}.{misfit.names[0]}"
            )
        case "additionalProperties" if misfit.names:
            known = _known(schema, misfit.pointer)
            for name in misfit.names:
                near = report.faults.did_you_mean(name, known)
                hint = near or (f"It takes: {listed(known)}." if known else "")
                told = f"{who} does not take {place}.{name}"
                report.key("WF087", (*path, *misfit.pointer, name), told, hint)
        case _:
            told = f"{place} {misfit.expected}; {who} asks for it"
            report.value("WF087", (*path, *misfit.pointer), told)


def _known(schema: Schema, pointer: Pointer) -> list[str]:
    if pointer:
        return []
    names = [name for each in _same(schema.source, ()) for name in _properties(each)]
    return sorted(set(names))


# Keys that cannot be there


def impossible(schema: Schema, keys: Sequence[str]) -> tuple[str, list[str]] | None:
    """The path to the first of the keys, each inside the one before, that no value which fits the
    schema has; with those that it can have there. None where all may be there.
    """
    places: list[Pointer] = [()]
    for index, key in enumerate(keys):
        if key == "length":
            return None
        inside = [place for one in places for place in _same_places(schema.source, one)]
        for place in inside:
            known = _closed_list(at(schema.source, place))
            if known is not None and key not in known:
                return ".".join(keys[: index + 1]), known
        places = [
            (*place, "properties", key)
            for place in inside
            if key in _properties(at(schema.source, place))
        ]
    return None


def _closed_list(schema: Mapping[str, Any]) -> list[str] | None:
    """The keys that an object may have at most; None where others may be there too."""
    if schema.get("additionalProperties") is not False or schema.get("patternProperties"):
        return None
    return sorted(_properties(schema))


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties", {})
    return found if isinstance(found, Mapping) else {}


def _same(source: Mapping[str, Any], place: Pointer) -> Iterator[Mapping[str, Any]]:
    for one in _same_places(source, place):
        yield at(source, one)


def _same_places(source: Mapping[str, Any], place: Pointer) -> Iterator[Pointer]:
    """The schema at a place, and those that hold wherever it does; loops were refused before."""
    schema = at(source, place)
    if not isinstance(schema, Mapping):
        return
    yield place
    target = resolve(source, str(schema["$ref"])) if "$ref" in schema else None
    if target is not None:
        yield from _same_places(source, target)
    for index, _ in enumerate(schema.get("allOf", ())):
        yield from _same_places(source, (*place, "allOf", index))
