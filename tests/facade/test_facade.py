"""The older call, over real loops: messages of a project become runs."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core.ids import RunId
from coordinator.engine import RunResult
from coordinator.engine.engine import RunTimeoutError
from coordinator.facade import (
    MAX_TASKS,
    CoordinatorRequestError,
    WorkflowCoordinator,
    handle_coordinator,
)
from tests.contracts.worlds import World
from tests.engine.rig import Rig

LOOP = """
name: project-loop
version: 1.0.0
steps:
  - {id: build, type: persona-request, persona: worker}
  - {id: check, type: persona-request, persona: worker, gate: pass, dependencies: [build]}
"""
HOTFIX = LOOP.replace("project-loop", "hotfix")
MSG = {"workflow_id": "wf-1", "project_id": "p1"}


def coordinator(rig: Rig) -> WorkflowCoordinator:
    async def wait(run: RunId) -> RunResult:
        return await rig.engine.wait(run, timeout=20)

    return WorkflowCoordinator(rig.world.desk(), rig.world.definitions(), wait)


async def handled(
    world: World, payload: dict[str, Any], *, verdict: str = "pass", **msg: object
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the call returns, and the tasks that personas saw."""
    seen: dict[str, dict[str, Any]] = {}

    def answer(request: Any) -> dict[str, str]:
        seen.setdefault(request.run, request.payload["task"])
        return {"verdict": verdict}

    async with Rig(world) as rig:
        await rig.activate(LOOP, HOTFIX)
        rig.serve("worker", answer=answer)
        said = await coordinator(rig).handle_coordinator(None, {**MSG, **msg}, payload)
    return said, list(seen.values())


async def test_each_pending_task_becomes_a_run(world: World) -> None:
    tasks = [{"id": "a", "title": "urgent"}, {"id": "b", "title": "fix"}, {"id": "c"}]
    tasks[2]["status"] = "completed"

    said, seen = await handled(world, {"tasks": tasks, "repo": "/srv/a.git"}, branch="develop")

    assert (said["success"], said["workflowId"], said["projectId"]) == (True, "wf-1", "p1")
    first, second = said["results"]
    assert (first["taskId"], first["workflowName"]) == ("a", "hotfix")
    assert (second["taskId"], second["workflowName"]) == ("b", "project-loop")
    assert first.keys() == {
        "success", "workflowName", "taskId", "run", "completedSteps", "failedStep", "duration",
        "error",
    }  # fmt: skip
    assert first["completedSteps"] == ["build", "check"]
    assert (first["failedStep"], first["error"]) == (None, None)
    assert [(task["repo"], task["branch"]) for task in seen] == [("/srv/a.git", "develop")] * 2


async def test_it_works_on_a_real_server(real: World) -> None:
    said, _ = await handled(real, {"task": {"id": "a", "title": "fix it"}})

    assert said["success"], said


async def test_one_failure_makes_the_whole_call_fail(world: World) -> None:
    said, _ = await handled(world, {"tasks": [{"id": "a"}, ["no task"]]}, verdict="fail")

    assert said["success"] is False
    failed, none = said["results"]
    assert (failed["success"], failed["failedStep"]) == (False, "check")
    assert (failed["completedSteps"], bool(failed["error"])) == (["build"], True)
    assert none == {
        "success": False,
        "taskId": "wf-1-2",
        "error": "a task is a JSON object, this is a list; send {'title': ...}",
    }


async def test_nothing_pending_starts_nothing(world: World) -> None:
    said, seen = await handled(world, {"tasks": [{"id": "a", "status": "done"}]})

    assert said == {"success": True, "message": "No pending tasks to process"}
    assert seen == []


@pytest.mark.parametrize(
    "payload",
    [
        {"task": {"id": "x"}},
        {"milestone": {"name": "m", "tasks": [{"id": "x"}]}},
        {"milestones": [{"name": "m", "tasks": [{"id": "x"}]}, {"name": "empty"}]},
        {"project": {"name": "P", "tasks": [{"id": "x"}]}},
        {"project": {"milestones": [{"name": "m", "tasks": [{"id": "x"}]}]}},
    ],
)
async def test_tasks_are_found_where_older_messages_have_them(
    world: World, payload: dict[str, Any]
) -> None:
    said, seen = await handled(world, payload)

    assert [result["taskId"] for result in said["results"]] == ["x"]
    assert seen[0].get("milestone") in (None, {"name": "m"})


async def test_a_project_without_tasks_gets_one_that_stands_for_it(world: World) -> None:
    _, seen = await handled(world, {"project_name": "The Shop"})

    [task] = seen
    assert (task["id"], task["title"], task["slug"]) == ("t-synth", "The Shop", "the-shop")
    assert (task["type"], task["scope"]) == ("analysis", "medium")


async def test_the_same_message_again_starts_no_second_run(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(LOOP)
        rig.serve("worker")
        call = coordinator(rig).handle_coordinator
        first = await call(None, MSG, {"task": {"id": "a"}})
        again = await call(None, MSG, {"task": {"id": "a"}})

    assert first == again
    assert len(await world.desk().runs()) == 1


async def test_a_task_without_a_workflow_says_what_there_is(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(HOTFIX)
        said = await coordinator(rig).handle_coordinator(None, MSG, {"task": {"id": "a"}})

    assert "there are: hotfix" in said["results"][0]["error"]


async def test_a_run_that_does_not_end_is_a_result_too(world: World) -> None:
    async def wait(run: RunId) -> RunResult:
        raise RunTimeoutError(run, 1)

    async with Rig(world) as rig:
        await rig.activate(LOOP)
        facade = WorkflowCoordinator(world.desk(), world.definitions(), wait)
        said = await handle_coordinator(facade, MSG, {"task": {"id": "a"}}, {"anything": 1})

    assert "had not ended" in said["results"][0]["error"]


@pytest.mark.parametrize(
    ("msg", "payload", "says"),
    [
        ({}, {}, "Coordinator requires project_id"),
        (MSG, {"tasks": [{}] * (MAX_TASKS + 1)}, "send at most 500"),
    ],
)
async def test_a_message_that_cannot_be_worked_on_is_refused(
    world: World, msg: dict[str, Any], payload: dict[str, Any], says: str
) -> None:
    with pytest.raises(CoordinatorRequestError, match=says):
        await coordinator(Rig(world)).handle_coordinator(None, msg, payload)


async def test_what_is_no_coordinator_is_named() -> None:
    with pytest.raises(TypeError, match="a str is no WorkflowCoordinator"):
        await handle_coordinator("redis://", MSG, {})  # type: ignore[arg-type]  # that is the test
