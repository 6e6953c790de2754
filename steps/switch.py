"""`switch`: run the list of steps that a value names."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import field_validator

from coordinator.core.definition import Branch, Choose
from coordinator.core.lowering import Mark, Parts, StepKeyError, StepType
from coordinator.core.templates import compile_value
from steps.keys import BY_CHILD, OwnKeys, Steps

_WORDS: Final = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_NULLS: Final = ("Null", "NULL", "~")


class SwitchKeys(OwnKeys):
    """The value, a list of steps for each text it may have, and one for all others."""

    on: Annotated[str, Mark.TEMPLATE]
    cases: Annotated[Any, Mark.CASES]
    default: Steps = None

    @field_validator("on")
    @classmethod
    def _reads_something(cls, value: str) -> str:
        if "{{" in value:
            return value
        raise ValueError('it is the same text every time; write a template: "{{ task.type }}"')


def lower(parts: Parts) -> Choose:
    """A choice by the value's text.

    The branches are sorted by it, because the stored definition does not keep the order of keys.
    """
    branches: dict[str, Branch] = {}
    for case, graph in (parts.own.get("cases") or {}).items():
        text = _text(case)
        if text in branches:
            raise StepKeyError("cases", f"two cases mean {text}")
        branches[text] = Branch(case=text, graph=graph)
    return Choose(
        on=compile_value(parts.own["on"]),
        branches=tuple(branches[text] for text in sorted(branches)),
        otherwise=parts.graph("default"),
    )


def _text(case: str) -> str:
    """The JSON text of a case that YAML writes in another way."""
    return "null" if case in _NULLS else _WORDS.get(case, case)


SWITCH: Final = StepType(
    name="switch",
    description="Run the steps of the case that a value equals, or the default ones.",
    keys=SwitchKeys,
    lower=lower,
    result=BY_CHILD,
)
