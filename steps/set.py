"""`set`: write values into the workflow's own state."""

from __future__ import annotations

from typing import Annotated, Any, Final

from coordinator.core.definition import Compute
from coordinator.core.lowering import Mark, Parts, StepType
from coordinator.core.templates import compile_value
from steps.keys import OwnKeys


class SetKeys(OwnKeys):
    """The values by name; each is read as `state.<name>` by later steps."""

    values: Annotated[dict[str, Any], Mark.STATE_VALUES]


def lower(parts: Parts) -> Compute:
    """All the values at once."""
    return Compute(values=compile_value(parts.own["values"]))


SET: Final = StepType(
    name="set",
    description="Write values into the workflow's own state, read as state.<name>; null removes.",
    keys=SetKeys,
    lower=lower,
    result={"type": "object", "description": "the values that were written, by name"},
    has_verdict=False,
    unused=lambda _: ("timeout", "params", "git", "gate"),
)
