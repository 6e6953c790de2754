"""Real programs, real rooms, and a request queue within the test's own process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from coordinator.core.definition import Files
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.ports import Reply, Request, StoreUnavailableError
from coordinator.workers.processes import Program
from coordinator.workers.providers import Asked
from coordinator.workers.providers.command import CommandProvider, CommandSettings
from coordinator.workers.workspaces import Rooms

PYTHON = sys.executable


class NoFiles:
    """A checkout for requests that bring no files."""

    def __call__(self, files: Mapping[str, object], directory: Path) -> Any:
        raise AssertionError("this request has no files")


class Queue:
    """A request queue of one process: everything visible, nothing faster than a real one."""

    def __init__(self, lease_ms: int = 200) -> None:
        self.waiting: list[Request] = []
        self.pending: dict[str, tuple[Request, float]] = {}
        self.replies: list[Reply] = []
        self.handed_back: list[Request] = []
        self.cancelled: list[str] = []
        self.kept: dict[str, int] = {}
        self.is_generous = False
        self.is_down = False
        self.is_closed = False
        self.changed = asyncio.Condition()

    async def put(self, *requests: Request) -> None:
        async with self.changed:
            self.waiting.extend(requests)
            self.changed.notify_all()

    async def cancel(self, msg_id: str) -> None:
        async with self.changed:
            self.cancelled.append(msg_id)
            self.changed.notify_all()

    async def until(self, holds: Callable[[], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(holds)

    async def take(self, *, wait_ms: int, count: int) -> list[Request]:
        self._check()
        try:
            await self.until(lambda: bool(self.waiting), wait_ms / 1000)
        except TimeoutError:
            return []
        count = len(self.waiting) if self.is_generous else count
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        for request in taken:
            self.pending[request.entry_id] = (request, time.monotonic())
        return taken

    async def claim_abandoned(self, *, idle_ms: int, count: int) -> list[Request]:
        self._check()
        now = time.monotonic()
        old = [r for r, seen in self.pending.values() if (now - seen) * 1000 >= idle_ms][:count]
        for request in old:
            self.pending[request.entry_id] = (request, now)
        return old

    async def keep(self, requests: Sequence[Request]) -> list[Request]:
        self._check()
        async with self.changed:
            ours = [request for request in requests if request.entry_id in self.pending]
            for request in ours:
                self.kept[request.msg_id] = self.kept.get(request.msg_id, 0) + 1
                self.pending[request.entry_id] = (request, time.monotonic())
            self.changed.notify_all()
        return ours

    async def reply(self, request: Request, reply: Reply) -> None:
        self._check()
        async with self.changed:
            self.pending.pop(request.entry_id, None)
            self.replies.append(reply)
            self.changed.notify_all()

    async def hand_back(self, requests: Sequence[Request]) -> None:
        async with self.changed:
            self.handed_back.extend(requests)
            self.changed.notify_all()

    async def cancellations(self, *, wait_ms: int) -> list[str]:
        self._check()
        try:
            await self.until(lambda: bool(self.cancelled), wait_ms / 1000)
        except TimeoutError:
            return []
        told, self.cancelled = self.cancelled, []
        return told

    async def close(self) -> None:
        self.is_closed = True

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("it is down")


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    with Rooms(tmp_path / "rooms") as made:
        yield made


@pytest.fixture
def provider(rooms: Rooms) -> CommandProvider:
    settings = CommandSettings(allow=frozenset({"*"}), grace_seconds=0.3)
    return CommandProvider(settings, rooms, NoFiles())


def request(number: int = 1, /, **payload: object) -> Request:
    whole: dict[str, object] = {
        "task": {"id": "T-1", "title": "a task"},
        "params": {},
        "context": {},
        "files": None,
        "attempt": 1,
        "feedback": [],
        **payload,
    }
    return Request(
        stream="req",
        entry_id=f"{number}-0",
        target="tool",
        msg_id=f"run:step{number}:1",
        run="run",
        node=f"step{number}",
        attempt=1,
        token="t0ken",
        workflow="flow",
        digest="sha256:0",
        payload=whole,
        deadline_ms=None,
    )


def persona(*command: str, **keys: Any) -> Persona:
    made = {"name": "tool", "kind": PersonaKind.COMMAND, "files": Files.NONE, **keys}
    return Persona(command=command, **made)


def script(code: str, *arguments: str) -> tuple[str, ...]:
    """The command of a persona that is this Python program."""
    return (PYTHON, "-c", code, "--", *arguments)


@pytest.fixture
def asked() -> Callable[..., Asked]:
    def ask(
        command: Sequence[str], payload: Mapping[str, object] | None = None, **keys: Any
    ) -> Asked:
        return Asked(request=request(**(payload or {})), persona=persona(*command, **keys))

    return ask


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    def make(code: str, **keys: Any) -> Program:
        return Program(
            path=PYTHON,
            argv=[PYTHON, "-c", code],
            directory=tmp_path,
            environment={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            **keys,
        )

    return make


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a fact that nothing tells us about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
