"""Running one program to its end, with nothing left over whatever happens.

The program runs under `guard.py`. Its output is drained while it runs and kept within bounds, so
that neither a flood nor a pause of either stream can fill memory or block it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coordinator.workers.replies import Ended

OUTPUT_LIMIT: Final = 1 << 20
"""Bytes kept of stdout, and of stderr; of a longer stream both ends are kept."""
_CHUNK: Final = 1 << 16
_GUARD: Final = Path(__file__).with_name("guard.py")
_LAST_WORDS_SECONDS: Final = 5.0


class NotStartedError(Exception):
    """The program could not be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """What one program may use, by the kernel's limits; None leaves the worker's own limit."""

    processes: int | None = None
    """Of the whole user, not of this program alone."""
    memory_bytes: int | None = None
    """Address space of each process."""
    file_bytes: int | None = None
    """The largest file it may write."""
    open_files: int | None = None

    def as_json(self) -> str:
        """The limits as the guard reads them; a program never leaves a core dump."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({"core": 0, **{n: v for n, v in named.items() if v is not None}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, where, and for how long."""

    path: str
    """Absolute."""
    argv: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    stdin: bytes = b""
    timeout_seconds: float | None = None
    grace_seconds: float = 5.0
    """Between the friendly signal and the other one."""
    limits: ResourceLimits = field(default_factory=ResourceLimits)


class Kept:
    """The two ends of a stream of bytes, and how much between them was cut."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; memory stays below twice the limit."""
        self.total += len(chunk)
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    @property
    def cut(self) -> int:
        """How many bytes are missing."""
        return max(self.total - 2 * self._half, 0)

    def text(self) -> str:
        """What was kept; a line in the middle says what was cut."""
        tail = self._tail[-self._half :]
        if not self.cut:
            return (self._head + tail).decode("utf-8", "replace")
        head_text = self._head.decode("utf-8", "replace")
        return f"{head_text}\n[... {self.cut} bytes cut ...]\n{tail.decode('utf-8', 'replace')}"


async def run(program: Program) -> Ended:
    """Run `program` to its end, or stop it when its time is over or when this is cancelled.

    When this returns or raises, no process of the program is left. A second cancellation does not
    wait for the grace.

    Raises:
        NotStartedError: there is no such program, or it is not executable.
    """
    timed_out = False
    async with _started(program) as child:
        try:
            async with asyncio.timeout(program.timeout_seconds):
                await child.end()
        except TimeoutError:
            timed_out = True
            await child.stop(program.grace_seconds)
        except asyncio.CancelledError:
            await child.stop(program.grace_seconds)
            raise
        return await child.ended(timed_out=timed_out)


class _Child:
    """A running guard with its program."""

    def __init__(self, process: asyncio.subprocess.Process, lifeline: int, report: int) -> None:
        self._process = process
        self._lifeline = lifeline
        self._report = report
        self._stdout, self._stderr = Kept(), Kept()
        self._streams: list[asyncio.Task[None]] = []

    def begin(self, stdin: bytes) -> None:
        process = self._process
        self._streams = [
            asyncio.create_task(_feed(process.stdin, stdin)),
            asyncio.create_task(_drain(process.stdout, self._stdout)),
            asyncio.create_task(_drain(process.stderr, self._stderr)),
        ]

    async def end(self) -> None:
        await self._process.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Ask the program to end; after the grace end it."""
        self._order(b"T")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self.end()
                return
        self._order(b"K")
        await self.close()

    async def close(self) -> None:
        """Let go of the lifeline: the guard kills what is left."""
        self._order(b"K")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self.end()
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self, *, timed_out: bool) -> Ended:
        await self._settle_streams()
        code = _exit_code(os.read(self._report, 100).decode(), self._process.returncode)
        streams = {"stdout": self._stdout, "stderr": self._stderr}
        notes = tuple(
            f"{kept.cut} bytes of {name} cut" for name, kept in streams.items() if kept.cut
        )
        return Ended(
            code=code,
            stdout=self._stdout.text(),
            stderr=self._stderr.text(),
            timed_out=timed_out,
            notes=notes,
        )

    async def _settle_streams(self) -> None:
        # Whoever still holds a pipe after the guard has ended does not hold us as well.
        _, late = await asyncio.wait(self._streams, timeout=_LAST_WORDS_SECONDS)
        for task in late:
            task.cancel()

    def abandon_streams(self) -> None:
        for task in self._streams:
            task.cancel()

    def _order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._lifeline, order)


@contextlib.asynccontextmanager
async def _started(program: Program) -> AsyncIterator[_Child]:
    guard_reads, lifeline = os.pipe()
    report, guard_writes = os.pipe()
    os.set_blocking(report, False)
    try:
        try:
            process = await _spawn(program, guard_reads, guard_writes)
        finally:
            os.close(guard_reads)
            os.close(guard_writes)
        child = _Child(process, lifeline, report)
        try:
            child.begin(program.stdin)
            yield child
        finally:
            if process.returncode is None:
                await child.close()
            child.abandon_streams()
    finally:
        os.close(lifeline)
        os.close(report)


async def _spawn(program: Program, lifeline: int, report: int) -> asyncio.subprocess.Process:
    argv = [sys.executable, "-I", "-S", str(_GUARD), str(lifeline), str(report)]
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            program.limits.as_json(),
            program.path,
            *program.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=program.directory,
            env=dict(program.environment),
            pass_fds=(lifeline, report),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotStartedError(f"{program.argv[0]!r} could not be started: {error}") from error


def _exit_code(report: str, guard_code: int | None) -> int:
    """The program's exit code, or minus the signal that ended it.

    Raises:
        NotStartedError: it never ran.
    """
    for line in report.splitlines():
        word, _, number = line.partition(" ")
        match word:
            case "exec":
                raise NotStartedError(
                    f"the program could not be started: {os.strerror(int(number))}"
                )
            case "exit":
                return int(number)
            case "signal":
                return -int(number)
            case _:
                continue
    return guard_code if guard_code is not None and guard_code < 0 else -9


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.close()
        await stream.wait_closed()


async def _drain(stream: asyncio.StreamReader | None, kept: Kept) -> None:
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        kept.add(chunk)
