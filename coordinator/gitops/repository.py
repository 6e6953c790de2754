"""A git repository as source: its commits are read as objects, nothing is ever checked out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coordinator.gitops.files import (
    Kind,
    Listed,
    Snapshot,
    SourceError,
    Tip,
    listing_faults,
    pointer_fault,
    readable,
)
from coordinator.gitops.sources import Source
from coordinator.gitx import (
    Credential,
    Mirror,
    RefName,
    RemoteUrl,
    RepoPath,
    Sha,
    TreeEntry,
    is_lfs_pointer,
)

_KINDS: Final = {"120000": Kind.SYMLINK, "160000": Kind.SUBMODULE}


class GitOrigin:
    """Reads one ref of one repository through a mirror of its own. Every method blocks.

    Raises:
        InvalidNameError: the URL is none that may be used.
    """

    def __init__(
        self, source: Source, state_dir: Path, *, credential: Credential | None = None
    ) -> None:
        self.name = source.url
        self._source = source
        # The operator configured it, so a path is allowed wherever it is.
        self._url = RemoteUrl.parse(source.url, allow_local=True)
        self._state_dir = state_dir
        self._credential = credential
        self._last: Sha | None = None

    def look(self) -> Tip:
        """Where the ref is now; one short question to the remote.

        Raises:
            SourceError: the repository has no such ref.
            GitError: the repository cannot be reached, or refuses.
        """
        if self._source.commit is not None:
            return self._tip("commit", self._source.commit)
        ref, sha = self._find(self._mirror())
        return self._tip(_short(ref), sha)

    def read(self, tip: Tip) -> Snapshot:
        """The files at `tip`, or at what is newer by now.

        Raises:
            SourceError: the ref is gone.
            GitError: the commit could not be fetched or read.
        """
        mirror = self._mirror()
        name, sha = self._fetch(mirror)
        before, self._last = self._last, sha
        entries = mirror.read_tree(sha, [RepoPath(path) for path in self._source.paths])
        listed = [_listed(entry) for entry in entries]
        faults = listing_faults(listed)
        wanted = set(readable(listed, faults))
        shas = {entry.path: entry.sha for entry in entries if entry.path in wanted}
        blobs = mirror.read_blobs(sorted(set(shas.values())))
        files = {path: blobs[blob] for path, blob in shas.items()}
        pointers = [path for path, content in files.items() if is_lfs_pointer(content)]
        return Snapshot(
            revision=_revision(name, sha),
            files={path: content for path, content in files.items() if path not in pointers},
            faults=(*faults, *map(pointer_fault, pointers)),
            was_rewritten=before is not None and not _contains(mirror, before, sha),
        )

    def _mirror(self) -> Mirror:
        # Opening is one look at the disk; so a mirror that somebody removed is made again.
        return Mirror.open(self._state_dir, self._url, credential=self._credential)

    def _fetch(self, mirror: Mirror) -> tuple[str, Sha]:
        if self._source.commit is not None:
            mirror.fetch_revision(self._source.commit)
            return "commit", self._source.commit
        ref, _ = self._find(mirror)
        if ref not in mirror.fetch([ref]):
            raise self._no_such_ref()
        sha = mirror.resolve(ref)
        if sha is None:
            raise SourceError(f"{ref} of {self.name} is no commit; set source.ref to a branch")
        return _short(ref), sha

    def _find(self, mirror: Mirror) -> tuple[RefName, Sha]:
        candidates = self._source.candidates()
        if not candidates:
            branch = mirror.default_branch()
            if branch is None:
                raise self._no_such_ref()
            candidates = (RefName(branch.ref),)
        there = mirror.ls_remote(*candidates)
        for ref in candidates:
            if ref in there:
                return ref, there[ref]
        raise self._no_such_ref()

    def _no_such_ref(self) -> SourceError:
        wanted = f"no branch or tag {self._source.ref!r}" if self._source.ref else "no commits"
        return SourceError(f"{self.name} has {wanted}; push it, or correct source.ref")

    def _tip(self, name: str, sha: Sha) -> Tip:
        return Tip(mark=sha, revision=_revision(name, sha))


def _revision(name: str, sha: Sha) -> str:
    return f"{name}@{'sha1' if len(sha) == 40 else 'sha256'}:{sha}"


def _short(ref: RefName) -> str:
    return ref.removeprefix("refs/heads/")


def _contains(mirror: Mirror, older: Sha, newer: Sha) -> bool:
    return mirror.resolve(older) is not None and mirror.is_ancestor(older, newer)


def _listed(entry: TreeEntry) -> Listed:
    kind = Kind.FILE if entry.is_regular else _KINDS.get(entry.mode, Kind.OTHER)
    return Listed(path=entry.path, kind=kind, size=entry.size or 0)
