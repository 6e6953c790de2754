"""`coordinator demo`, as `make demo` runs it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.system import processes_within

_PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration that is over."""

    folder: Path
    exit_code: int
    told: str
    left: dict[int, str]
    """Processes that were still there when it had ended."""

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the folder, as a person would who has the programs on PATH."""
        return _run(shlex.split(line), self.folder)

    def git(self, *arguments: str) -> str:
        """What git says of the project's remote."""
        done = _run(["git", "--git-dir=textkit.git", *arguments], self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def runs(self) -> list[str]:
        """The ids of the two runs."""
        return re.findall(r"is run (\w{26})", self.told)

    @property
    def suggestions(self) -> list[str]:
        """The commands it ends with."""
        lines = self.told.partition("try there:\n")[2].splitlines()
        return [line.strip() for line in lines if line.strip()]


@pytest.mark.slow
def test_the_demo_merges_one_task_refuses_the_other_and_leaves_only_its_folder(
    tmp_path: Path,
) -> None:
    """In one test, because half a minute is too long to do it for each claim."""
    done = _run(["coordinator", "demo", "--dir", "tmp"], tmp_path)
    folder = tmp_path / "tmp"
    demo = Demo(folder, done.returncode, done.stdout + done.stderr, processes_within(folder))

    it_succeeds_though_the_coordinator_is_killed_on_the_way(demo)
    nothing_that_it_started_is_left(demo)
    the_remote_holds_the_fix_once(demo)
    the_remote_holds_nothing_of_the_refused_task(demo)
    the_commands_that_it_suggests_work(demo)


def _run(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COORDINATOR_")}
    path = f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        argv, cwd=folder, env={**kept, "PATH": path, "GIT_PAGER": "cat"}, capture_output=True,
        text=True, timeout=110, check=False,
    )  # fmt: skip


def it_succeeds_though_the_coordinator_is_killed_on_the_way(demo: Demo) -> None:
    assert demo.exit_code == 0, demo.told
    assert "kill -9" in demo.told
    assert demo.told.index("kill -9") < demo.told.index("succeeded:")
    assert "scripted" in demo.told
    assert "\x1b" not in demo.told, "a pipe gets plain lines"


def the_remote_holds_the_fix_once(demo: Demo) -> None:
    merged, _ = demo.runs
    shown = demo.git("log", "--format=%(trailers:key=Run-Id,valueonly,separator=%x20)", "main")
    assert shown.split() == [merged]
    assert 'strip("-")' in demo.git("show", "main:textkit/slug.py")


def the_remote_holds_nothing_of_the_refused_task(demo: Demo) -> None:
    _, refused = demo.runs
    assert demo.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    everything = demo.git("log", "--all", "--reflog", "--format=%H %B", "-p")
    assert refused not in everything
    assert "DEMO-2" not in everything
    assert "dots" not in everything


def nothing_that_it_started_is_left(demo: Demo) -> None:
    assert demo.left == {}


def the_commands_that_it_suggests_work(demo: Demo) -> None:
    merged, refused = demo.runs
    change, *commands = demo.suggestions
    assert change == f"cd {shlex.quote(str(demo.folder))}"
    assert [line.split()[0] for line in commands] == ["coordinator"] * 3 + ["git"]

    told = {}
    for line in commands:
        done = demo.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        told[line] = done.stdout

    assert all(run in told["coordinator runs list"] for run in demo.runs)
    assert "succeeded" in told[f"coordinator runs show {merged}"]
    assert "Not merged" in told[f"coordinator runs why {refused}"]
    assert merged in told[commands[-1]]
    assert processes_within(demo.folder) == {}, "looking starts the bus, and stops it again"
