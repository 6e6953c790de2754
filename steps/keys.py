"""What the models of all built-in step types have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from coordinator.core.lowering import Mark

Steps = Annotated[Any, Mark.STEPS]
Condition = Annotated[Any, Mark.CONDITION]


class OwnKeys(BaseModel):
    """The keys of one step type; those that every step has are added by the compiler."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)
