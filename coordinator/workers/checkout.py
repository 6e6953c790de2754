"""The run's files for a persona, brought by gitx."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coordinator.core.definition import ErrorClass
from coordinator.gitx.errors import GitError
from coordinator.gitx.names import RefName, RemoteUrl, Sha
from coordinator.gitx.workspace import Workspace, materialise
from coordinator.workers.providers.command import CheckoutError


class GitCheckout:
    """Brings files from git, by way of this worker's own mirrors below `cache`.

    `allow_local` lists the folders below which repositories of this host may be; True is any.
    """

    def __init__(self, cache: Path, *, allow_local: bool | Sequence[Path] = False) -> None:
        self._cache = cache
        self._allow_local = allow_local

    def __call__(self, files: Mapping[str, object], directory: Path) -> GitWorkspace:
        """The files of `{repo, ref, base}` in `directory`.

        Raises:
            CheckoutError: the repository is not allowed, not there, or lacks the revision.
        """
        repo, ref = files.get("repo"), files.get("ref")
        with _told("bringing the run's files"):
            url = None if repo is None else RemoteUrl.parse(repo, allow_local=self._allow_local)
            workspace = materialise(
                url,
                Sha(files.get("base")),
                directory,
                cache=self._cache,
                ref=None if ref is None else RefName(ref),
            )
        return GitWorkspace(workspace)


class GitWorkspace:
    """The files of one revision, and what became of them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def changes(self) -> str:
        """What differs from the revision now, as a git diff.

        Raises:
            CheckoutError: there is something that no patch can hold.
        """
        with _told("reading the changes"):
            return self._workspace.changes()

    def remove(self) -> None:
        """Delete the files, and what was noted about them."""
        self._workspace.remove()


@contextlib.contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except GitError as error:
        error_class = ErrorClass(error.error_class)
        raise CheckoutError(f"{doing}: {error}", error_class=error_class) from error
