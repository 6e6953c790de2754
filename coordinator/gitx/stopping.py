"""Stopping git work from outside: the git that runs is killed, and no other is started.

git may hang for as long as its network does, and a thread cannot be cancelled. So whoever waits for
such work hands it a `Stopper`; every git started on its behalf is noted there. Every operation is
safe to repeat, so one that was stopped anywhere can be done again by anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Final, TypeVar

from coordinator.gitx.errors import GitTransientError

T = TypeVar("T")


class GitStoppedError(GitTransientError):
    """Whoever asked for the work does not want it any more; it was not finished."""


class Stopper:
    """Stops the git work that is done inside `applied`, in whatever thread that is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self.is_stopped = False

    def stop(self) -> None:
        """Kill what runs; what would start raises `GitStoppedError` instead."""
        with self._lock:
            self.is_stopped = True
            for group in self._groups:
                _kill(group)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Git work in this context is ours to stop."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    @contextlib.contextmanager
    def watching(self, group: int) -> Iterator[None]:
        """A git process and its group, for as long as they run."""
        with self._lock:
            self._groups.add(group)
            if self.is_stopped:
                _kill(group)
        try:
            yield
        finally:
            with self._lock:
                self._groups.discard(group)


_current: Final[ContextVar[Stopper | None]] = ContextVar("stopper", default=None)


def watched(group: int) -> contextlib.AbstractContextManager[None]:
    """Let the stopper of this context, if there is one, kill this process group."""
    stopper = _current.get()
    return contextlib.nullcontext() if stopper is None else stopper.watching(group)


def check_not_stopped() -> None:
    """Return if the work of this context is still wanted.

    Raises:
        GitStoppedError: it is not.
    """
    stopper = _current.get()
    if stopper is not None and stopper.is_stopped:
        raise GitStoppedError("stopped before it was done")


async def run_stoppable(work: Callable[[], T]) -> T:
    """What `work` gives, in a thread. Cancelled, its git is killed and nothing of it goes on."""
    stopper = Stopper()

    def body() -> T:
        with stopper.applied():
            return work()

    task = asyncio.ensure_future(asyncio.to_thread(body))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopper.stop()
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        task.exception()  # it was stopped; how it failed is of no interest
        raise


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
