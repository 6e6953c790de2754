"""Where definitions come from, as the operator of the daemon says it.

Nothing of this is ever read from the repository itself: a commit cannot change what is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from coordinator.gitx import BranchName, RefName, RepoPath, Sha

DEFAULT_BUNDLE: Final = "main"
SHORTEST_INTERVAL: Final = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A repository, what to read of it, and how often to look.

    Raises:
        InvalidNameError: `ref` or one of `paths` is none that git may be asked for.
    """

    url: str
    """`https://…`, `ssh://…`, `user@host:path`, or the absolute path of a local repository."""
    ref: str = ""
    """A branch or tag, a full ref, or all digits of a commit; empty = the default branch."""
    interval: timedelta = timedelta(seconds=60)
    paths: tuple[str, ...] = ("workflows", "personas", "envs")
    """Folders that are read; everything else in the repository is ignored."""
    bundle: str = DEFAULT_BUNDLE
    """The name under which its definitions are active."""

    def __post_init__(self) -> None:
        for path in self.paths:
            RepoPath(path)
        if self.commit is None:
            self.candidates()
        object.__setattr__(self, "interval", max(self.interval, SHORTEST_INTERVAL))

    @property
    def commit(self) -> Sha | None:
        """The commit, where the operator named one; then nothing newer is ever looked for."""
        is_hex = len(self.ref) in (40, 64) and not self.ref.strip("0123456789abcdef")
        return Sha(self.ref) if is_hex else None

    def candidates(self) -> tuple[RefName, ...]:
        """The refs that `ref` may mean, the likelier first; none for the default branch."""
        if self.ref in ("", "HEAD"):
            return ()
        if self.ref.startswith("refs/"):
            return (RefName(self.ref),)
        name = BranchName(self.ref)
        return RefName(name.ref), RefName(f"refs/tags/{name}")
