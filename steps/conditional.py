"""`conditional`: run one list of steps or the other."""

from __future__ import annotations

from typing import Final

from coordinator.core.definition import Branch, Choose
from coordinator.core.lowering import Parts, StepType
from steps.keys import BY_CHILD, Condition, OwnKeys, Steps


class ConditionalKeys(OwnKeys):
    """Here `condition` chooses the branch; it never skips the step."""

    condition: Condition
    then_steps: Steps
    else_steps: Steps = None


def lower(parts: Parts) -> Choose:
    """A choice between the two lists."""
    when, then = parts.condition("condition"), parts.graph("then_steps")
    branches = (Branch(when=when, graph=then),) if when and then else ()
    return Choose(branches=branches, otherwise=parts.graph("else_steps"))


CONDITIONAL: Final = StepType(
    name="conditional",
    description="Run then_steps where the condition holds, else_steps where it does not.",
    keys=ConditionalKeys,
    lower=lower,
    result=BY_CHILD,
)
