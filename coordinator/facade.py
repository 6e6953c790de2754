"""`WorkflowCoordinator`: the older call `handle_coordinator`, on top of the queue.

One message of a project becomes one run per pending task, one after the other, because tasks of one
project build on each other's merges. Which workflow a task gets follows `core.routing`; the runs
themselves are done by the coordinators that serve the queue.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from coordinator.core.ids import RunId
from coordinator.core.routing import NoRouteError, choose_workflow, routes_from
from coordinator.core.state import NodeStatus
from coordinator.core.tasks import (
    detect_scope,
    detect_type,
    normalise_task,
    repo_of,
    slug_of,
    status_of,
)
from coordinator.engine import RunResult
from coordinator.engine.engine import RunNotAcceptedError, RunTimeoutError
from coordinator.ports import DefinitionStore, Desk

Wait = Callable[[RunId], Awaitable[RunResult]]
"""How a run ended, once it has; `WorkflowEngine.wait`."""

MAX_TASKS: Final = 500
"""The most tasks of one message."""
_LONGEST_KEY: Final = 200
_DONE: Final = "done"


class CoordinatorRequestError(ValueError):
    """The message cannot be worked on at all; nothing was started."""


class WorkflowCoordinator:
    """Turns messages about projects into runs. It holds nothing between two calls."""

    def __init__(self, desk: Desk, definitions: DefinitionStore, wait: Wait) -> None:
        self._desk = desk
        self._definitions = definitions
        self._wait = wait

    async def handle_coordinator(
        self,
        redis: object,
        msg: Mapping[str, Any],
        payload: Mapping[str, Any],
        overrides: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run every pending task, and say how each ended.

        `{success, workflowId, projectId, results: [{success, workflowName, taskId, run,
        completedSteps, failedStep, duration, error}]}`, with `success` only if every result has it,
        and `duration` in milliseconds. Tasks come from `payload.tasks`, `payload.task`,
        `payload.milestone(s)` or `payload.project`; without any there is one made from the project.
        The same `workflow_id` never starts a second run of a task. `redis` and `overrides` are
        accepted for callers of old and not used.

        Raises:
            CoordinatorRequestError: there is no project id, or there are too many tasks.
            StoreUnavailableError: the queue cannot be reached; calling again is safe.
        """
        request = _Request.read(msg, payload)
        pending = [work for work in request.works() if work.is_pending]
        if not pending:
            return {"success": True, "message": "No pending tasks to process"}
        results = [await self._run(request, work) for work in pending]
        return {
            "success": all(result["success"] for result in results),
            "workflowId": request.workflow_id,
            "projectId": request.project_id,
            "results": results,
        }

    async def _run(self, request: _Request, work: _Work) -> dict[str, Any]:
        identity = work.identity
        try:
            task = normalise_task(request.completed(work), entry_id=identity)
            identity = str(task["id"])
            workflow = await self._choose(task)
            run = await self._submit(request, task, workflow)
            return _told(identity, await self._wait(run))
        except (ValueError, NoRouteError, RunNotAcceptedError, RunTimeoutError) as error:
            return {"success": False, "taskId": identity, "error": str(error)}

    async def _choose(self, task: Mapping[str, object]) -> str:
        bundles = await self._definitions.active()
        rules = [rule for bundle in bundles for rule in bundle.routes]
        workflows = {workflow for bundle in bundles for workflow in bundle.digests}
        return choose_workflow(task, routes_from(rules), workflows).workflow

    async def _submit(self, request: _Request, task: Mapping[str, object], workflow: str) -> RunId:
        fields = {"task": json.dumps(task), "workflow": workflow}
        key = f"{request.workflow_id}:{task['id']}"
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        return await self._desk.submit(fields, idempotency_key=key)


async def handle_coordinator(
    redis: WorkflowCoordinator,
    msg: Mapping[str, Any],
    payload: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`WorkflowCoordinator.handle_coordinator` of the coordinator that is given for `redis`.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(redis, WorkflowCoordinator):
        raise TypeError(
            f"a {type(redis).__name__} is no WorkflowCoordinator; make one of a desk, a definition "
            "store and an engine's wait"
        )
    return await redis.handle_coordinator(redis, msg, payload, overrides)


@dataclass(frozen=True, slots=True)
class _Work:
    """A task as it stands in the message."""

    raw: object
    identity: str
    """What it is called where it has no id."""
    milestone: Mapping[str, Any] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be done; what is no task is, and then fails."""
        if not isinstance(self.raw, Mapping) or not isinstance(self.raw.get("status"), str):
            return True
        return status_of(self.raw["status"]) != _DONE


@dataclass(frozen=True, slots=True)
class _Request:
    """One message, with the values that its tasks inherit."""

    workflow_id: str
    project_id: str
    project: str
    slug: str
    repo: str | None
    base: str | None
    payload: Mapping[str, Any]

    @classmethod
    def read(cls, msg: Mapping[str, Any], payload: Mapping[str, Any]) -> _Request:
        project_id = _first(msg, "project_id") or _first(payload, "project_id", "projectId")
        if not project_id:
            raise CoordinatorRequestError("Coordinator requires project_id")
        project = payload.get("project")
        about = project if isinstance(project, Mapping) else {}
        name = _first(payload, "project_name", "project") or _first(about, "name") or project_id
        return cls(
            workflow_id=_first(msg, "workflow_id") or str(uuid.uuid4()),
            project_id=project_id,
            project=name,
            slug=slug_of(_first(payload, "project_slug") or _first(about, "slug") or name),
            repo=repo_of(payload) or repo_of(msg) or repo_of(about),
            base=_first(msg, "branch", "base_branch") or _first(payload, "branch", "base_branch"),
            payload=payload,
        )

    def works(self) -> list[_Work]:
        """Every task of the message, or the one that stands for the whole project."""
        found = _listed(self.payload)
        if found is None:
            return [_Work(self._synthetic(), "t-synth", _mapping(self.payload.get("milestone")))]
        if len(found) > MAX_TASKS:
            raise CoordinatorRequestError(
                f"the message has {len(found)} tasks; send at most {MAX_TASKS} at a time"
            )
        return [
            _Work(task, f"{self.workflow_id}-{number}", milestone)
            for number, (task, milestone) in enumerate(found, start=1)
        ]

    def completed(self, work: _Work) -> Mapping[str, Any]:
        """The task with what it inherits.

        Raises:
            TaskError: it is no task.
        """
        if not isinstance(work.raw, Mapping):
            return normalise_task(work.raw)  # type: ignore[arg-type]  # raises, saying what it is
        inherited: dict[str, Any] = {"project": self.project, "project_id": self.project_id}
        if work.milestone is not None:
            inherited["milestone"] = {k: v for k, v in work.milestone.items() if k != "tasks"}
        if self.repo and repo_of(work.raw) is None:
            inherited["repo"] = self.repo
        if self.base and not _first(work.raw, "branch", "base_branch", "baseBranch"):
            inherited["branch"] = self.base
        return {**inherited, **{key: value for key, value in work.raw.items() if value is not None}}

    def _synthetic(self) -> Mapping[str, Any]:
        return {
            "id": "t-synth",
            "title": self.project,
            "slug": self.slug or "milestone",
            "type": detect_type(None),
            "scope": detect_scope(None),
        }


def _listed(payload: Mapping[str, Any]) -> list[tuple[object, Mapping[str, Any] | None]] | None:
    """The tasks of the first place that has some, each with its milestone; None if none has."""
    if isinstance(payload.get("tasks"), list):
        milestone = _mapping(payload.get("milestone"))
        return [(task, milestone) for task in payload["tasks"]]
    if payload.get("task"):
        return [(payload["task"], _mapping(payload.get("milestone")))]
    holders = list(_holders(payload))
    if not holders:
        return None
    return [(task, milestone) for tasks, milestone in holders for task in tasks]


def _holders(
    payload: Mapping[str, Any],
) -> Iterator[tuple[list[object], Mapping[str, Any] | None]]:
    """Lists of tasks inside milestones and the project."""
    project = _mapping(payload.get("project")) or {}
    milestones = [payload.get("milestone"), *_list(payload, "milestones")]
    milestones += _list(project, "milestones")
    for milestone in milestones:
        about = _mapping(milestone)
        if about is not None and isinstance(about.get("tasks"), list):
            yield about["tasks"], about
    if isinstance(project.get("tasks"), list):
        yield project["tasks"], None


def _told(identity: str, ended: RunResult) -> dict[str, Any]:
    """How a run ended, in the words of the older call."""
    state, error = ended.state, ended.error or {}
    settled = sorted((node.settled, path, node) for path, node in state.nodes.items())
    message = error.get("message") or f"the run ended {ended.status}"
    return {
        "success": ended.succeeded,
        "workflowName": state.head.workflow,
        "taskId": identity,
        "run": ended.run,
        "completedSteps": [
            path
            for _, path, node in settled
            if node.status is NodeStatus.SUCCEEDED and "@" not in path
        ],
        "failedStep": error.get("node"),
        "duration": max(0, state.record.ended_ms - state.head.created_ms),
        "error": None if ended.succeeded else message,
    }


def _mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _list(holder: Mapping[str, Any], name: str) -> list[object]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _first(holder: Mapping[str, Any], *names: str) -> str:
    """The first of these that is text or a number, as text; empty if none is."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""
