"""Holding the keys of a file against a model: unknown, missing, values that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coordinator.core.durations import DurationError, duration_ms
from coordinator.core.ids import STATE_NAME
from coordinator.core.lowering import Mark
from coordinator.core.moments import MomentError, moment_ms
from coordinator.definitions.faults import listed
from coordinator.definitions.models import Each, Inner, Shown
from coordinator.definitions.read import Path
from coordinator.definitions.report import Named, Reporter, canonical, kind_of


@dataclass(slots=True)
class Checked:
    """Keys that were held against a model."""

    values: dict[str, Any] = field(default_factory=dict)
    """Ready for use: durations in milliseconds, inner mappings as `Checked`, defaults filled in."""
    plain: dict[str, object] = field(default_factory=dict)
    """What was given, in one canonical writing; JSON."""

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a model."""

    attribute: str
    marks: tuple[object, ...]
    is_required: bool


def fields_of(model: type[Any]) -> Mapping[str, Field]:
    """The keys of a model, as they are written in files."""
    return _fields_of(cast(Hashable, model))


@lru_cache(maxsize=256)
def _fields_of(model: Hashable) -> Mapping[str, Field]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{model!r} is no pydantic model")
    return {
        info.alias or name: Field(
            name,
            tuple(each for each in info.metadata if isinstance(each, Mark | Inner | Each | Shown)),
            info.is_required(),
        )
        for name, info in model.model_fields.items()
    }


def marks_in(model: type[Any]) -> Mapping[str, object]:
    """The keys of a model that hold more than their plain type, each with what that is."""
    return _marks_in(cast(Hashable, model))


@lru_cache(maxsize=256)
def _marks_in(model: Hashable) -> Mapping[str, object]:
    fields = _fields_of(model)
    return {key: about.marks[0] for key, about in fields.items() if about.marks}


def mark_of(field: Field) -> object:
    """What the key holds beyond its plain type, or None."""
    return field.marks[0] if field.marks else None


def refuse_unknown(
    named: Named,
    known: Collection[str],
    report: Reporter,
    *,
    what: str,
    elsewhere: Mapping[str, str],
) -> None:
    """Report and drop keys that are not known; `elsewhere` says of some where they belong."""
    for key in [each for each in named.values if each not in known]:
        allowed = list(known)
        hint = elsewhere.get(key) or report.faults.did_you_mean(key, allowed)
        hint = hint or f"Known keys: {listed(sorted(allowed), 40)}."
        written = named.paths[key][-1]
        report.key("WF020", named.paths[key], f'{what} has no key "{written}"', hint)
        named.drop(key)


def check(model: type[Any], named: Named, report: Reporter, what: str) -> Checked:
    """The keys of `named` that `model` has, checked; every fault is reported.

    Keys that do not fit are absent from the result, as if they were not in the file.
    """
    fields = fields_of(model)
    given = {k: v for k, v in named.values.items() if k in fields and v is not None}
    checked = Checked(values=dict(_defaults_of(cast(Hashable, model))), plain=dict(given))
    bad = _validate(model, given, named, report, what)
    for key in bad:
        checked.plain.pop(key, None)
    fitting = Named(named.path, given, named.paths)
    for key in [each for each in fields if each in given and each not in bad]:
        mark = mark_of(fields[key])
        if mark is None:
            checked.values[key] = given[key]
            if key in _ALWAYS_PLAIN:
                _doubt_templates(given[key], named.origin(key), report)
        else:
            _use(key, mark, fitting, report, checked)
    return checked


@lru_cache(maxsize=256)
def _defaults_of(model: Hashable) -> Mapping[str, object]:
    """The keys that need not be given, each with what holds without it; never changed by users."""
    fields = cast(type[BaseModel], model).model_fields
    return {
        info.alias or name: info.get_default(call_default_factory=True)
        for name, info in fields.items()
        if not info.is_required()
    }


def _use(key: str, mark: object, named: Named, report: Reporter, checked: Checked) -> None:
    """Put the value of one key that fits its plain type into the result."""
    value = named.values[key]
    match mark:
        case Inner(model=model):
            inner = canonical(value, named.origin(key), {}, report, f'"{key}"')
            if inner is None:
                checked.plain.pop(key)
                return
            refuse_unknown(inner, fields_of(model), report, what=f'"{key}"', elsewhere={})
            checked.values[key] = check(model, inner, report, f'"{key}"')
            checked.plain[key] = checked.values[key].plain
        case Each(model=model):
            checked.values[key] = _each(key, model, named, report)
            checked.plain[key] = {name: each.plain for name, each in checked.values[key].items()}
        case Mark.DURATION | Mark.DURATION_TEMPLATE | Mark.MOMENT_TEMPLATE:
            _use_time(key, mark, named, report, checked)
        case Mark.STATE_VALUES:
            checked.values[key] = checked.plain[key] = _state_values(key, named, report)
        case Mark.CONDITION | Mark.CONDITION_AFTER:
            if not isinstance(value, str | bool):
                checked.plain.pop(key)
                report.value(
                    "WF022", named.origin(key), f'"{key}" is a condition, not {kind_of(value)}'
                )
                return
            checked.values[key] = ("false", "true")[value] if isinstance(value, bool) else value
            checked.plain[key] = checked.values[key]
        case _:
            checked.values[key] = value


_ALWAYS_PLAIN: Final = frozenset(
    {
        "assignees", "form", "on_deadline", "branches", "paths", "types", "scopes", "default",
        "enum",
    }
)  # fmt: skip
"""Keys whose texts count as they are written, and where somebody may expect a template."""


def _doubt_templates(value: object, at: Path, report: Reporter) -> None:
    if isinstance(value, str) and "{{" in value:
        report.value("WF065", at, f"nothing is put in for the braces of {value[:60]!r}")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _doubt_templates(each, (*at, key), report)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _doubt_templates(each, (*at, index), report)


def _use_time(key: str, mark: object, named: Named, report: Reporter, checked: Checked) -> None:
    """Put a duration, a moment, or a template that may give one, into the result."""
    value = named.values[key]
    if mark is not Mark.DURATION and isinstance(value, str) and "{{" in value:
        checked.values[key] = value
        return
    try:
        if mark is Mark.MOMENT_TEMPLATE:
            checked.values[key] = moment_ms(value)
        else:
            checked.values[key] = duration_ms(value)
            checked.plain[key] = f"{checked.values[key]}ms"
    except (DurationError, MomentError) as error:
        checked.plain.pop(key)
        rule = "WF064" if isinstance(error, MomentError) else "WF029"
        report.value(rule, named.origin(key), str(error))


def _state_values(key: str, named: Named, report: Reporter) -> dict[str, object]:
    """The values whose names can be names of the workflow's own state."""
    value = cast("Mapping[str, object]", named.values[key])
    if not value:
        report.value("WF022", named.origin(key), f'"{key}" is empty', "Write name: value.")
    for name in value:
        if not STATE_NAME.fullmatch(name):
            message = f'"{name[:60]}" cannot be the name of a value in state'
            hint = "Use letters, digits and _, not a digit first; at most 200."
            report.key("WF022", (*named.origin(key), name), message, hint)
    return {name: each for name, each in value.items() if STATE_NAME.fullmatch(name)}


def _each(key: str, model: type[Any], named: Named, report: Reporter) -> dict[str, Checked]:
    outer = canonical(named.values[key], named.origin(key), {}, report, f'"{key}"')
    found: dict[str, Checked] = {}
    for name, value in outer.values.items() if outer else ():
        inner = canonical(value, (*named.origin(key), name), {}, report, f'"{key}.{name}"')
        if inner is not None:
            refuse_unknown(inner, fields_of(model), report, what=f'"{name}"', elsewhere={})
            found[name] = check(model, inner, report, f'"{name}"')
    return found


def _validate(
    model: type[Any], given: Mapping[str, object], named: Named, report: Reporter, what: str
) -> set[str]:
    """Report what the model refuses; the keys concerned."""
    try:
        model.model_validate(given)
    except ValidationError as error:
        bad = set()
        for problem in error.errors(include_url=False, include_context=True):
            location = _location(problem, given)
            bad.add(str(location[0]) if location else "")
            _report(problem, location, named, report, what)
        return bad
    return set()


def _location(problem: ErrorDetails, given: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that leads through the data; unions add own names."""
    taken: list[str | int] = []
    value = given
    for step in problem["loc"]:
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if is_item or (isinstance(value, Mapping) and step in value):
            value = value[step]
        elif problem["type"] != "missing":
            break
        taken.append(step)
    return tuple(taken)


_WANTED: Final = {
    "string_type": "text",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "int_from_float": "an integer",
}


def _report(
    problem: ErrorDetails,
    location: tuple[str | int, ...],
    named: Named,
    report: Reporter,
    what: str,
) -> None:
    label = f'"{".".join(map(str, location))}"' if location else what
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "missing":
        rule = "WF034" if location[-1] == "max_iterations" else "WF021"
        at = named.path if len(location) == 1 else named.origin(*location[:-1])
        hint = 'Add version: "1.0.0".' if location == ("version",) else ""
        report.value(rule, at, f"{what} needs {label}", hint)
        return
    at = named.origin(*location)
    if kind == "extra_forbidden":
        report.key("WF020", at, f"{label} is not known here")
    elif kind in ("literal_error", "enum"):
        expected = str(context.get("expected", ""))
        words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
        near = report.faults.did_you_mean(str(problem["input"]), words)
        report.value(
            "WF022", at, f"{label} is {_shown(problem['input'])}; it has to be {expected}", near
        )
    elif kind in _WANTED:
        hint = _hint(kind, location, problem["input"])
        rule = "WF028" if location == ("version",) else "WF022"
        got = kind_of(problem["input"])
        report.value(rule, at, f"{label} has to be {_WANTED[kind]}, not {got}", hint)
    else:
        report.value("WF022", at, f"{label}: {problem['msg'].removeprefix('Value error, ')}")


def _hint(kind: str, location: tuple[str | int, ...], value: object) -> str:
    if kind == "list_type" and isinstance(value, str):
        return f"Write [{value[:60]}]."
    if kind != "string_type":
        return ""
    if isinstance(value, bool | int | float):
        return f'Put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}".'
    if isinstance(value, Mapping) and len(location) == 1:
        return "A text that begins with a brace needs quotes."
    return ""


def _shown(value: object) -> str:
    return f'"{value}"'[:60] if isinstance(value, str) else kind_of(value)
