"""What a run may change: branches by name, files by the difference between two trees.

The rule looks at the *resulting* difference and never at what a patch says of itself; it runs no
git.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from coordinator.gitx.errors import GitRefusedError, InvalidNameError
from coordinator.gitx.names import BranchName, RepoPath
from coordinator.gitx.request import ChangeLimits

MAX_FILES: Final = 500
MAX_BYTES: Final = 10 * 2**20
_FILE_MODES: Final = frozenset({"100644", "100755", "000000"})
_WILDCARDS: Final = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_KINDS: Final = {"120000": "a symbolic link", "160000": "a submodule"}

PROTECTED_FIRST: Final = frozenset(
    {
        ".azure-pipelines", ".buildkite", ".ci", ".circleci", ".forgejo", ".gitea", ".githooks",
        ".github", ".gitlab", ".husky", ".woodpecker", "hooks", "personas", "workflows",
        ".appveyor.yml", ".drone.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml", ".travis.yml",
        ".woodpecker.yml", "appveyor.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml",
        "jenkinsfile",
    }
)  # fmt: skip
"""Names at the top of a repository that decide what other machines run, or how this one behaves."""
PROTECTED_ANYWHERE: Final = frozenset({".gitattributes", ".gitmodules", ".lfsconfig"})


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees. `size` is that of the new content."""

    path: str
    old_mode: str
    new_mode: str
    size: int = 0

    @property
    def kind(self) -> str:
        """`added`, `deleted` or `modified`."""
        if self.old_mode == "000000":
            return "added"
        return "deleted" if self.new_mode == "000000" else "modified"


def check_changes(changes: Sequence[Change], limits: ChangeLimits) -> None:
    """Let a step's changes pass, or refuse them all.

    Raises:
        GitRefusedError: naming each path that may not change and why.
    """
    faults = [f"{ascii(c.path)[1:-1]} ({why})" for c in changes if (why := _why_not(c, limits))]
    size = sum(change.size for change in changes)
    if len(changes) > MAX_FILES:
        faults.insert(0, f"{len(changes)} files (at most {MAX_FILES})")
    if size > MAX_BYTES:
        faults.insert(0, f"{size} bytes (at most {MAX_BYTES})")
    _refuse(faults)


def check_integration(changes: Iterable[Change], limits: ChangeLimits) -> None:
    """Let what a run brings to a branch pass, or refuse it all.

    Each change was held against the limits of the step that made it. This step's own paths count
    where it has some; modes and names in any case.
    """
    faults = []
    for change in changes:
        why = _why_never(change)
        if why is None and limits.paths is not None and not _allowed(change.path, limits.paths):
            why = "outside the paths of this step"
        if why is not None:
            faults.append(f"{ascii(change.path)[1:-1]} ({why})")
    _refuse(faults)


def _refuse(faults: Sequence[str]) -> None:
    if not faults:
        return
    more = f" and {len(faults) - 20} more" if len(faults) > 20 else ""
    raise GitRefusedError(
        f"these changes are not allowed: {', '.join(faults[:20])}{more}; "
        "name protected paths in the step's git.paths if they are meant"
    )


def _why_not(change: Change, limits: ChangeLimits) -> str | None:
    why = _why_never(change)
    if why is not None:
        return why
    if limits.paths is not None and not _allowed(change.path, limits.paths):
        return "outside the paths of this step"
    protected = _protected_part(change.path)
    if protected is not None and not _named(change.path, protected, limits.paths or ()):
        return f"{protected} is protected"
    return None


def _why_never(change: Change) -> str | None:
    for mode in (change.new_mode, change.old_mode):
        if mode not in _FILE_MODES and not (mode == "120000" and change.new_mode == "000000"):
            return _KINDS.get(mode, f"mode {mode}")
    try:
        RepoPath(change.path)
    except InvalidNameError as error:
        return error.why
    return None


def _protected_part(path: str) -> str | None:
    parts = path.casefold().split("/")
    if parts[0] in PROTECTED_FIRST:
        return parts[0]
    return next((part for part in parts if part in PROTECTED_ANYWHERE), None)


def _named(path: str, protected: str, globs: Iterable[str]) -> bool:
    """Whether a glob that covers `path` spells the protected name out, and not by a wildcard."""
    return any(
        protected in glob.casefold().split("/") and _pattern(glob).fullmatch(path) for glob in globs
    )


def _allowed(path: str, globs: Iterable[str]) -> bool:
    return any(_pattern(glob).fullmatch(path) for glob in globs)


@lru_cache(maxsize=1_024)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay within a part of the path, `**` is any number of parts, `dir/` all below."""
    if glob.endswith("/"):
        glob += "**"
    out = ""
    for token in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", glob):
        out += _WILDCARDS.get(token) or re.escape(token)
    return re.compile(out, re.DOTALL)


def check_branch(
    branch: BranchName, limits: ChangeLimits, *, usual: Iterable[BranchName | None]
) -> None:
    """Let the run move `branch` on the remote, or refuse it.

    Without a limit of its own a step may move the `usual` branches and no others.

    Raises:
        GitRefusedError: it may not.
    """
    if limits.branches is not None:
        if not _allowed(branch, limits.branches):
            allowed = ", ".join(limits.branches) or "none"
            raise GitRefusedError(f"branch {branch} is outside the step's git.branches ({allowed})")
    elif branch not in usual:
        raise GitRefusedError(
            f"branch {branch} is neither the run's own nor its base; name it in git.branches"
        )
