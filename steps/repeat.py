"""`repeat`: run steps again until a condition holds, a bounded number of times."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from coordinator.core.definition import Graph, Loop
from coordinator.core.lowering import Mark, Parts, StepType
from steps.keys import BY_CHILD, OwnKeys, Steps


class RepeatKeys(OwnKeys):
    """What is repeated, until when, and how often at most."""

    steps: Steps
    until: Annotated[Any, Mark.CONDITION_AFTER] = None
    max_iterations: Annotated[int, Field(ge=1, le=10_000)]


def lower(parts: Parts) -> Loop:
    """A loop over the steps."""
    return Loop(
        graph=parts.graph("steps") or Graph(path=parts.id, nodes={}, roots=()),
        until=parts.condition("until"),
        max_iterations=int(parts.own.get("max_iterations") or 1),
    )


REPEAT: Final = StepType(
    name="repeat",
    description="Run steps again until a condition holds, at most max_iterations times.",
    keys=RepeatKeys,
    lower=lower,
    result={**BY_CHILD, "description": f"{BY_CHILD['description']}; of the last iteration"},
    all_inner_succeed=lambda _: True,
    is_loop=True,
)
