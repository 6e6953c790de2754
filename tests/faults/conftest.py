"""Every test has a system of its own, and nothing of it is left afterwards."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.system import System, processes_within

MakeSystem = Callable[..., System]


@pytest.fixture
def make_system() -> Iterator[MakeSystem]:
    """Make systems; the argument is the kind of server."""
    # Short, so that a socket fits into it.
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    made: list[System] = []

    def make(kind: str = "redis-server") -> System:
        home = folder / str(len(made))
        home.mkdir()
        made.append(System(home, kind))
        return made[-1]

    yield make
    for system in made:
        system.close()
    # What a killed process had begun (git, a persona) ends by itself, without anybody's help.
    deadline = time.monotonic() + 10
    while (left := processes_within(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"still there: {left}"


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    """A system that nothing runs in yet but its server."""
    return make_system()
