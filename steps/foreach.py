"""`foreach`: run steps once for each item of a list, a bounded number at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from coordinator.core.definition import Graph, Map, OnBranchError
from coordinator.core.lowering import Mark, Parts, StepType
from coordinator.core.templates import compile_value
from steps.keys import BY_CHILD, OwnKeys, Steps

AT_ONCE: Final = 20
"""How many items run side by side where the step does not say."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_ITEMS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "array"}, {"type": "string", "pattern": r"\{\{"}],
}


class ForeachKeys(OwnKeys):
    """The list, what an item is called, how many at a time, and what a failed one does."""

    items: Annotated[Any, Mark.TEMPLATE, Field(json_schema_extra=_ITEMS_SCHEMA)]
    name: Annotated[str, Mark.ITEM_NAME, Field(alias="as")] = "item"
    max_concurrent: Annotated[int, Field(ge=1, le=1_000)] = AT_ONCE
    steps: Steps
    on_branch_error: Literal["fail_fast", "wait_all", "ignore"] = "fail_fast"

    @field_validator("items")
    @classmethod
    def _is_a_list(cls, value: object) -> object:
        if isinstance(value, list) or (isinstance(value, str) and "{{" in value):
            return value
        raise ValueError('it has to be a list, or a template that gives one: "{{ ... }}"')

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if _NAME.fullmatch(value):
            return value
        raise ValueError("a name begins with a letter, then letters, digits or _; at most 63")


def lower(parts: Parts) -> Map:
    """A map of the steps over the items."""
    return Map(
        graph=parts.graph("steps") or Graph(path=parts.id, nodes={}, roots=()),
        items=compile_value(parts.own["items"]),
        as_name=str(parts.own["as"]),
        max_concurrent=int(parts.own["max_concurrent"]),
        on_branch_error=OnBranchError(parts.own["on_branch_error"]),
    )


RESULT: Final[Mapping[str, Any]] = {
    "type": "array",
    "description": "for each item in order the results of its steps by id; null where one failed",
    "items": {"anyOf": [BY_CHILD, {"type": "null"}]},
}

FOREACH: Final = StepType(
    name="foreach",
    description="Run steps for each item of a list; the results are a list in the same order.",
    keys=ForeachKeys,
    lower=lower,
    result=RESULT,
)
