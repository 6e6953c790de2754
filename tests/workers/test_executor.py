"""Steps that do work of their own, through the executor."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from coordinator.core.definition import ErrorClass
from coordinator.core.events import ReplyStatus
from coordinator.plugin import StepError, WorkflowContext, WorkflowStep, WorkflowStepResult
from coordinator.ports import Request
from coordinator.workers.executor import StepExecutor


class Shout(WorkflowStep):
    """Repeats what it is told, louder."""

    type: ClassVar[str] = "shout"
    parameters: ClassVar[Any] = dict

    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        said = context.params.get("said")
        if said is None:
            raise StepError("nothing to shout", error_class=ErrorClass.REFUSED, retryable=False)
        if not isinstance(said, str):
            raise TypeError("only text can be shouted")
        by = (context.run, context.node, context.attempt)
        return WorkflowStepResult(result={"said": said.upper(), "by": by}, verdict="pass")


def request(target: str = "shout", **params: object) -> Request:
    return Request(
        stream="work",
        entry_id="1-0",
        target=target,
        msg_id="m",
        run="0" * 26,
        node="fix#2/loud",
        attempt=3,
        token="t",
        workflow="w",
        digest="d",
        payload={"type": target, "params": params, "node": "fix#2/loud", "attempt": 3},
        deadline_ms=None,
    )


@pytest.fixture
def executor() -> StepExecutor:
    return StepExecutor({"shout": Shout()}, state_dir="/nowhere", settings={})


async def test_a_step_gets_its_context_and_its_result_is_the_answer(executor: StepExecutor) -> None:
    answer = await executor.answer(request(said="fire"))

    assert (answer.status, answer.verdict) == (ReplyStatus.DONE, "pass")
    assert answer.result == {"said": "FIRE", "by": ("0" * 26, "fix#2/loud", 3)}


@pytest.mark.parametrize(
    ("target", "params", "error_class", "told"),
    [
        ("shout", {}, "refused", "nothing to shout"),
        ("shout", {"said": 1}, "step_error", "TypeError: only text can be shouted"),
        ("whisper", {}, "refused", "no step type 'whisper' (it has: shout)"),
    ],
)
async def test_a_step_that_fails_or_is_missing_is_an_answer_too(
    executor: StepExecutor, target: str, params: dict[str, object], error_class: str, told: str
) -> None:
    answer = await executor.answer(request(target, **params))

    assert answer.failure is not None
    assert answer.failure.error_class == error_class
    assert told in answer.failure.message
