"""New trees out of old ones, in the bare repository: patches, three-way merges, commits.

There is no work tree anywhere: a patch is applied to a temporary index, and merges are made by
`git merge-tree --write-tree`. Objects that come to nothing are harmless; no ref names them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from coordinator import faults
from coordinator.gitx.errors import GitConflictError, GitError, GitRefusedError, InvalidNameError
from coordinator.gitx.limits import Change
from coordinator.gitx.lock import SCRATCH
from coordinator.gitx.mirror import Mirror
from coordinator.gitx.names import Sha
from coordinator.gitx.process import Bounds

_FAILED: Final = (
    re.compile(r"^error: patch failed: (.+):\d+$", re.MULTILINE),
    re.compile(
        r"^error: (.+): (?:patch does not apply|already exists in index|"
        r"does not exist in index|does not match index|wrong type|No such file or directory)$",
        re.MULTILINE,
    ),
    re.compile(r"^error: the patch applies to '(.+)' \(", re.MULTILINE),
)
_NAME: Final = re.compile(r"[^<>\x00-\x1f\x7f]{1,100}")
SYNTHETIC: Final = {
    "GIT_AUTHOR_NAME": "-", "GIT_AUTHOR_EMAIL": "-", "GIT_AUTHOR_DATE": "@1 +0000",
    "GIT_COMMITTER_NAME": "-", "GIT_COMMITTER_EMAIL": "-", "GIT_COMMITTER_DATE": "@1 +0000",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the commits are by."""

    name: str = "coordinator"
    email: str = "coordinator@localhost"

    def __post_init__(self) -> None:
        for what, value in (("author name", self.name), ("author address", self.email)):
            if not _NAME.fullmatch(value):
                raise InvalidNameError(what, value, "use 1 to 100 characters without < or >")

    def variables(self, at: datetime | None) -> dict[str, str]:
        """The identity as git reads it, at the moment `at` or now."""
        moment = at or datetime.now(UTC)
        date = f"@{int(moment.timestamp())} +0000"
        return {
            f"GIT_{role}_{fact}": value
            for role in ("AUTHOR", "COMMITTER")
            for fact, value in (("NAME", self.name), ("EMAIL", self.email), ("DATE", date))
        }


def apply_diff(mirror: Mirror, tree: Sha, diff: str) -> Sha:
    """The tree that `diff` makes of `tree`.

    Raises:
        GitConflictError: it was made against other content.
        GitRefusedError: it is no git diff.
    """
    if not diff.strip():
        return tree
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=mirror.path) as scratch:
        variables = {"GIT_INDEX_FILE": f"{scratch}/index"}
        mirror.git("read-tree", "--end-of-options", tree, variables=variables)
        try:
            mirror.git(
                "apply", "--cached", "--whitespace=nowarn", "-",
                stdin=diff.encode("utf-8", "surrogatepass"), variables=variables,
            )  # fmt: skip
        except GitError as error:
            raise _apply_failure(error) from error
        return Sha(mirror.git("write-tree", variables=variables).text)


def _apply_failure(error: GitError) -> GitError:
    if error.exit_code not in {1, 128}:
        return error
    files = [name for pattern in _FAILED for name in pattern.findall(error.stderr)]
    if files:
        return GitConflictError("applying the patch", files, "make it against the run's revision")
    return GitRefusedError("the patch is not a git diff that can be applied", stderr=error.stderr)


def three_way(mirror: Mirror, base: Sha, ours: Sha, theirs: Sha, *, doing: str) -> Sha:
    """The tree with what both `ours` and `theirs` changed of the tree `base`.

    Raises:
        GitConflictError: they changed the same places.
    """
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    # Commits are needed because this git's merge-tree takes no --merge-base.
    root = _synthetic_commit(mirror, base)
    return merge_commits(
        mirror,
        _synthetic_commit(mirror, ours, root),
        _synthetic_commit(mirror, theirs, root),
        doing=doing,
    )


def _synthetic_commit(mirror: Mirror, tree: Sha, *parents: Sha) -> Sha:
    parts = [part for parent in parents for part in ("-p", parent)]
    out = mirror.git("commit-tree", *parts, "--end-of-options", tree, variables=SYNTHETIC)
    return Sha(out.text)


def merge_commits(mirror: Mirror, ours: Sha, theirs: Sha, *, doing: str) -> Sha:
    """The tree of the merge of two commits.

    Raises:
        GitConflictError: they changed the same places.
    """
    out = mirror.git(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages",
        "--allow-unrelated-histories", "--end-of-options", ours, theirs,
        bounds=Bounds(exit_codes=(0, 1)),
    )  # fmt: skip
    tree, *files = out.text.rstrip("\0").split("\0")
    if out.exit_code == 1:
        raise GitConflictError(doing, [f for f in files if f], "solve it on a newer revision")
    return Sha(tree)


def commit_tree(
    mirror: Mirror, tree: Sha, parents: Sequence[Sha], message: str, variables: dict[str, str]
) -> Sha:
    """A new commit of `tree`; no ref names it yet."""
    faults.point("git.before_commit")
    parts = [part for parent in parents for part in ("-p", parent)]
    out = mirror.git(
        "commit-tree", *parts, "-F", "-", "--end-of-options", tree,
        stdin=message.encode("utf-8", "replace"), variables=variables,
    )  # fmt: skip
    faults.point("git.after_commit")
    return Sha(out.text)


def changes(mirror: Mirror, old: Sha, new: Sha) -> list[Change]:
    """Every path that differs between two trees or commits, in order; renames are two paths."""
    if old == new:
        return []
    out = mirror.git(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff",
        "--ignore-submodules=none", "--end-of-options", old, new,
    )  # fmt: skip
    parts = out.stdout.decode("utf-8", "surrogateescape").split("\0")
    pairs = zip(parts[::2], parts[1::2], strict=False)
    raw = [(*facts.lstrip(":").split()[:4], path) for facts, path in pairs]
    sizes = _sizes(mirror, [new_sha for _, mode, _, new_sha, _ in raw if mode.startswith("10")])
    return [
        Change(path, old_mode, new_mode, sizes.get(new_sha, 0))
        for old_mode, new_mode, _, new_sha, path in raw
    ]


def _sizes(mirror: Mirror, shas: Sequence[str]) -> dict[str, int]:
    if not shas:
        return {}
    out = mirror.git(
        "cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer",
        stdin="".join(f"{sha}\n" for sha in shas).encode(),
    )  # fmt: skip
    pairs = (line.split(" ") for line in out.text.splitlines())
    return {sha: int(size) for sha, size in pairs if size.isdigit()}
