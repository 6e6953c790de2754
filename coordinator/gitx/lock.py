"""One writer per mirror: a lock that no crash can leave behind.

The lock is the kernel's (`flock`), so it goes with the last process that holds the file open. Each
git process started under it inherits it; a daemon that is killed therefore hands its lock to the
git that still runs, and a successor waits for that git too. Whoever then gets the lock knows that
no writer is alive, and may remove the `*.lock` files that a killed git left in the repository.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from coordinator.gitx.errors import GitTransientError
from coordinator.gitx.stopping import check_not_stopped

WRITER: Final = "coordinator-writer"
"""The name of the lock in a repository; it must not look like one of git's own locks."""
_POLL_SECONDS: Final = 0.01


@contextlib.contextmanager
def writer_lock(path: Path, *, wait_seconds: float) -> Iterator[int]:
    """Hold the lock at `path`; the value is the file descriptor that children must inherit.

    The file names the process that holds it, for people; the kernel decides.

    Raises:
        GitTransientError: another process held it all the time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_seconds)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        # No LOCK_UN: it would unlock for a git that inherited the lock and still runs.
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            check_not_stopped()
            if time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                continue
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise GitTransientError(
                f"the mirror at {path.parent} is in use by process {holder}; try again later"
            ) from None
        return


SCRATCH: Final = "scratch-"
"""How the names of folders begin that only live as long as the writer lock is held."""


def remove_leftovers(repository: Path) -> list[str]:
    """Remove what killed writers left; only for the holder of the writer lock."""
    removed = []
    for scratch in repository.glob(f"{SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)
    for place in (repository, repository / "refs"):
        pattern = "*.lock" if place == repository else "**/*.lock"
        for lock in place.glob(pattern):
            lock.unlink(missing_ok=True)
            removed.append(str(lock.relative_to(repository)))
    return removed
