"""Throwaway directories, one per request, that do not outlive it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The directories of one request."""

    root: Path
    files: Path
    """Where the program starts; the run's files, when it has any."""
    home: Path
    temporary: Path


class Rooms:
    """Makes rooms below one directory, and sweeps out those of workers that are gone.

    Each process holds a lock on its own part of the directory; a part that nobody holds was left by
    a process that died and is removed.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own = Path(tempfile.mkdtemp(prefix="worker-", dir=directory))
        self._lock = os.open(self._own / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        _sweep(directory, keep=self._own)

    def open(self) -> Room:
        """A new room, readable by this user alone."""
        root = Path(tempfile.mkdtemp(prefix="request-", dir=self._own))
        room = Room(root=root, files=root / "files", home=root / "home", temporary=root / "tmp")
        for directory in (room.files, room.home, room.temporary):
            directory.mkdir(mode=0o700)
        return room

    def close(self) -> None:
        """Remove everything that is left."""
        remove_tree(self._own)
        os.close(self._lock)

    def __enter__(self) -> Rooms:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def remove_tree(directory: Path) -> None:
    """Remove `directory` with everything in it, even where a program took away permissions.

    Links are removed, never followed.
    """

    def make_writable(_: Callable[..., object], path: str, __: object) -> None:
        parent = os.path.dirname(path)
        for blocked in (parent, path):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.lstat(blocked).st_mode):
                    os.chmod(blocked, 0o700)

    for _ in range(3):
        if not directory.exists():
            return
        shutil.rmtree(directory, onerror=make_writable)
    shutil.rmtree(directory, ignore_errors=True)


def _sweep(directory: Path, *, keep: Path) -> None:
    for part in directory.glob("worker-*"):
        if part != keep and _is_abandoned(part):
            remove_tree(part)


def _is_abandoned(part: Path) -> bool:
    try:
        lock = os.open(part / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # another worker is just making it, or removing it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
