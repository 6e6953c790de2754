"""What the models of all built-in step types have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict

from coordinator.core.ids import STEP_ID
from coordinator.core.lowering import Mark

Steps = Annotated[Any, Mark.STEPS]
Condition = Annotated[Any, Mark.CONDITION]


class OwnKeys(BaseModel):
    """The keys of one step type; those that every step has are added by the compiler."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


BY_CHILD: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "the result of each inner step by its id; null of one that did not succeed",
    "propertyNames": {"pattern": STEP_ID.pattern},
}
"""JSON Schema of the result of a container."""
