"""git work that nobody wants any more ends at once, with everything it started."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from coordinator.gitx import GitStoppedError, Stopper, run_stoppable
from coordinator.gitx.process import GitOutput, GitPlace, run_git


def hang(pid_file: Path) -> GitOutput:
    """A git that waits for something that never comes, and says who waits."""
    alias = f"alias.hang=!echo $$ > '{pid_file}.new'; mv '{pid_file}.new' '{pid_file}'; sleep 600"
    return run_git(["-c", alias, "hang"], GitPlace())


def is_running(pid: str) -> bool:
    """Whether it does something still; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def appears(path: Path) -> str:
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.01)
    return path.read_text().strip()


async def test_cancelled_work_kills_its_git_and_is_over(tmp_path: Path) -> None:
    steps: list[str] = []

    def work() -> None:
        try:
            hang(tmp_path / "pid")
        finally:
            steps.append("over")

    task = asyncio.create_task(run_stoppable(work))
    pid = await appears(tmp_path / "pid")
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task

    assert steps == ["over"]
    async with asyncio.timeout(5):
        while is_running(pid):
            await asyncio.sleep(0.01)


async def test_a_second_cancellation_leaves_nothing_behind_either(tmp_path: Path) -> None:
    ended = threading.Event()

    def work() -> None:
        try:
            hang(tmp_path / "pid")
        finally:
            ended.set()

    task = asyncio.create_task(run_stoppable(work))
    await appears(tmp_path / "pid")
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


def test_no_git_is_started_for_work_that_was_stopped() -> None:
    stopper = Stopper()
    stopper.stop()
    with stopper.applied(), pytest.raises(GitStoppedError):
        run_git(["--version"], GitPlace())
    assert run_git(["--version"], GitPlace()).exit_code == 0


async def test_what_work_gives_or_raises_comes_through() -> None:
    def fail() -> None:
        raise ValueError("no")

    assert await run_stoppable(lambda: 7) == 7
    with pytest.raises(ValueError, match="no"):
        await run_stoppable(fail)
