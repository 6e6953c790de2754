"""The command line as a user has it: in a folder of its own, with nothing inherited."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

from coordinator.cli.root import run

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
    """Runs `coordinator` in one folder, with nothing inherited.

    A call runs the command line inside the test's own process, which saves the half second that an
    interpreter takes to start; `program` runs the installed program.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            **environment,
        }

    def __call__(self, *arguments: str, input: str = "", **more: str) -> Done:
        """Run it to its end, in this process."""
        given = io.TextIOWrapper(io.BytesIO(input.encode()), encoding="utf-8")
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        with _elsewhere(self.folder, {**self.environment, **more}), _speaking(given, *streams):
            code = run(arguments)
        out, err = (_written(stream) for stream in streams)
        return Done(code=int(code), out=out, err=err)

    def program(self, *arguments: str, input: str = "", timeout: float = 60, **more: str) -> Done:
        """Run the installed program to its end."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            input=input.encode(),
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


@contextlib.contextmanager
def _elsewhere(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    before, place = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _speaking(*streams: TextIO) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _written(stream: io.TextIOWrapper[io.BytesIO]) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()


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
