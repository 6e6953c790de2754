"""`coordinator demo`."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from coordinator.core.ids import RunId
from coordinator.core.state import RunState
from coordinator.demo.narrator import narrator_for
from coordinator.demo.play import ANSWER, Narrator, Play
from coordinator.demo.stage import Stage
from coordinator.engine import WorkflowEngine
from coordinator.gitx.process import GitPlace, run_git

_NAME: Final = "coordinator-demo"
_PERSONAS: Final = (
    "implementation-planner",
    "plan-evaluator",
    "lead-engineer",
    "tester-qa",
    "code-reviewer",
    "security-review",
    "summarization",
)


@click.command("demo")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="An empty or new folder.")
def demo_command(folder: Path | None) -> int:
    """A task goes in, a merged fix comes out, though the coordinator is killed on the way.

    Makes a small Python package with a failing test, starts a bus, a coordinator and a worker, and
    gives them two tasks. The patches are scripted, everything else is real: git, pytest, ruff,
    bandit, processes, kill -9. Exit code 0 when the first task is merged and the second is not.

    \b
    Example:
      coordinator demo --dir /tmp/demo
    """
    chosen = folder or _free_folder()
    if chosen.exists() and any(chosen.iterdir()):
        raise click.ClickException(f"{chosen} is not empty; name a new folder with --dir")
    return asyncio.run(_perform(Stage(chosen.resolve())))


def _free_folder() -> Path:
    names = (_NAME if number == 1 else f"{_NAME}-{number}" for number in range(1, 1_000))
    return next(path for name in names if not (path := Path.cwd() / name).exists())


async def _perform(stage: Stage) -> int:
    from coordinator import wiring
    from coordinator.config import load_settings

    began = time.monotonic()
    with narrator_for(sys.stdout) as narrator:
        stage.build()
        narrator.say(f"In {stage.folder}: a small package with a failing test (textkit.git),")
        narrator.say("and the workflows and personas as a repository (definitions.git).")
        settings = load_settings({}, {}, stage.folder / "coordinator.yaml")
        async with wiring.open_engine(settings) as engine, wiring.connect(settings) as connection:
            try:
                play = Play(stage, connection, narrator)
                _start(stage, narrator, connection.bus.kind if connection.bus else "redis")
                await play.wait_until_ready()
                merged = await _first(stage, play, engine, narrator)
                refused = await _second(stage, play, engine, narrator)
            finally:
                stage.stop()
        narrator.say(f"\nDone in {time.monotonic() - began:.0f} s. The folder stays; try there:")
        for line in _suggestions(stage, merged[0], refused[0]):
            narrator.say(f"  {line}")
        problems = _problems(stage, merged, refused)
        for problem in problems:
            narrator.say(f"Not as it should be: {problem}. See the folder logs/.")
        return 1 if problems else 0


def _start(stage: Stage, narrator: Narrator, bus: str) -> None:
    daemon = stage.start("coordinator", "daemon")
    names = [part for persona in _PERSONAS for part in ("--persona", persona)]
    worker = stage.start("worker", "worker", *names)
    narrator.say(f"Bus: {bus}. Coordinator: process {daemon}. Worker: process {worker}.")
    narrator.say("The engineer's patches are scripted; everything else happens for real.\n")


async def _first(
    stage: Stage, play: Play, engine: WorkflowEngine, narrator: Narrator
) -> tuple[RunId, RunState]:
    run, state = await play.merge(engine)
    line = "--format=%h %s (%(trailers:key=Run-Id,separator=%x20))"
    commit = _git(stage, "log", "-1", line, "main")
    narrator.say(f"  {state.record.status.value}: {commit}\n")
    return run, state


async def _second(
    stage: Stage, play: Play, engine: WorkflowEngine, narrator: Narrator
) -> tuple[RunId, RunState]:
    def answer(run: RunId, path: str) -> None:
        word, comment = ANSWER
        line = ["inbox", "answer", run, path, word, "--by", "you", "--comment", comment]
        narrator.say(f"  $ coordinator {shlex.join(line)}")
        _coordinator(stage, *line)

    run, state = await play.refuse(engine, answer)
    narrator.say(f"  {state.record.status.value}, not merged. Why? $ coordinator runs why {run}")
    for line in _coordinator(stage, "runs", "why", run).splitlines():
        narrator.say(f"    {line}")
    return run, state


def _coordinator(stage: Stage, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "coordinator", *arguments],
        cwd=stage.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return (done.stdout + (done.stderr if done.returncode else "")).rstrip()


def _git(stage: Stage, *arguments: str) -> str:
    return run_git(list(arguments), GitPlace(git_dir=stage.project)).text


def _problems(
    stage: Stage, merged: tuple[RunId, RunState], refused: tuple[RunId, RunState]
) -> list[str]:
    """What is not as it should be: the remote has the first run's work on its branch, and nothing
    of the second's.
    """
    history = _git(stage, "log", "--all", "--format=%B")
    refs = _git(stage, "for-each-ref", "--format=%(refname)").splitlines()
    checks = {
        "the first run did not succeed": merged[1].record.status.value == "succeeded",
        "the second run did not fail": refused[1].record.status.value == "failed",
        "the first run's work is not on main": f"Run-Id: {merged[0]}" in history,
        "something of the second run is in the repository": refused[0] not in history,
        f"the repository has more than its branch: {refs}": refs == ["refs/heads/main"],
    }
    return [problem for problem, is_right in checks.items() if not is_right]


def _suggestions(stage: Stage, merged: RunId, refused: RunId) -> list[str]:
    folder = shlex.quote(str(stage.folder))
    return [
        f"cd {folder}",
        "coordinator runs list",
        f"coordinator runs show {merged}",
        f"coordinator runs why {refused}",
        f"git --git-dir={stage.project.name} log --graph --stat",
    ]
