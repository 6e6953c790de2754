"""`workflow`: run another workflow, and settle with what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from coordinator.core.definition import Ask, Channel
from coordinator.core.lowering import Parts, StepKeyError, StepType
from coordinator.core.templates import compile_value
from steps.keys import OwnKeys


class WorkflowStepKeys(OwnKeys):
    """Which workflow; its parameters are given as `params`."""

    workflow: str = Field(description="the id of the workflow")


def lower(parts: Parts) -> Ask:
    """A request whose answer is a run of the workflow; it takes as long as it takes, unless the
    step has a `timeout` of its own.
    """
    called = parts.called
    if called is None:
        raise StepKeyError("workflow", f"there is no workflow {parts.own.get('workflow')!r}")
    return Ask(
        channel=Channel.CHILD,
        target=called.id,
        params=compile_value(parts.params),
        timeout=parts.given_timeout,
        child=called.digest,
        parameters=called.parameters,
    )


def unused(_own: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run may change is said by its own workflow."""
    return ("git",)


WORKFLOW: Final = StepType(
    name="workflow",
    description="Run another workflow as a run of its own; its outputs are the step's result.",
    keys=WorkflowStepKeys,
    lower=lower,
    runs_workflow=True,
    unused=unused,
    result={"type": "object", "description": "the outputs of the workflow"},
)
