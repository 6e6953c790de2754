"""`git-operation`: what it asks of git, and doing it in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from coordinator.core.definition import Ask, Channel, ErrorClass
from coordinator.gitx.request import PARAMETERS
from coordinator.plugin import StepError, WorkflowContext
from steps.git_operation import OPERATIONS, GitOperation, GitOperationKeys, git_request
from tests.definitions.corpus import bad_faults, compiled

RUN = "0123456789abcdefghjkmnpqrs"


def ask(keys: str) -> Ask:
    text = f"name: w\nversion: '1.0.0'\nsteps:\n  - {{id: a, type: git-operation, {keys}}}\n"
    primitive = compiled(text).workflow.nodes["a"].primitive
    assert isinstance(primitive, Ask)
    return primitive


def test_the_operations_and_their_params_are_those_that_git_work_knows() -> None:
    internal = {"prepare", "release"}

    assert {name: tuple(known) for name, known in PARAMETERS.items() if name not in internal} == (
        dict(OPERATIONS)
    )
    older = {"feature_complete", "hotfix_deploy"}
    assert set(get_args(GitOperationKeys.model_fields["operation"].annotation)) == {
        *OPERATIONS,
        *older,
    }


@pytest.mark.parametrize(
    ("keys", "params"),
    [
        ("operation: push", {"operation": "push"}),
        (
            "operation: checkout-branch, branch: 'feat/{{ task.slug }}'",
            {"operation": "checkout-branch", "branch": "feat/x"},
        ),
        ("operation: merge, branch: main", {"operation": "merge", "target_branch": "main"}),
        ("operation: sync, branch: main", {"operation": "sync", "base_branch": "main"}),
        (
            "operation: commit, message: 'Do {{ task.slug }}'",
            {"operation": "commit", "message": "Do x"},
        ),
        (
            "operation: finalize, params: {merge_strategy: squash, cleanup_branch: true}",
            {"operation": "finalize", "merge_strategy": "squash", "cleanup_branch": True},
        ),
        (
            "operation: feature_complete, params: {merge_strategy: merge_commit, x: true}",
            {"operation": "finalize", "merge_strategy": "merge"},
        ),
        (
            "operation: hotfix_deploy, params: {target_branch: main, notification: critical}",
            {"operation": "finalize", "target_branch": "main"},
        ),
    ],
)
def test_what_is_asked_of_the_executor(keys: str, params: dict[str, Any]) -> None:
    primitive = ask(keys)

    assert (primitive.channel, primitive.target) == (Channel.WORK, "git-operation")
    assert primitive.params.render({"task": {"slug": "x"}}) == params


@pytest.mark.parametrize(
    "keys",
    [
        "operation: push, params: {force: true}",
        "operation: diff, message: hello",
        "operation: tag, branch: main, params: {name: v1}",
        "operation: merge, branch: main, params: {target_branch: next}",
        "operation: explode",
    ],
)
def test_what_git_work_does_not_know_is_a_fault(keys: str) -> None:
    text = f"name: w\nversion: '1.0.0'\nsteps:\n  - {{id: a, type: git-operation, {keys}}}\n"

    assert [fault.rule for fault in bad_faults("f", text)] == ["WF022"]


def test_the_limits_of_the_step_travel_with_it() -> None:
    limits = ask(
        "operation: commit, git: {branches: ['feat/*'], paths: ['src/**'], push: false}"
    ).limits

    assert (limits.branches, limits.paths, limits.push) == (("feat/*",), ("src/**",), False)


def context(tmp_path: Path, origin: Path, **params: object) -> WorkflowContext:
    return WorkflowContext(
        run=RUN,
        node="a",
        attempt=1,
        workflow="w",
        task={"title": "a task"},
        params=params,
        files={"repo": str(origin), "ref": f"refs/coordinator/runs/{RUN}", "base_branch": "main"},
        limits={"branches": None, "paths": None, "push": None},
        state_dir=str(tmp_path / "state"),
        settings={"allow_local": [str(tmp_path)]},
    )


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    work, bare = tmp_path / "work", tmp_path / "origin.git"
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for argv in (
        ["git", "init", "-q", "-b", "main", str(work)],
        ["git", "-C", str(work), *identity, "commit", "-q", "--allow-empty", "-m", "start"],
        ["git", "clone", "-q", "--bare", str(work), str(bare)],
    ):
        subprocess.run(argv, check=True, capture_output=True)
    return bare


async def test_an_operation_is_done_in_a_real_repository(tmp_path: Path, origin: Path) -> None:
    done = await GitOperation().execute(context(tmp_path, origin, operation="prepare"))

    assert done.files is not None
    assert done.files["base_revision"]


async def test_what_git_refuses_is_a_step_error_with_its_class(
    tmp_path: Path, origin: Path
) -> None:
    asked = context(tmp_path, origin, operation="tag", name="../../evil")

    with pytest.raises(StepError) as refused:
        await GitOperation().execute(asked)

    assert refused.value.error_class in (ErrorClass.REFUSED, ErrorClass.STEP_ERROR)


def test_release_knows_how_the_run_ended(tmp_path: Path) -> None:
    asked = context(tmp_path, tmp_path, operation="release")

    assert git_request(asked)["params"] == {"succeeded": False}
