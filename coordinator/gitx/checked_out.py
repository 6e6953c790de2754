"""Which branch of a repository on this host nobody can push to, because its work tree has it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coordinator.gitx.errors import GitRefusedError
from coordinator.gitx.mirror import Mirror
from coordinator.gitx.names import BranchName
from coordinator.gitx.process import Bounds, GitPlace, run_git

_ACCEPTS_PUSHES: Final = frozenset({"ignore", "warn", "false", "updateinstead"})
"""Values of receive.denyCurrentBranch with which git does not refuse."""


def check_not_checked_out(mirror: Mirror, branch: BranchName) -> None:
    """Nothing, where git would let a run move `branch` of the remote.

    Raises:
        GitRefusedError: the branch is checked out there; the message says what to do.
    """
    if checked_out(mirror) == branch:
        raise GitRefusedError(
            f"{branch} is checked out in {mirror.url}, so git would refuse to merge the run into "
            "it; name a bare copy (git clone --bare), check out another branch there, or run with "
            "--no-push"
        )


def checked_out(mirror: Mirror) -> BranchName | None:
    """The branch of the remote that refuses to be pushed to; None for a bare or distant one."""
    if mirror.url is None or not mirror.url.is_local:
        return None
    folder = Path(mirror.url.text)
    inside = folder / ".git"
    # A linked work tree has a file there, which git itself follows.
    place = GitPlace(variables=(("GIT_DIR", str(inside if inside.exists() else folder)),))
    if _configured(place, "--type=bool", "core.bare") == "true":
        return None
    if _configured(place, "receive.denyCurrentBranch") in _ACCEPTS_PUSHES:
        return None
    return mirror.default_branch()


def _configured(place: GitPlace, *key: str) -> str:
    return run_git(["config", *key], place, bounds=Bounds(exit_codes=(0, 1))).text.lower()
