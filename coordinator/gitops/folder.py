"""A plain folder as source, for working on definitions: every saved file counts at once."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from coordinator.gitops.files import (
    MAX_FILE_BYTES,
    MAX_FILES,
    Kind,
    Listed,
    Snapshot,
    SourceError,
    Tip,
    fault,
    listing_faults,
    readable,
)


class FolderOrigin:
    """Reads `paths` below a folder, with the limits of a repository. Every method blocks.

    Hidden files are left alone: editors keep their own there.
    """

    def __init__(
        self, root: Path, *, paths: tuple[str, ...] = ("workflows", "personas", "envs")
    ) -> None:
        self._root = root.resolve()
        self._paths = paths
        self.name = self._revision = f"dir:{self._root}"

    def look(self) -> Tip:
        """A mark that changes with any name, size, time or kind of file.

        Raises:
            SourceError: there is no such folder, or it cannot be listed.
        """
        seen = hashlib.sha256()
        for listed, facts in self._entries():
            about = (listed.path, listed.kind, facts.st_size, facts.st_mtime_ns, facts.st_ino)
            seen.update(repr(about).encode("utf-8", "backslashreplace"))
        return Tip(mark=seen.hexdigest(), revision=self._revision)

    def read(self, tip: Tip) -> Snapshot:
        """The files as they are now.

        Raises:
            SourceError: the folder cannot be listed.
        """
        listed = [each for each, _ in self._entries()]
        faults = listing_faults(listed)
        files = {}
        for path in readable(listed, faults):
            try:
                files[path] = _content(self._root / path)
            except OSError as error:
                message = f"the file cannot be read: {error.strerror}"
                faults.append(fault("SRC009", path, message, "Correct it or its permissions."))
        return Snapshot(revision=tip.revision, files=files, faults=tuple(faults))

    def _entries(self) -> list[tuple[Listed, os.stat_result]]:
        if not self._root.is_dir():
            raise SourceError(f"there is no folder {self._root}; make it, or name another one")
        found: list[tuple[Listed, os.stat_result]] = []
        try:
            for top in self._paths:
                for entry in _walk(str(self._root / top)):
                    found.append(_listed(entry, self._root))
                    if len(found) > MAX_FILES:
                        return found
        except OSError as error:
            raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
        return sorted(found, key=lambda each: each[0].path)


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    if not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            else:
                yield entry


def _listed(entry: os.DirEntry[str], root: Path) -> tuple[Listed, os.stat_result]:
    facts = entry.stat(follow_symlinks=False)
    kind = Kind.SYMLINK if stat.S_ISLNK(facts.st_mode) else Kind.OTHER
    if stat.S_ISREG(facts.st_mode):
        kind = Kind.FILE
    path = Path(entry.path).relative_to(root).as_posix()
    return Listed(path=path, kind=kind, size=facts.st_size), facts


def _content(path: Path) -> bytes:
    # It may have been replaced since it was listed: by a link, by a pipe, by something larger.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_FILE_BYTES + 1)
