"""The public classes of step types that do work of their own, built-in and plugin alike.

A plugin package names a `WorkflowStep` subclass in the entry-point group `coordinator.steps`. Its
parameters are checked when a workflow is compiled; its `execute` runs in a coordinator's executor,
never inside `decide`, and at least once: after a crash it is called again with the same `attempt`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from coordinator.core.definition import ErrorClass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowContext:
    """What a step's `execute` may know."""

    run: str
    node: str
    attempt: int
    workflow: str
    task: Mapping[str, object]
    params: Mapping[str, object]
    """The step's own keys, rendered."""
    context: Mapping[str, object] = field(default_factory=dict)
    """`{iteration, steps: {dependency: {outcome, verdict, result}}, state}`."""
    files: Mapping[str, object] | None = None
    """`{repo, ref, branch, base_branch, base_revision, revision}` of the run's git ref."""
    limits: Mapping[str, object] = field(default_factory=dict)
    may_push: bool = False
    patch: Mapping[str, object] | None = None
    state_dir: str = ""
    """A directory of this process, for mirrors and caches; nothing in it is shared."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What the operator of this process configured (for example which local
    repositories it may use).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStepResult:
    """What a step's `execute` gives back; raise `StepError` for a failure."""

    result: object = None
    verdict: str | None = None
    files: Mapping[str, object] | None = None
    """Changed keys of the run's files."""
    artifacts: Sequence[Mapping[str, object]] = ()
    """`{name, path | url | ref, type, bytes, sha256, …}`: what was made besides the result."""


class StepError(Exception):
    """The step failed, for a reason the author of the workflow can read."""

    def __init__(
        self,
        message: str,
        *,
        error_class: ErrorClass = ErrorClass.STEP_ERROR,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.retryable = retryable


class WorkflowStep(ABC):
    """A step type that does work of its own."""

    type: ClassVar[str]
    """The name that `type:` uses."""
    description: ClassVar[str] = ""
    parameters: ClassVar[Any]
    """A pydantic model of the keys that are this type's own."""
    result_schema: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of the result, for people and tools; results are not held against it."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What has to be there besides an executor: `git`, `repository`, `human`."""

    @abstractmethod
    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        """Do one attempt.

        Raises:
            StepError: it failed.
        """
