"""`parallel`: run steps side by side until enough of them have succeeded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from coordinator.core.definition import Graph, OnBranchError, OnRest, Scope
from coordinator.core.lowering import Doubt, Parts, StepKeyError, StepType
from steps.keys import BY_CHILD, OwnKeys, Steps

_WAIT_FOR_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": ["all", "any"]},
        {
            "type": "object",
            "properties": {"need": {"type": "integer", "minimum": 1}},
            "required": ["need"],
            "additionalProperties": False,
        },
    ]
}


class ParallelKeys(OwnKeys):
    """Which steps, how many of them are enough, and what becomes of the others."""

    steps: Steps
    wait_for: Annotated[Any, Field(json_schema_extra=_WAIT_FOR_SCHEMA)] = "all"
    on_rest: Literal["cancel", "keep"] = "cancel"
    on_branch_error: Literal["fail_fast", "wait_all", "ignore"] = "fail_fast"

    @field_validator("wait_for")
    @classmethod
    def _is_a_count(cls, value: object) -> object:
        count = value.get("need") if isinstance(value, dict) and len(value) == 1 else None
        if value in ("all", "any") or (type(count) is int and count >= 1):
            return value
        raise ValueError("it has to be all, any or {need: n} with n from 1")


def lower(parts: Parts) -> Scope:
    """A scope that needs all, one or `need` of its steps."""
    graph = parts.graph("steps") or Graph(path=parts.id, nodes={}, roots=())
    wait_for = parts.own["wait_for"]
    need = wait_for["need"] if isinstance(wait_for, dict) else {"all": None, "any": 1}[wait_for]
    if need is not None and need > len(graph.nodes):
        raise StepKeyError("wait_for", f"need: {need} of {len(graph.nodes)} steps can never be met")
    return Scope(
        graph=graph,
        need=need,
        on_rest=OnRest(parts.own["on_rest"]),
        on_branch_error=OnBranchError(parts.own["on_branch_error"]),
    )


def all_inner_succeed(own: dict[str, Any]) -> bool:
    """Whether success means success of each step inside."""
    return own.get("wait_for") == "all" and own.get("on_branch_error") != "ignore"


def doubts(own: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Doubt]:
    """`on_rest` where all are waited for, so that there is no rest."""
    if own.get("on_rest") != "cancel" and own.get("wait_for") == "all":
        yield Doubt(("on_rest",), '"on_rest" has no effect while all are waited for', is_idle=True)


PARALLEL: Final = StepType(
    name="parallel",
    description="Run steps side by side; done when all, any or a number of them have succeeded.",
    keys=ParallelKeys,
    lower=lower,
    result=BY_CHILD,
    all_inner_succeed=all_inner_succeed,
    doubts=doubts,
)
