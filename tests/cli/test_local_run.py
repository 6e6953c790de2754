"""`run --local` in a bare folder outside git, and what other commands find there afterwards."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

TIDY = """\
name: tidy
version: "1.0.0"
steps:
  - {id: fix, persona: fixer}
  - {id: look, run: ["true"], dependencies: [fix]}
"""
FIXER = "{name: fixer, kind: command, command: ['true']}"


@pytest.mark.parametrize("name", ["tidy", "workflows/tidy.yml"])
def test_the_personas_beside_the_workflows_are_found_and_served(name: str, shell: Shell) -> None:
    shell.write("workflows/tidy.yml", TIDY)
    shell.write("personas/fixer.yaml", FIXER)
    assert shell("validate", "--strict").code == 0
    done = shell("run", name, "--local", "--wait", "--timeout", "50s")
    assert (done.code, done.out.split()[1:]) == (0, ["succeeded"]), done.err
    nodes = shell("graph", name, "-o", "json").json["nodes"]
    assert [node["persona"] for node in nodes] == ["fixer", "run"]
    assert shell("simulate", name).json["status"] == "succeeded"


def test_personas_are_looked_for_no_further_than_beside_the_workflows(shell: Shell) -> None:
    shell.write("personas/other.yaml", FIXER.replace("fixer", "other"))
    shell.write("project/workflows/tidy.yml", TIDY)
    done = Shell(shell.folder / "project")("graph", "tidy")
    assert done.code == 0, "the folder of personas above the project is not its own"


@pytest.mark.parametrize("names", ["persona: fixer", "run: ['false'], on_error: {fallback: fixer}"])
def test_a_persona_that_nobody_can_serve_is_told_before_anything_starts(
    names: str, shell: Shell
) -> None:
    shell.write("workflows/tidy.yml", TIDY.replace("persona: fixer", names))
    done = shell("run", "tidy", "--local", "--timeout", "50s")
    assert (done.code, done.out) == (1, "")
    assert "nobody here can serve the persona fixer" in done.err
    assert "personas/fixer.yaml" in done.err
    assert shell("runs", "list", "-o", "json", "--redis", "embedded").json == []


def test_artifacts_that_a_program_names_are_shown_with_the_run(shell: Shell) -> None:
    shell.write(
        "workflows/tidy.yml",
        """\
name: tidy
version: "1.0.0"
steps:
  - {id: fix, run: [echo, '{"artifacts": [{"name": "report", "path": "out.html"}], "tag": 3}'],
     outputs: {label: "v{{ result.tag }}"}}
  - {id: look, run: [echo, "{{ fix.label }} {{ artifacts[0].path }}"]}
outputs: {made: "{{ artifacts | length }}", text: "{{ look.output.output | trim }}"}
""",
    )
    done = shell("run", "tidy", "--local", "--wait", "--timeout", "50s")
    assert done.code == 0, done.err
    run = done.out.split()[0]
    shown = shell("runs", "show", run, "-o", "json", "--redis", "embedded").json
    assert [node["artifacts"] for node in shown["nodes"]] == [
        [{"name": "report", "path": "out.html"}],
        [],
    ]
    assert shown["outputs"] == {"made": 1, "text": "v3 out.html"}
    assert "artifacts:\n  fix: report" in shell("runs", "show", run, "--redis", "embedded").out


def test_a_large_result_is_named_by_a_reference_and_printed_whole(shell: Shell) -> None:
    program = "import json; print(json.dumps({'text': 'x' * 300_000}))"
    shell.write(
        "workflows/tidy.yml",
        f"""\
name: tidy
version: "1.0.0"
steps:
  - {{id: fix, run: [python3, -c, "{program}"]}}
  - {{id: look, run: [echo, small], dependencies: [fix]}}
  - {{id: both, type: parallel, dependencies: [look], steps: [{{id: x, run: [echo, "1"]}}]}}
""",
    )
    done = shell("run", "tidy", "--local", "--wait", "--timeout", "50s")
    assert done.code == 0, done.err
    run, server = done.out.split()[0], ("--redis", "embedded")
    [fix, *others] = shell("runs", "show", run, "-o", "json", *server).json["nodes"]
    assert fix["result_ref"].keys() == {"ref", "bytes", "sha256"}
    assert fix["result_ref"]["bytes"] > 300_000
    assert not any(node["result_ref"] for node in others)
    assert fix["result_ref"]["ref"] in shell("runs", "show", run, *server).out
    assert shell("runs", "result", run, "fix", *server).json == {"text": "x" * 300_000}
    assert shell("runs", "result", run, "look", *server).json == {"output": "small\n"}
    assert shell("runs", "result", run, "both", *server).json == {"x": {"output": "1\n"}}
    unknown = shell("runs", "result", run, "fixx", *server)
    assert (unknown.code, unknown.out) == (5, "")
    assert "did you mean 'fix'?" in unknown.err


def test_what_validate_warns_of_is_said_before_a_run(shell: Shell) -> None:
    shell.write("personas/fixer.yaml", FIXER)
    text = TIDY.replace("persona: fixer}", "persona: fixer, invariants: [task.id]}")
    shell.write("workflows/tidy.yml", text)
    done = shell("run", "tidy", "--local", "--wait", "--timeout", "50s")
    assert done.code == 0, done.err
    assert "workflows/tidy.yml:4:" in done.err
    assert "WF039" in done.err


HELLO = 'name: hello\nversion: "1.0.0"\nsteps: [{id: a, run: ["true"]}]\n'


def _has_usual_redis() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 6379)) == 0


@pytest.mark.skipif(_has_usual_redis(), reason="somebody's own server is at the usual place")
def test_what_ran_locally_is_found_where_no_server_was_chosen(shell: Shell) -> None:
    shell.write("workflows/hello.yml", HELLO)
    bare = Shell(shell.folder)
    missing = bare("runs", "list")
    assert (missing.code, "embedded" in missing.err) == (1, False), "there is none yet"
    assert bare("run", "hello", "--local", "--wait", "--timeout", "50s").code == 0
    listed = bare("runs", "list", "-o", "json")
    assert [run["workflow"] for run in listed.json] == ["hello"]
    assert listed.err.count("\n") == 1
    assert "6379" in listed.err
    assert "embedded" in listed.err
    run = listed.json[0]["id"]
    assert bare("runs", "why", run).code == 0
    assert bare("inbox", "list", "-o", "json").json == []
    assert "on embedded" in bare("submit", "--task", "-", input="{}").err
    assert bare("workflows", "list", "-o", "name").out == "hello\n"


def test_a_chosen_server_is_not_replaced_but_the_other_is_named(shell: Shell) -> None:
    shell.write("workflows/hello.yml", HELLO)
    assert shell("run", "hello", "--local", "--wait", "--timeout", "50s").code == 0
    for command in (["runs", "list"], ["worker", "--persona", "x"]):
        done = shell(*command)
        assert (done.code, done.out) == (1, "")
        assert "127.0.0.1:1 is not available" in done.err
        assert "--redis embedded" in done.err
    shown = shell("runs", "list", "-o", "json", "--redis", "embedded")
    assert (len(shown.json), shown.err) == (1, "")


MERGES = """\
name: merges
version: "1.0.0"
steps:
  - {id: branch, type: git-operation, operation: checkout-branch, branch: work}
  - {id: fix, persona: fixer, dependencies: [branch]}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [fix]}
"""
WRITER = "{name: fixer, kind: command, files: patch, command: [touch, made]}"


def _clone(folder: Path) -> Path:
    """A repository with files, on its only branch."""
    git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-C", str(folder)]
    folder.mkdir()
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return folder


def test_a_clone_that_cannot_be_merged_into_is_refused_before_the_first_step(shell: Shell) -> None:
    shell.write("workflows/merges.yml", MERGES)
    shell.write("personas/fixer.yaml", WRITER)
    clone = str(_clone(shell.folder / "clone"))
    run = ("run", "merges", "--local", "--timeout", "50s", "--repo", clone)
    done = shell(*run)
    assert done.code == 3
    assert "main is checked out in" in done.out
    assert "--bare" in done.out
    assert "fix running" not in done.out
    held = shell(*run, "--no-push", "--wait")
    assert held.code == 0, held.err


def test_a_git_step_without_a_repository_says_how_to_name_one(shell: Shell) -> None:
    shell.write("workflows/merges.yml", MERGES)
    shell.write("personas/fixer.yaml", WRITER)
    done = shell("run", "merges", "--local", "--timeout", "50s")
    assert done.code == 3
    assert "the task names no repository; submit it with --repo PATH_OR_URL" in done.out
