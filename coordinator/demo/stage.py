"""The folder of a demonstration: two git repositories, settings, and its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from coordinator.demo.sample import FILES
from coordinator.gitx.seed import seed_repository
from coordinator.shipped import shipped_files

DEFINITIONS: Final = "definitions.git"
PROJECT: Final = "textkit.git"
_SETTINGS: Final = """\
# Written by `coordinator demo`. Every coordinator command run in this folder uses it.
redis: {url: embedded}
source: {url: definitions.git, ref: main, interval: 2s}
state_dir: state
repo_roots: [.]
lease: 3s
worker: {allow_commands: [coordinator-persona], lease: 5s, concurrency: 2}
"""


class Stage:
    """Builds the folder, and starts, kills and stops the processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / PROJECT
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    def build(self) -> None:
        """Make the repositories and the settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        seed_repository(self.project, FILES, message="textkit: slugs for titles")
        message = "Shipped workflows and personas"
        seed_repository(self.folder / DEFINITIONS, shipped_files(), message=message)
        (self.folder / "coordinator.yaml").write_text(_SETTINGS, encoding="utf-8")

    def start(self, name: str, *arguments: str) -> int:
        """Start `coordinator <arguments>` as a process of its own; its process id."""
        log = (self.folder / "logs" / f"{name}.log").open("ab")
        self._logs.append(log)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "COORDINATOR_INSTANCE": name,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "coordinator", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._running[name] = process
        return process.pid

    def kill(self, name: str) -> None:
        """`kill -9`, at once and without a word."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def check(self) -> None:
        """Raise when a process ended that should run.

        Raises:
            ProcessEndedError: with the last lines of its log.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEndedError(name, self._last_lines(name))

    def stop(self) -> None:
        """Ask every process to finish, and wait until it has."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        for log in self._logs:
            log.close()

    def _last_lines(self, name: str) -> str:
        text = (self.folder / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-8:])


class ProcessEndedError(Exception):
    """A process of the demonstration ended that should not have."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(f"the {name} ended unexpectedly; the last it said:\n{told}")
        self.name = name
