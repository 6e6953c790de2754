"""The installed command as a user runs it: another process, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).parent / "coordinator"
NOWHERE = "redis://127.0.0.1:1/0"
"""A Redis that nobody runs."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The data on stdout."""
        return json.loads(self.out)


class Shell:
    """Runs `coordinator` in one folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            **environment,
        }

    def __call__(
        self, *arguments: str, input: str | bytes | None = "", timeout: float = 60, **more: str
    ) -> Done:
        """Run it to its end."""
        given = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            input=given,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Run it beside the test."""
        with log.open("ab") as file:
            return subprocess.Popen(
                [PROGRAM, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def write(self, name: str, text: str) -> str:
        """A file in the folder; its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder, and no Redis."""
    return Shell(tmp_path, COORDINATOR_REDIS_URL=NOWHERE)


def until(fact: Callable[[], object], seconds: float = 20.0) -> Any:
    """What `fact` gives as soon as it is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := fact():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")


GATE = """\
name: gate
version: "1.0.0"
steps:
  - {id: greet, type: persona-request, persona: greeter, params: {who: x}}
  - id: release
    type: human
    dependencies: [greet]
    gate: pass
    form: {percent: {type: integer, required: true}}
  - id: lonely
    type: persona-request
    persona: greeter
    condition: "task.type === 'never'"
    params: {who: x}
  - {id: after, type: persona-request, persona: greeter, dependencies: [release], params: {who: x}}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A starter project with `coordinator dev` running over it."""
    folder = tmp_path_factory.mktemp("live")
    shell = Shell(folder)
    assert shell("init").code == 0
    shell.write("workflows/gate.yml", GATE)
    log = folder / "dev.log"
    running = shell.start("dev", log=log)
    try:
        until(lambda: running.poll() is None and "worker_started" in log.read_text(), 40)
        yield shell
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 0, log.read_text()[-3_000:]
