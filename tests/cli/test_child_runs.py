"""Steps that run other workflows, as a user sees them: files, look-up, what the commands show."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

SHIP = """\
name: ship
version: "1.0.0"
steps:
  - {id: make, persona: writer}
  - {id: fix, type: workflow, workflow: fixing, dependencies: [make]}
  - {id: check, type: workflow, workflow: checks, dependencies: [fix], gate: pass}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [check]}
outputs: {seen: "{{ steps.check.result.seen }}"}
"""
FIXING = """\
name: fixing
version: "1.0.0"
steps:
  - {id: fix, persona: fixer}
  - {id: keep, type: git-operation, operation: commit, message: kept, dependencies: [fix]}
"""
CHECKS = """\
name: checks
version: "1.0.0"
steps:
  - {id: look, persona: reader}
outputs: {seen: "{{ steps.look.result.output }}"}
"""
SIDES = """\
name: sides
version: "1.0.0"
steps:
  - id: both
    type: parallel
    steps:
      - {id: left, type: workflow, workflow: left}
      - {id: right, type: workflow, workflow: right}
  - {id: check, type: workflow, workflow: checks, dependencies: [both]}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [check]}
outputs: {seen: "{{ steps.check.result.seen }}"}
"""


def persona(name: str, command: str, files: str = "patch") -> str:
    return f"{{name: {name}, kind: command, files: {files}, command: [sh, -c, '{command}']}}\n"


def one_step(name: str) -> str:
    return f'name: {name}\nversion: "1.0.0"\nsteps: [{{id: {name}-step, persona: {name}}}]\n'


@pytest.fixture
def project(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path]:
    """A folder with workflows, and the repository that their runs change."""
    for name, text in (("ship", SHIP), ("fixing", FIXING), ("checks", CHECKS), ("sides", SIDES)):
        shell.write(f"workflows/{name}.yml", text)
    for side in ("left", "right"):
        shell.write(f"workflows/{side}.yml", one_step(side))
        shell.write(f"personas/{side}.yaml", persona(side, f"echo {side} > {side}.txt"))
    shell.write("personas/writer.yaml", persona("writer", "echo hello > hello.txt"))
    shell.write("personas/fixer.yaml", persona("fixer", "cat hello.txt > fixed.txt"))
    shell.write("personas/reader.yaml", persona("reader", "ls", files="read"))
    return shell, repository(tmp_path_factory.mktemp("origin"))


def repository(place: Path) -> Path:
    env = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c"}
    env |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}
    work, bare = place / "work", place / "origin.git"
    work.mkdir()
    (work / "a.txt").write_text("a\n")
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-q", "-m", "first"],
        ["clone", "-q", "--bare", ".", str(bare)],
    ):
        subprocess.run(["git", *command], cwd=work, env=env, check=True)
    return bare


def git(repo: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True)
    return done.stdout


def run(shell: Shell, workflow: str, repo: Path) -> tuple[int, str]:
    done = shell("run", workflow, "--local", "--wait", "--timeout", "80s", "--repo", str(repo))
    return done.code, done.out.split()[0]


def test_children_see_and_change_the_files_of_their_parent(project: tuple[Shell, Path]) -> None:
    shell, repo = project
    assert shell("validate", "--strict").code == 0

    code, run_id = run(shell, "ship", repo)

    assert code == 0
    shown = shell("runs", "show", run_id, "-o", "json", "--redis", "embedded").json
    assert shown["outputs"]["seen"].split() == ["a.txt", "fixed.txt", "hello.txt"]
    children = {node["path"]: node["child_run"] for node in shown["nodes"] if node["child_run"]}
    assert sorted(children) == ["check", "fix"]
    below = shell("runs", "show", children["fix"], "-o", "json", "--redis", "embedded").json
    assert below["parent"] == {"run": run_id, "node": "fix", "attempt": 1}
    assert (below["workflow"], below["files"]["ref"]) == ("fixing", shown["files"]["ref"])
    told = shell("runs", "show", children["fix"], "--redis", "embedded").out
    assert f"parent    {run_id}  fix" in told

    message = git(repo, "log", "-1", "--format=%B", "main")
    assert f"Run-Id: {run_id}" in message
    assert f"{children['fix']}/fix 1" in message
    names = git(repo, "ls-tree", "--name-only", "main").split()
    assert names == ["a.txt", "fixed.txt", "hello.txt"]
    assert git(repo, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_children_that_work_at_the_same_time_both_leave_their_changes(
    project: tuple[Shell, Path],
) -> None:
    shell, repo = project

    code, run_id = run(shell, "sides", repo)

    assert code == 0
    shown = shell("runs", "show", run_id, "-o", "json", "--redis", "embedded").json
    assert shown["outputs"]["seen"].split() == ["a.txt", "left.txt", "right.txt"]
    assert git(repo, "ls-tree", "--name-only", "main").split() == ["a.txt", "left.txt", "right.txt"]


def test_children_that_change_the_same_file_are_a_failure_that_names_it(
    project: tuple[Shell, Path],
) -> None:
    shell, repo = project
    for side in ("left", "right"):
        shell.write(f"personas/{side}.yaml", persona(side, f"echo {side} > same.txt"))

    code, run_id = run(shell, "sides", repo)

    assert code == 3
    shown = shell("runs", "show", run_id, "-o", "json", "--redis", "embedded").json
    assert "same.txt" in shown["error"]["message"]
    assert shown["error"]["message"].startswith("run 0")
    assert git(repo, "ls-tree", "--name-only", "main").split() == ["a.txt"]


def test_workflows_are_found_beside_and_above_the_file_up_to_the_git_root(shell: Shell) -> None:
    (shell.folder / ".git").mkdir()
    for name in ("writer", "reader"):
        shell.write(f"personas/{name}.yaml", persona(name, "true"))
    calls = 'name: top\nversion: "1.0.0"\nsteps:\n'
    calls += "".join(
        f"  - {{id: s-{name}, type: workflow, workflow: {name}}}\n"
        for name in ("beside", "in-folder", "above", "deeper")
    )
    shell.write("team/flows/top.yml", calls)
    beside = one_step("beside").replace("persona: beside", "persona: writer")
    shell.write("team/flows/next.yml", beside)
    for path, name in (
        ("team/flows/workflows/x.yml", "in-folder"),
        ("workflows/any-name.yml", "above"),
        ("workflows/parts/deep.yaml", "deeper"),
    ):
        shell.write(path, one_step(name).replace(f"persona: {name}", "persona: reader"))

    done = shell("graph", "team/flows/top.yml", "-o", "json")

    assert done.code == 0, done.err
    called = {node["id"]: node["workflow"] for node in done.json["nodes"]}
    assert sorted(filter(None, called.values())) == ["above", "beside", "deeper", "in-folder"]
    wrong = calls.replace("workflow: above", "workflow: abvoe")
    shell.write("team/flows/top.yml", wrong)
    faults = shell("validate", "team/flows/top.yml", "-o", "json").json["faults"]
    assert [(each["rule"], each["hint"]) for each in faults] == [("WF100", 'Did you mean "above"?')]


def test_graph_and_workflows_show_which_workflow_a_step_runs(project: tuple[Shell, Path]) -> None:
    shell, _ = project

    assert "fix<br/>workflow fixing" in shell("graph", "ship").out
    nodes = {each["id"]: each for each in shell("graph", "ship", "-o", "json").json["nodes"]}
    assert (nodes["fix"]["workflow"], nodes["fix"]["persona"]) == ("fixing", None)
    assert nodes["make"]["workflow"] is None
    steps = shell("workflows", "show", "ship", "--here", "-o", "json").json["steps"]
    assert [each["workflow"] for each in steps] == [None, "fixing", "checks", None]
    assert "(workflow fixing)" in shell("workflows", "show", "ship", "--here").out


def test_a_question_inside_a_child_is_told_and_ends_a_run_that_nobody_watches(
    shell: Shell,
) -> None:
    shell.write("workflows/outer.yml", OUTER)
    shell.write("workflows/asking.yml", ASKING)

    done = shell("--no-input", "run", "outer", "--local", "--wait", "--timeout", "60s")

    assert done.code == 8
    [child] = [
        each["id"]
        for each in shell("runs", "list", "-o", "json", "--redis", "embedded").json
        if each["workflow"] == "asking"
    ]
    assert f"waits on a human: coordinator inbox answer {child} ok ANSWER" in done.err
    parent = done.err.split()[1]
    waits = shell("runs", "why", parent, "-o", "json", "--redis", "embedded").json["waiting_on"]
    said = {wait["path"]: (wait["kind"], wait["detail"]) for wait in waits if wait["path"]}
    assert said == {"below": ("run", f"waits for run {child} of asking")}


OUTER = """\
name: outer
version: "1.0.0"
steps: [{id: below, type: workflow, workflow: asking}]
"""
ASKING = """\
name: asking
version: "1.0.0"
steps: [{id: ok, type: human}]
"""
