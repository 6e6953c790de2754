"""A reader who copies what the README shows gets what it promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from coordinator.core.tasks import normalise_task
from coordinator.definitions.compile import compile_file, read_personas
from coordinator.simulation import Script, simulate
from tests.cli.conftest import Shell
from tests.docs.pages import files_in, text_of
from tests.docs.picture import built_in_types
from tests.gitx.gitrepos import git

FILES = files_in("README.md")
WORKFLOW = "workflows/tidy.yml"
PACKAGE = {
    "level.py": 'import os\n\n\ndef is_high(level):\n    return level.strip() is "high"\n',
    "test_level.py": (
        'from level import is_high\n\n\ndef test_high():\n    assert is_high(" high ")\n'
    ),
    ".gitignore": "__pycache__/\n",
}
"""Its test fails, and what `ruff check --fix` corrects makes it pass."""

pytestmark = pytest.mark.xdist_group("readme")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project as the README has its reader make it, and what is in it already."""
    return Shell(tmp_path_factory.mktemp("my-project"))


@pytest.fixture
def copy(shell: Shell, tmp_path: Path) -> Path:
    """A bare copy of a repository with something to tidy up."""
    source = tmp_path / "repository"
    source.mkdir()
    for name, text in PACKAGE.items():
        (source / name).write_text(text)
    git(source, "init", "--quiet", "--initial-branch=main")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message=begin")
    git(tmp_path, "clone", "--quiet", "--bare", str(source), "copy.git")
    return tmp_path / "copy.git"


def test_the_workflow_has_fifteen_lines() -> None:
    assert len(FILES[WORKFLOW].splitlines()) == 15


def test_the_workflow_passes_in_a_simulation_and_stops_at_a_gate() -> None:
    personas, faults, _ = read_personas(
        {path: text.encode() for path, text in FILES.items() if path.startswith("personas/")}
    )
    assert not faults
    compiled, faults = compile_file(
        WORKFLOW, FILES[WORKFLOW].encode(), step_types=built_in_types(), personas=personas
    )
    assert compiled is not None
    assert not faults
    task = normalise_task({"title": "Tidy up"})
    assert simulate(compiled.workflow, task=task).status == "succeeded"
    refused = Script.read({"security": {"verdict": "fail"}})
    ended = simulate(compiled.workflow, task=task, script=refused)
    assert ended.status == "failed"
    assert "merge" not in {request.path for request in ended.requests}


def test_the_first_commands_work_in_an_empty_folder(shell: Shell) -> None:
    block = text_of("README.md").partition("```sh\ncoordinator init\n")[2].partition("```")[0]
    for line in ["coordinator init", *block.splitlines()]:
        done = shell.program(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}\n{done.out}{done.err}"
    assert re.search(r"hello +succeeded", done.out)


def test_the_workflow_and_its_persona_are_valid_and_merge_a_fix(shell: Shell, copy: Path) -> None:
    shell.program("init")
    for name, text in FILES.items():
        shell.write(name, text)
    assert shell.program("validate", "--strict").code == 0
    done = shell.program("run", "tidy", "--repo", str(copy), "--title", "Tidy up", "--local")
    assert done.code == 0, done.out + done.err
    assert 'level.strip() == "high"' in git(copy, "show", "main:level.py")
    assert "Run-Id:" in git(copy, "log", "--max-count=1", "--format=%B", "main")
