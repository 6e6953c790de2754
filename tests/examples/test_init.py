"""`coordinator init --example`: an example as a project of one's own."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell
from tests.examples.definitions import everything, examples


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_becomes_a_project_that_is_complete(name: str, shell: Shell) -> None:
    done = shell("init", "new", "--example", name)
    assert done.code == 0, done.err
    assert f"cd new; coordinator run workflows/{name}.yml" in done.err
    project = Shell(shell.folder / "new")
    checked = project("validate", "--strict")
    assert checked.code == 0, checked.out
    assert project("test", "--format", "json").json["passed"] >= len(everything()[name].scenarios)
    assert name in project("workflows", "list", "--here", "-o", "name").out.split()
    assert "examples/" not in (project.folder / f"workflows/{name}.yml").read_text()


def test_an_example_that_does_not_exist_is_answered_with_those_that_do(shell: Shell) -> None:
    near = shell("init", "--example", "weather-comparisson")
    assert (near.code, near.out) == (5, "")
    assert 'did you mean "weather-comparison"?' in near.err
    far = shell("init", "--example", "x")
    assert all(name in far.err for name in examples())
    assert list(shell.folder.iterdir()) == []


def test_an_example_is_added_to_a_project_without_touching_its_settings(shell: Shell) -> None:
    shell.write("coordinator.yaml", "redis: {url: embedded}\n")
    assert shell("init", "--example", "weather-comparison").code == 0
    assert (shell.folder / "coordinator.yaml").read_text() == "redis: {url: embedded}\n"
    assert (shell.folder / ".gitignore").exists()


def test_a_persona_of_ones_own_is_not_overwritten_by_an_example(shell: Shell) -> None:
    shell.write("personas/weather.yaml", "{name: weather, kind: command, command: [mine]}\n")
    done = shell("init", "--example", "weather-comparison")
    assert done.code == 6
    assert "personas/weather.yaml" in done.err
    assert not (shell.folder / "workflows").exists()
