"""A daemon is killed inside an operation; another, with only the remote, ends the same way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from gitrepos import Project, Run, edit, git, new_file

from coordinator import faults
from coordinator.gitx import Mirror, perform
from coordinator.gitx.request import WorkRequest

_CHILD = """
import json, sys
from pathlib import Path
from coordinator.gitx import execute_git_operation
state, request = json.load(sys.stdin)
answer = execute_git_operation(Path(state), request, allow_local=True)
json.dump(answer, sys.stdout)
"""
GIT_POINTS = sorted(name for name in faults.POINTS if name.startswith("git."))


def in_a_child(state: Path, request: dict[str, object], fault: str) -> int:
    """Carry `request` out in a process of its own, and return how it ended."""
    environment = {**os.environ, faults.VARIABLE: fault} if fault else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps([str(state), request]), capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def ready(project: Project, run: Run, operation: str) -> dict[str, object]:
    """A run that is just about to do `operation`."""
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    if operation in {"rollback", "tag"}:
        run.does("finalize")
    elif operation != "push":
        run.does("push")
        run.patches(edit("one\ntwo\nthree\n", "one\n2\nthree\n"))
    if operation in {"sync", "rebase", "merge", "finalize", "rollback"}:
        project.colleague_pushes({"x.txt": "x\n"})
    more: dict[str, object] = {"files": {**run.files, "repo": str(project.remote)}}
    if operation == "tag":
        more["params"] = {"name": "v1"}
    if operation == "apply-patch":
        more["patch"] = {"base": run.files["revision"], "diff": new_file("b.txt")}
    return run.request(operation, **more)


CASES = [
    (operation, point)
    for operation in (
        "apply-patch", "commit", "push", "merge", "rebase", "sync", "finalize", "rollback", "tag"
    )
    for point in GIT_POINTS
    # Around the push for each; everywhere for the one that most depends on it.
    if operation == "finalize" or point.endswith("_push")
]  # fmt: skip


@pytest.mark.parametrize(("operation", "point"), CASES)
def test_killed_anywhere_and_repeated_elsewhere_it_ends_the_same(
    project: Project, run: Run, tmp_path: Path, operation: str, point: str
) -> None:
    request = ready(project, run, operation)
    undisturbed = tmp_path / "undisturbed.git"
    git(tmp_path, "clone", "-q", "--mirror", str(project.remote), str(undisturbed))
    expected = {**request, "files": {**run.files, "repo": str(undisturbed)}}
    assert in_a_child(tmp_path / "calm", expected, "") == 0

    assert in_a_child(tmp_path / "killed", request, f"{point}:1:kill") == -signal.SIGKILL
    run.last = {**request, "files": run.files}
    run.again(Mirror.open(tmp_path / "successor", project.url()))

    calm = git(undisturbed, "for-each-ref", "--format=%(refname) %(objectname)")
    assert project.refs() == dict(line.split(" ") for line in calm.splitlines())
    run.again(Mirror.open(tmp_path / "killed", project.url()))
    assert project.refs() == dict(line.split(" ") for line in calm.splitlines())


def test_two_that_apply_patches_at_the_same_time_both_get_theirs_in(
    project: Project, run: Run, tmp_path: Path
) -> None:
    run.does("prepare")
    base = run.files["revision"]
    names = [f"f{number}.txt" for number in range(6)]
    errors: list[BaseException] = []

    def apply(name: str) -> None:
        rival = Run(Mirror.open(tmp_path / name, project.url()))
        request = rival.request(
            "apply-patch", node=name, files=dict(run.files),
            patch={"base": base, "diff": new_file(name)},
        )  # fmt: skip
        try:
            perform(rival.mirror, WorkRequest.from_json(request))
        except BaseException as error:
            errors.append(error)

    rivals = [threading.Thread(target=apply, args=(name,)) for name in names]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert errors == []
    assert set(names) <= set(project.files(str(run.files["ref"])))


def test_runs_that_merge_at_the_same_time_all_arrive(project: Project, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def merge(number: int) -> None:
        try:
            rival = Run(Mirror.open(tmp_path / f"m{number}", project.url()), run=f"run{number}")
            rival.patches(new_file(f"f{number}.txt"))
            rival.does("finalize")
        except BaseException as error:
            errors.append(error)

    rivals = [threading.Thread(target=merge, args=(number,)) for number in range(4)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert errors == []
    assert {f"f{number}.txt" for number in range(4)} <= set(project.files())
    assert git(project.remote, "rev-list", "--count", "main") == "5"


def test_every_point_is_armed_by_its_name() -> None:
    for name in faults.POINTS:
        assert faults.armed_by(f"{name}:2:kill") == (name, 2)
    assert faults.armed_by("") is None


@pytest.mark.parametrize(
    "setting",
    [
        "git.nowhere:1:kill",
        "git.before_push",
        "git.before_push:0:kill",
        "git.before_push:x:kill",
        "git.before_push:1:sleep",
    ],
)
def test_a_setting_that_can_never_fire_is_an_error(setting: str) -> None:
    with pytest.raises(faults.UnknownFaultPointError, match="NAME:N:kill"):
        faults.armed_by(setting)


def test_a_point_that_is_not_armed_does_nothing() -> None:
    faults.point("git.before_push")
