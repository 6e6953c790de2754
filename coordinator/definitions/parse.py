"""From a document's lists of steps to checked `Step`s: spelling, types, keys, what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from coordinator.core.expressions import ExpressionError, compile_expression
from coordinator.core.ids import STEP_ID, underscored
from coordinator.core.lowering import Mark, StepType
from coordinator.core.templates import TemplateError, Value, compile_value
from coordinator.definitions.check import Checked, check, fields_of, marks_in, refuse_unknown
from coordinator.definitions.contracts import read_schema
from coordinator.definitions.errors import settle_words
from coordinator.definitions.faults import listed
from coordinator.definitions.infer import infer_type
from coordinator.definitions.models import StepKeys
from coordinator.definitions.read import Path
from coordinator.definitions.report import (
    STEP_SPELLINGS,
    Named,
    Reporter,
    canonical,
    kind_of,
)
from coordinator.definitions.step import How, Names, Part, Read, Step, StepList

LATER_TYPES: Final = frozenset({"plan"})
"""Types of the language that this version does not run."""

_WITH_TEMPLATES: Final = frozenset(
    {Mark.TEMPLATE, Mark.STATE_VALUES, Mark.DURATION_TEMPLATE, Mark.MOMENT_TEMPLATE}
)
_HOW: Final = {"name": How.LABEL, "outputs": How.OUTPUT}
RESERVED: Final = frozenset({"finally", "on_failure", "undo", "fallback"})

ROOTS: Final = frozenset(
    {"task", "params", "variables", "state", "steps", "artifacts", "run", "env", "context"}
    | {"item", "index", "iteration"}
)


@dataclass(slots=True)
class Parser:
    """Reads the lists of steps of one file."""

    report: Reporter
    step_types: Mapping[str, StepType]
    names: Names = field(default_factory=Names)

    def read_list(self, value: object, at: Path, into: StepList) -> StepList:
        """Fill `into` with the steps written at `at`."""
        if value is not None and not isinstance(value, list | Mapping):
            self.report.value("WF022", at, f"steps are a list or a mapping, not {kind_of(value)}")
            return into
        if not value:
            self.report.key("WF030", at, f'"{at[-1] if at else into.key}" has no steps')
        for path, given, name in _entries(value, at):
            self._read_step(given, path, name, into)
        return into

    def _read_step(self, value: object, at: Path, name: str | None, into: StepList) -> None:
        named = canonical(value, at, STEP_SPELLINGS, self.report, "a step")
        if named is None:
            return
        if name is not None:
            self._take_name(named, name)
        step_id = self._id_of(named)
        if step_id is None:
            return
        infer_type(named, step_id, self.report)
        step_type, is_later = self._type_of(named)
        if not is_later:
            self._refuse_unknown(named, step_type)
        step = self._checked(named, step_id, step_type, into)
        if is_later:
            self.names.unreadable |= set(_ids_inside(value))
        if self._register(step, into):
            self._read_inside(step)

    def _refuse_unknown(self, named: Named, step_type: StepType | None) -> None:
        own = fields_of(step_type.keys) if step_type else {}
        known = fields_of(StepKeys)
        if all(key in known or key in own for key in named.values):
            return
        what = f"a {step_type.name} step" if step_type else "a step"
        homes = _homes(self.step_types)
        refuse_unknown(named, {**known, **own}, self.report, what=what, elsewhere=homes)

    def _take_name(self, named: Named, name: str) -> None:
        given = named.values.get("id", name)
        if given != name:
            self.report.value(
                "WF035", named.origin("id"), f'the step is called "{name}" and "{given}"'
            )
        if "id" not in named.values:
            named.put("id", name, named.path)

    def _id_of(self, named: Named) -> str | None:
        step_id = named.values.get("id")
        if step_id is None:
            self.report.value("WF021", named.path, 'a step needs "id"')
        elif not isinstance(step_id, str) or not STEP_ID.match(step_id):
            shown = f'"{step_id}"'[:80] if isinstance(step_id, str) else kind_of(step_id)
            self.report.value("WF024", named.origin("id"), f"{shown} is not an id")
        elif step_id in RESERVED:
            self.report.value("WF026", named.origin("id"), f'the id "{step_id}" is reserved')
        else:
            return step_id
        return None

    def _type_of(self, named: Named) -> tuple[StepType | None, bool]:
        name = named.values.get("type")
        if not isinstance(name, str) or name in self.step_types:
            return self.step_types.get(str(name)), False
        at = named.origin("type")
        if name in LATER_TYPES:
            self.report.value("WF032", at, f'steps of type "{name}" are not available')
            return None, True
        near = self.report.faults.did_you_mean(name, [*self.step_types, *LATER_TYPES])
        hint = near or f"Known types: {listed(sorted(self.step_types), 20)}."
        self.report.value("WF031", at, f'there is no step type "{name}"', hint)
        return None, True

    def _checked(
        self, named: Named, step_id: str, step_type: StepType | None, into: StepList
    ) -> Step:
        what = f'step "{step_id}"'
        own = check(step_type.keys, named, self.report, what) if step_type else Checked()
        mine = fields_of(step_type.keys) if step_type else {}
        common = Named(
            named.path, {k: v for k, v in named.values.items() if k not in mine}, named.paths
        )
        checked = check(StepKeys, common, self.report, what)
        settle_words(checked, named, self.report)
        return Step(
            id=step_id,
            path=f"{into.path}/{step_id}" if into.path else step_id,
            type=step_type,
            named=named,
            common=checked,
            own=own,
            within=into,
            index=len(into.steps),
            bit=len(self.names.steps),
        )

    def _register(self, step: Step, into: StepList) -> bool:
        name = underscored(step.id)
        other = self.names.steps.get(name)
        if other is not None:
            line = self.report.positions.value(other.named.path)[0]
            same = "" if other.id == step.id else f' (as "{other.id}")'
            self.report.value(
                "WF025",
                step.origin("id"),
                f'the id "{step.id}" is used already in line {line}{same}',
            )
            return False
        if name in ROOTS or step.id in self.names.parameters:
            self.report.value(
                "WF027",
                step.origin("id"),
                f'"{step.id}" alone means something else in expressions',
                f"Read this step as steps.{name}, or rename it.",
            )
        self.names.steps[name] = step
        into.steps[step.id] = step
        return True

    def _read_inside(self, step: Step) -> None:
        said, at = step.common["result_schema"], step.origin("result_schema")
        step.result_schema = read_schema(said, at, self.report)
        self._read_marked(step, StepKeys, step.common)
        if step.type is not None:
            self._read_marked(step, step.type.keys, step.own)
        on_error = step.common["on_error"]
        fallback = on_error.get("fallback") if isinstance(on_error, Mapping) else None
        if isinstance(fallback, list | Mapping):
            at = step.origin("on_error", "fallback")
            inner = StepList(f"{step.path}/fallback", Part.FALLBACK, "fallback", step)
            step.lists["fallback"] = self.read_list(fallback, at, inner)

    def _read_marked(self, step: Step, model: type[BaseModel], checked: Checked) -> None:
        for key, marked in marks_in(model).items():
            value = checked.values.get(key)
            if value is None:
                continue
            match marked:
                case Mark.STEPS:
                    part = Part.UNDO if key == "undo" else Part.INNER
                    path = f"{step.path}/undo" if key == "undo" else step.path
                    inner = StepList(path, part, key, step)
                    step.lists[key] = self.read_list(value, step.origin(key), inner)
                case Mark.CASES:
                    self._read_cases(step, key, value)
                case Mark.ITEM_NAME:
                    self._take_item_name(step, key, str(value))
                case Mark.CONDITION | Mark.CONDITION_AFTER as mark:
                    how = How.AFTER if mark is Mark.CONDITION_AFTER else How.CONDITION
                    self._read_condition(step, key, str(value), how)
                case Mark() as mark if mark in _WITH_TEMPLATES:
                    how = _HOW.get(key, How.TEMPLATE)
                    step.reads += reads_of(value, step.origin(key), how, self.report)
                    for name in value if mark is Mark.STATE_VALUES else ():
                        self.names.state.setdefault(name, []).append(step)

    def _read_cases(self, step: Step, key: str, value: object) -> None:
        at = step.origin(key)
        if not isinstance(value, Mapping) or not value:
            self.report.value("WF022", at, f'"{key}" is a mapping from a value to steps')
            return
        for case, steps in value.items():
            inner = StepList(step.path, Part.INNER, key, step, case=case)
            step.lists[f"{key}.{case}"] = self.read_list(steps, (*at, case), inner)

    def _take_item_name(self, step: Step, key: str, name: str) -> None:
        step.item_name = name
        if name in ROOTS and name != "item":
            self.report.value("WF026", step.origin(key), f'the name "{name}" means something else')

    def _read_condition(self, step: Step, key: str, text: str, how: How) -> None:
        at = step.origin(key)
        try:
            expression = compile_expression(text)
        except ExpressionError as error:
            self.report.inside("WF050", at, error.column, error.message, error.hint)
            return
        step.conditions[key] = expression
        step.reads += [Read(each, at, how) for each in expression.references]


def reads_of(value: object, at: Path, how: How, report: Reporter) -> list[Read]:
    """What the templates in a value read; every text that is no template is a fault."""
    try:
        compiled = compile_value(value)
    except TemplateError:
        return _reads_of_each(value, at, how, report)
    return _reads(compiled, at, how)


def _reads(compiled: Value, at: Path, how: How) -> list[Read]:
    return [
        Read(reference, (*at, *pointer), how)
        for pointer, template in compiled.templates
        for reference in template.references
    ]


def _reads_of_each(value: object, at: Path, how: How, report: Reporter) -> list[Read]:
    match value:
        case Mapping():
            parts = [(key, each) for key, each in value.items()]
        case list() | tuple():
            parts = list(enumerate(value))
        case _:
            parts = []
    found = [each for key, part in parts for each in reads_of(part, (*at, key), how, report)]
    try:
        compiled = compile_value([] if isinstance(value, list | tuple) else _shallow(value))
        return [*found, *_reads(compiled, at, how)]
    except TemplateError as error:
        report.inside("WF051", at, error.column, error.message, error.hint)
        return found


def _shallow(value: object) -> object:
    return dict.fromkeys(value) if isinstance(value, Mapping) else value


def _entries(value: object, at: Path) -> Iterator[tuple[Path, object, str | None]]:
    if isinstance(value, Mapping):
        for name, step in value.items():
            yield (*at, name), {} if step is None else step, name
    elif isinstance(value, list):
        for index, step in enumerate(value):
            yield (*at, index), step, None


def _homes(step_types: Mapping[str, StepType]) -> dict[str, str]:
    """For each key of some type: a hint that says which type it belongs to."""
    homes: dict[str, list[str]] = {}
    for name, each in step_types.items():
        for key in fields_of(each.keys):
            homes.setdefault(key, []).append(name)
    return {key: f'"{key}" belongs to type: {" or ".join(names)}.' for key, names in homes.items()}


def _ids_inside(value: object) -> Iterator[str]:
    """Whatever looks like a step's id in a part of the file that is not read."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            if isinstance(each.get("id"), str):
                yield underscored(str(each["id"]))
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
