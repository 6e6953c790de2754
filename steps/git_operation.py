"""`git-operation`: change the run's files in git, done by the coordinator itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from coordinator.core.definition import Ask, Channel, ErrorClass
from coordinator.core.lowering import Mark, Need, Parts, StepKeyError, StepType, Variant
from coordinator.core.templates import compile_value
from coordinator.plugin import StepError, WorkflowContext, WorkflowStep, WorkflowStepResult
from steps.git_doubts import doubts
from steps.git_results import RESULT, RESULTS
from steps.keys import OwnKeys

OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "checkout-branch": ("branch", "base_branch", "continue_existing"),
    "commit": ("message",),
    "push": ("branch",),
    "merge": ("target_branch", "strategy", "message"),
    "rebase": ("base_branch",),
    "tag": ("name", "message"),
    "sync": ("base_branch", "message"),
    "diff": ("max_bytes",),
    "apply-patch": ("message",),
    "finalize": ("target_branch", "merge_strategy", "cleanup_branch", "message"),
    "rollback": ("target_branch", "message"),
}
"""Every operation and its params."""

_OLDER: Final = ("feature_complete", "hotfix_deploy")
"""Names of the older dialect; both finalize. Their params that git knows nothing of are dropped."""

_BRANCH_MEANS: Final = {
    "merge": "target_branch",
    "finalize": "target_branch",
    "rollback": "target_branch",
    "rebase": "base_branch",
    "sync": "base_branch",
}
"""What the key `branch` means where the operation has another word for it."""


class GitOperationKeys(OwnKeys):
    """The operation, and short ways to write its two commonest params."""

    operation: Literal[
        "checkout-branch",
        "commit",
        "push",
        "merge",
        "rebase",
        "tag",
        "sync",
        "diff",
        "apply-patch",
        "finalize",
        "rollback",
        "feature_complete",
        "hotfix_deploy",
    ]
    branch: Annotated[str | None, Mark.TEMPLATE] = None
    message: Annotated[str | None, Mark.TEMPLATE] = None


def lower(parts: Parts) -> Ask:
    """Work for the coordinator's executor, whose params render to the operation and its params."""
    operation = str(parts.own.get("operation"))
    params = dict(parts.params)
    if operation in _OLDER:
        operation, params = "finalize", _of_older_dialect(params)
    known = OPERATIONS[operation]
    _add(params, _BRANCH_MEANS.get(operation, "branch"), "branch", parts)
    _add(params, "message", "message", parts)
    for name in params:
        if name not in known:
            key = name if name in ("branch", "message") and name in parts.own else "params"
            raise StepKeyError(key, f"{operation} takes {', '.join(known)}; not {name}")
    return Ask(
        channel=Channel.WORK,
        target="git-operation",
        params=compile_value({"operation": operation, **params}),
        timeout=parts.timeout,
        limits=parts.limits,
    )


def _add(params: dict[str, object], name: str, key: str, parts: Parts) -> None:
    value = parts.own.get(key)
    if value is None:
        return
    if name in params:
        raise StepKeyError(key, f"{key} says the same as params.{name}; keep one of them")
    params[name] = value


def _of_older_dialect(params: Mapping[str, object]) -> dict[str, object]:
    known = {name: value for name, value in params.items() if name in OPERATIONS["finalize"]}
    if known.get("merge_strategy") == "merge_commit":
        known["merge_strategy"] = "merge"
    return known


class GitOperation(WorkflowStep):
    """Does a git operation of a run in this process's mirror; safe to repeat."""

    type: ClassVar[str] = "git-operation"
    description: ClassVar[str] = (
        "Change the run's files in git: checkout-branch, commit, push, merge, rebase, tag, sync, "
        "diff, apply-patch, finalize, rollback."
    )
    parameters: ClassVar[Any] = GitOperationKeys

    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        """Do the operation that the rendered params name, in a thread; cancelled, it is stopped.

        Raises:
            StepError: git refused or failed; the class says whether another try may help.
        """
        # Only a process that executes needs git and a loop; compiling a workflow must load neither.
        from coordinator.gitx import GitError, execute_git_operation, run_stoppable

        request = git_request(context)
        allow_local = _folders(context.settings.get("allow_local", False))
        state_dir = Path(context.state_dir)
        try:
            done = await run_stoppable(
                lambda: execute_git_operation(state_dir, request, allow_local=allow_local)
            )
        except GitError as error:
            raise StepError(
                str(error), error_class=ErrorClass(error.error_class), retryable=error.retryable
            ) from error
        return WorkflowStepResult(result=done["result"], files=done["files"])


def git_request(context: WorkflowContext) -> dict[str, Any]:
    """What `execute_git_operation` is asked for: one operation of one attempt of a node."""
    params = dict(context.params)
    operation = params.pop("operation", None)
    if operation == "release":
        params.setdefault("succeeded", bool(context.context.get("succeeded")))
    elif operation == "prepare":
        params.setdefault("merges", bool(context.context.get("merges")))
    owner = str(context.context.get("files_of") or "")
    return {
        "operation": operation,
        "run": owner or context.run,
        # Several runs work on the ref of one: what each has done there must be told apart.
        "node": f"{context.run}/{context.node}" if owner else context.node,
        "attempt": context.attempt,
        "params": params,
        "title": str(context.context.get("title") or context.task.get("title") or ""),
        "files": dict(context.files or {}),
        "limits": {name: context.limits.get(name) for name in ("branches", "paths")},
        "may_push": context.may_push,
        "patch": None if context.patch is None else dict(context.patch),
    }


def _folders(allowed: object) -> bool | list[Path]:
    if isinstance(allowed, list | tuple):
        return [Path(str(each)) for each in allowed]
    return bool(allowed)


GIT_OPERATION: Final = StepType(
    name="git-operation",
    description=GitOperation.description,
    keys=GitOperationKeys,
    lower=lower,
    executor=GitOperation,
    result=RESULT,
    variant_key="operation",
    variants={
        name: Variant(params=params, result=RESULTS[name]) for name, params in OPERATIONS.items()
    },
    has_verdict=False,
    doubts=doubts,
    also_needs=(Need.GIT, Need.REPOSITORY),
)
