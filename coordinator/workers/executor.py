"""Work the coordinator gives itself: git operations and plugin steps, by their `execute`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.core.definition import ErrorClass
from coordinator.plugin import StepError, WorkflowContext, WorkflowStep
from coordinator.ports import Request
from coordinator.workers.replies import Answer, failed, refused


class StepExecutor:
    """Answers requests of the work stream; runs inside a coordinator.

    `settings` is what the operator of this process allows, for steps that ask.
    """

    def __init__(
        self, steps: Mapping[str, WorkflowStep], *, state_dir: str, settings: Mapping[str, object]
    ) -> None:
        self._steps = steps
        self._state_dir = state_dir
        self._settings = settings

    async def answer(self, request: Request) -> Answer:
        """What the step's `execute` gives; a failure is an answer too."""
        step = self._steps.get(request.target)
        if step is None:
            known = ", ".join(sorted(self._steps))
            return refused(
                f"this coordinator has no step type {request.target!r} (it has: {known}); "
                "install its plugin on every coordinator"
            )
        try:
            done = await step.execute(self._context(request))
        except StepError as error:
            return failed(error.error_class, str(error), retryable=error.retryable)
        except Exception as error:  # a plugin's bug must not end the executor
            return failed(ErrorClass.STEP_ERROR, f"{type(error).__name__}: {error}")
        return Answer(
            verdict=done.verdict,
            result=done.result,
            files=done.files,
            artifacts=tuple(done.artifacts),
        )

    def _context(self, request: Request) -> WorkflowContext:
        payload: Mapping[str, Any] = request.payload
        told = dict(payload.get("context") or {})
        told |= {name: payload.get(name) for name in ("title", "succeeded", "merges", "files_of")}
        return WorkflowContext(
            run=request.run,
            node=str(payload.get("node") or request.node),
            attempt=int(payload.get("attempt") or request.attempt),
            workflow=request.workflow,
            task=payload.get("task") or {},
            params=payload.get("params") or {},
            context=told,
            files=payload.get("files"),
            limits=payload.get("limits") or {},
            may_push=bool(payload.get("may_push")),
            patch=payload.get("patch"),
            state_dir=self._state_dir,
            settings=self._settings,
        )
