"""`coordinator test`: scenario files from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from coordinator.cli.junit import Case, junit
from coordinator.shipped import shipped_folder
from tests.cli.conftest import Shell

HELLO = """\
name: hello
version: "1.0.0"
steps:
  - {id: greet, type: persona-request, persona: greeter}
  - {id: check, type: persona-request, persona: greeter, dependencies: [greet], gate: pass}
"""
GOOD = "scenario: it greets\nworkflow: hello\nexpect: {status: succeeded}\n"
BAD = "scenario: it never greets\nworkflow: hello\nexpect: {status: failed, never: [greet]}\n"
BROKEN = "workflow: hello\nexpct: {status: failed}\n"


@pytest.fixture
def project(shell: Shell) -> Shell:
    """A workflow with one scenario that passes."""
    shell.write("workflows/hello.yml", HELLO)
    shell.write("scenarios/good.scenario.yml", GOOD)
    return shell


def test_scenarios_that_pass_are_a_line_each_and_exit_0(project: Shell) -> None:
    done = project("test")
    assert done.code == 0
    assert done.out == "✓ scenarios/good.scenario.yml: it greets\n1 passed, 0 failed\n"


def test_one_that_fails_exits_1_and_says_why_on_its_line(project: Shell) -> None:
    project.write("scenarios/bad.scenario.yaml", BAD)
    done = project("test")
    assert done.code == 1
    assert done.out.splitlines() == [
        "✗ scenarios/bad.scenario.yaml: it never greets — status: expected failed, "
        "actual succeeded; never.greet: expected it never runs, actual greet ran",
        "✓ scenarios/good.scenario.yml: it greets",
        "1 passed, 1 failed",
    ]


def test_a_faulty_file_fails_with_its_place_and_the_others_are_played(project: Shell) -> None:
    project.write("scenarios/a.scenario.yml", BROKEN)
    done = project("test", "scenarios")
    assert done.code == 1
    assert 'scenarios/a.scenario.yml:2:1: error WF020: "expct"' in done.out
    assert 'Did you mean "expect"?' in done.out
    assert "1 passed, 1 failed" in done.out


def test_an_unknown_workflow_is_told_with_its_place_and_the_nearest_name(project: Shell) -> None:
    project.write("scenarios/a.scenario.yml", GOOD.replace("hello", "helo"))
    done = project("test", "scenarios/a.scenario.yml")
    assert done.code == 1
    assert "a.scenario.yml:2:11: no file and no workflow here is called" in done.out
    assert 'did you mean "hello"?' in done.out


def test_a_workflow_with_faults_fails_its_scenarios_with_those(project: Shell) -> None:
    project.write("workflows/hello.yml", HELLO.replace("[greet]", "[gret]"))
    done = project("test")
    assert done.code == 1
    assert "hello.yml:5:" in done.out
    assert "WF040" in done.out


def test_no_scenarios_is_a_failure_only_where_a_path_was_named(shell: Shell) -> None:
    (shell.folder / "empty").mkdir()
    assert shell("test").code == 0
    named = shell("test", "empty")
    assert (named.code, named.out) == (1, "")
    assert "no *.scenario.yml" in named.err
    assert shell("test", "missing").code == 5


@pytest.mark.parametrize("place", ["", "workflows", "workflows/scenarios", "scenarios", "deep/er"])
def test_a_scenario_finds_the_workflows_around_it(project: Shell, place: str) -> None:
    (project.folder / ".git").mkdir()
    name = project.write(f"{place}/one.scenario.yml".lstrip("/"), GOOD)
    (project.folder / "elsewhere").mkdir()
    outside = Shell(project.folder / "elsewhere")
    assert project("test", name).code == 0
    assert outside("test", str(project.folder / name)).code == 0


def test_outside_git_a_project_is_found_from_elsewhere_too(project: Shell) -> None:
    (project.folder / "elsewhere").mkdir()
    outside = Shell(project.folder / "elsewhere")
    assert outside("test", "..").code == 0
    assert outside("test", "../scenarios").code == 0
    assert outside("test", "../scenarios/good.scenario.yml").code == 0


def test_a_workflow_may_be_named_by_its_file(project: Shell) -> None:
    text = GOOD.replace("workflow: hello", "workflow: ../workflows/hello.yml")
    project.write("scenarios/good.scenario.yml", text)
    assert project("test").code == 0


def test_hidden_folders_and_other_files_are_left_alone(project: Shell) -> None:
    for name in (".cache/x.scenario.yml", "node_modules/x.scenario.yml", "x.yml", "scenario.yml"):
        project.write(name, "no: scenario")
    assert project("test").out.count("\n") == 2


def test_a_file_named_twice_is_played_once(project: Shell) -> None:
    assert "1 passed" in project("test", "scenarios", "scenarios/good.scenario.yml").out


def test_a_slip_is_a_warning_on_stderr(project: Shell) -> None:
    project.write("scenarios/good.scenario.yml", GOOD + "replies: {gret: {verdict: fail}}\n")
    done = project("test")
    assert done.code == 0
    assert 'has no node "gret"; did you mean "greet"?' in done.err


def test_the_json_has_everything(project: Shell) -> None:
    project.write("scenarios/bad.scenario.yml", BAD)
    done = project("test", "--format", "json")
    assert done.code == 1
    assert (done.json["passed"], done.json["failed"]) == (1, 1)
    bad, good = done.json["scenarios"]
    assert bad["failures"][0] == "status: expected failed, actual succeeded"
    assert good == {
        "file": "scenarios/good.scenario.yml",
        "scenario": "it greets",
        "workflow": "hello",
        "passed": True,
        "status": "succeeded",
        "virtual_seconds": 0,
        "failures": [],
        "warnings": [],
    }


def test_junit_tells_failures_from_errors_and_counts_them(project: Shell) -> None:
    project.write("scenarios/bad.scenario.yml", BAD)
    project.write("scenarios/broken.scenario.yml", BROKEN)
    done = project("test", "--format", "junit")
    assert done.code == 1
    top = ElementTree.fromstring(done.out.encode())
    (suite,) = top
    for each in (top, suite):
        counted = [each.get(key) for key in ("tests", "failures", "errors", "skipped")]
        assert counted == ["3", "1", "1", "0"]
    bad, broken, good = suite
    assert [case.get("name") for case in suite] == [
        "it never greets", "broken.scenario.yml", "it greets",
    ]  # fmt: skip
    (failure,) = bad
    assert failure.tag == "failure"
    assert (failure.text or "").count("\n") == 1
    assert [each.tag for each in broken] == ["error"]
    assert list(good) == []


def test_nothing_in_junit_breaks_out_of_its_place_or_is_no_xml() -> None:
    nasty = "]]></failure><x a='b' c=\"d\">&\x00\x08\x1b[31m\ufffe\ud800 \U0001f600 \u202e"
    case = Case(name=nasty, group=nasty, failures=[nasty], errors=[nasty], notes=[nasty])
    text = junit(nasty, [case])
    suite = ElementTree.fromstring(text.encode())[0]
    kept = "]]></failure><x a='b' c=\"d\">& \U0001f600 "
    assert suite.get("name") == kept
    (found,) = suite
    assert found.get("classname") == kept
    assert [(each.tag, each.text) for each in found] == [
        ("failure", kept), ("error", kept), ("system-out", kept),
    ]  # fmt: skip


def test_the_starter_project_passes_its_own_scenario(shell: Shell) -> None:
    assert shell("init").code == 0
    assert shell("test").code == 0


def test_the_shipped_scenarios_pass_where_no_repository_is_around(shell: Shell) -> None:
    for name in ("workflows", "personas"):
        shutil.copytree(shipped_folder() / name, shell.folder / "content" / name)
    done = shell("test", "content/workflows", "--format", "json")
    assert done.code == 0, done.out
    assert done.json["passed"] == len(list(Path(shell.folder).rglob("*.scenario.yml"))) > 50
    assert [one for one in done.json["scenarios"] if one["warnings"]] == []


def test_scenarios_beside_workflows_are_no_workflows(project: Shell) -> None:
    project.write("workflows/scenarios/one.scenario.yml", GOOD)
    project.write("workflows/two.scenario.yml", GOOD)
    done = project("validate", "--format", "json")
    there = [each for each in project.folder.rglob("*.yml")]
    told = {(each["rule"], each["severity"]) for each in done.json["faults"]}
    assert (done.code, done.json["files"], told) == (0, len(there), {("WF060", "warning")})


def test_help_shows_an_example(shell: Shell) -> None:
    done = shell("test", "--help")
    assert done.code == 0
    assert "coordinator test workflows/scenarios --format junit > scenarios.xml" in done.out
