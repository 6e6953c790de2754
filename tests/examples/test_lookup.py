"""Examples are found by those who ask for them, and by nobody else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coordinator.config import load_settings
from coordinator.shipped import EXAMPLES, example_files, shipped_files, shipped_folder
from coordinator.wiring import compile_files
from tests.cli.conftest import Shell
from tests.examples.definitions import examples

HELLO = 'name: hello\nversion: "1.0.0"\nsteps: [{id: greet, persona: greeter}]\n'
OTHER = HELLO.replace("id: greet", "id: wave")
GREETER = "{name: greeter, kind: command, command: [echo, hello]}"
SCENARIO = "workflow: hello\nexpect: {nodes: {wave: succeeded}}\n"


@pytest.fixture
def project(shell: Shell) -> Shell:
    """A project that has a copy of the examples."""
    shutil.copytree(shipped_folder() / EXAMPLES, shell.folder / EXAMPLES)
    shell.write("workflows/hello.yml", HELLO)
    shell.write("personas/greeter.yaml", GREETER)
    return shell


def test_a_coordinator_serves_no_examples(project: Shell) -> None:
    files = {
        path.relative_to(project.folder).as_posix(): path.read_bytes()
        for path in project.folder.rglob("*.y*ml")
    }
    assert any(path.startswith(EXAMPLES) for path in files)
    served = compile_files(files, load_settings({}, {}))
    assert (set(served.workflows), set(served.personas)) == ({"hello"}, {"greeter"})
    assert served.faults == ()


def test_what_is_shipped_to_a_definitions_repository_has_no_examples() -> None:
    assert not [path for path in shipped_files() if path.startswith(EXAMPLES)]
    assert all(path.startswith(f"{EXAMPLES}/") for path in example_files())


def test_the_lists_of_a_project_have_no_examples(project: Shell) -> None:
    assert project("workflows", "list", "--here", "-o", "name").out == "hello\n"
    assert project("personas", "list", "--here", "-o", "name").out == "greeter\n"


def test_a_name_alone_finds_no_example(project: Shell) -> None:
    name = next(iter(examples()))
    done = project("graph", name)
    assert done.code == 5
    assert project("graph", f"{EXAMPLES}/{name}.yml").code == 0


@pytest.mark.parametrize("folder", [EXAMPLES, "workflows", "."])
def test_validate_looks_at_every_example_its_personas_and_scenarios(
    folder: str, project: Shell
) -> None:
    done = project("validate", "--strict", "--format", "json", folder)
    assert done.code == 0, done.out
    there = list((project.folder / folder).rglob("*.y*ml"))
    assert done.json["files"] == len(there) > len(examples())


def test_a_scenario_finds_the_workflow_beside_its_folder_first(project: Shell) -> None:
    project.write(f"{EXAMPLES}/hello.yml", OTHER)
    project.write(f"{EXAMPLES}/personas/greeter.yaml", GREETER)
    file = project.write(f"{EXAMPLES}/scenarios/hello.scenario.yml", SCENARIO)
    assert project("test", file).code == 0
    elsewhere = project.write("workflows/scenarios/hello.scenario.yml", SCENARIO)
    assert project("test", elsewhere).code == 1


def test_the_scenarios_of_the_examples_pass_from_anywhere(project: Shell) -> None:
    done = project("test", EXAMPLES, "--format", "json")
    assert done.code == 0, done.out
    assert done.json["passed"] == len(list(Path(project.folder).rglob("*.scenario.yml")))
    assert [one for one in done.json["scenarios"] if one["warnings"]] == []
