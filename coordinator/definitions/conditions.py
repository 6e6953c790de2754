"""Conditions that read well and cannot mean what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coordinator.core.comparisons import Comparison, Literal, comparisons, slips
from coordinator.core.expressions import Expression
from coordinator.definitions.faults import listed
from coordinator.definitions.possible import Possibilities, Possible
from coordinator.definitions.read import Path
from coordinator.definitions.report import Reporter, kind_of
from coordinator.definitions.step import Step

_LONGEST: Final = 60
_WHOLE_PATH: Final = re.compile(r"\{\{\s*([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)\s*\}\}")
_NULLS: Final = ("null", "Null", "NULL", "~")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Looks at the conditions of one file."""

    possibilities: Possibilities
    report: Reporter

    def look_at_all(self, steps: Iterable[Step]) -> None:
        """Look at every condition and every switch of the steps."""
        for step in steps:
            items = frozenset(each.item_name or "" for each in step.items_around())
            for key, condition in step.conditions.items():
                self.look_at(condition, step.origin(key), items)
            self._look_at_cases(step, items)

    def look_at(self, condition: Expression, at: Path, items: frozenset[str] = frozenset()) -> None:
        """Report comparisons with what never comes, and operands that decide nothing.

        `items` are the names of what the steps around it run for.
        """
        for comparison in comparisons(condition):
            known = comparison.path[0] not in items
            possible = self.possibilities.of(comparison.path) if known else None
            for literal in comparison.literals:
                if possible is not None and possible.excludes(literal.value):
                    self._never_equal(comparison, literal, possible, at)
        for slip in slips(condition):
            self.report.inside("WF071", at, slip.column, slip.message)

    def _look_at_cases(self, step: Step, items: frozenset[str]) -> None:
        """Report cases of a switch that the value it is on never equals."""
        found = _WHOLE_PATH.fullmatch(str(step.own["on"] or "").strip())
        path = tuple(found[1].split(".")) if found else ()
        possible = self.possibilities.of(path) if path and path[0] not in items else None
        if possible is None or possible.kinds != ("text",):
            return
        for case in (each.case for each in step.lists.values() if each.case is not None):
            text = case.lower() if case.lower() in ("true", "false") else case
            if case not in _NULLS and possible.excludes(text):
                meant = possible.meant(case)
                near = f'Did you mean "{meant}"?' if meant else _kinds(possible)
                message = f"{possible.what} is never {_shown(case)}, so these steps never run"
                self.report.key("WF070", step.origin("cases", case), message, near)

    def _never_equal(
        self, comparison: Comparison, literal: Literal, possible: Possible, at: Path
    ) -> None:
        result = "always true" if comparison.operator.is_negative else "never true"
        message = f"{possible.what} is never {_shown(literal.value)}, so this is {result}"
        meant = possible.meant(literal.value)
        near = f'Did you mean "{meant}"?' if meant else _kinds(possible)
        self.report.inside("WF070", at, literal.column, message, near)


def _kinds(possible: Possible) -> str:
    if possible.values is not None:
        return f"It can be {listed(map(str, possible.values), 20)}."
    hint = f"It is {' or '.join(possible.kinds)}."
    if "a list" in possible.kinds:
        hint += " Write `contains` to ask what is in it."
    return hint


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'[:_LONGEST]
    return str(value).lower() if isinstance(value, bool) else f"{kind_of(value)} ({value})"
