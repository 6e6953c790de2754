"""The files of a revision for a persona, in a throwaway folder, and its changes back as a patch.

A workspace has two git directories. The one inside it, `.git`, is the persona's: a repository of
one commit, without remote, hooks or credentials, for agents and tools that want one; whatever the
persona does to it, we never run git on it. The other is ours and lies in the worker's cache. It
alone decides how git reads the files, so no filter, hook, monitor or attribute that a persona
leaves behind is ever started.

Files come and go byte for byte: line ends and encodings are never converted, and a symbolic link of
the repository is a small text file here, as git does on systems without links.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache as remembered
from pathlib import Path
from typing import Final

from coordinator.gitx.errors import GitError, GitRefusedError
from coordinator.gitx.mirror import NEUTRAL_ATTRIBUTES, Mirror
from coordinator.gitx.names import RefName, RemoteUrl, Sha
from coordinator.gitx.process import Bounds, GitPlace, run_git
from coordinator.gitx.trees import SYNTHETIC

MAX_PATCH_BYTES: Final = 10 * 2**20
CHECKOUT_SECONDS: Final = 300.0
_EXCLUDED: Final = (
    "__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".DS_Store",
)  # fmt: skip
"""Left behind by tools as they run; never part of a patch unless the repository tracks it."""
_CONFIG: Final = (
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tsymlinks = false\n"
    "\thooksPath = /dev/null\n\tfsmonitor = false\n[gc]\n\tauto = 0\n[commit]\n\tgpgSign = false\n"
    "[user]\n\tname = persona\n\temail = persona@localhost\n"
)
_AS_BINARY: Final = NEUTRAL_ATTRIBUTES.replace("!diff", "-diff")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with the files of `revision`, for one use."""

    directory: Path
    revision: Sha
    private: Path
    """Our git directory for it."""
    inode: tuple[int, int]

    def changes(self, *, max_bytes: int = MAX_PATCH_BYTES) -> str:
        """What differs from the revision now, as a git diff; empty when nothing does.

        New files are in it, those that the repository's .gitignore files name are not. Content that
        is not UTF-8 is written as binary, so the patch is always text.

        Raises:
            GitRefusedError: there is something that cannot be in a patch (a nested repository, a
                socket, a device), or more than `max_bytes`.
        """
        at = os.stat(self.directory, follow_symlinks=False)
        if (at.st_dev, at.st_ino) != self.inode:
            raise GitRefusedError(f"the workspace {self.directory} was replaced by something else")
        self._note_files(max_bytes)
        self._attributes(NEUTRAL_ATTRIBUTES)
        try:
            return self._diff(max_bytes).decode("utf-8")
        except UnicodeDecodeError:
            self._attributes(_AS_BINARY)
            return self._diff(max_bytes).decode("ascii")

    def remove(self) -> None:
        """Delete the folder and our notes about it."""
        _delete(self.directory)
        shutil.rmtree(self.private, ignore_errors=True)

    def _note_files(self, max_bytes: int) -> None:
        entries = (entry.split(b"\t", 1) for entry in self._listed("--stage"))
        tracked = [path for facts, path in entries if not facts.startswith(b"160000")]
        kept, gone = _present(self.directory, tracked)
        others = self._listed("--others", "--exclude-standard")
        new = _regular(self.directory, others, max_bytes)
        if gone:
            self._git("update-index", "-z", "--force-remove", "--stdin", stdin=_joined(gone))
        update = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
        self._git(*update, stdin=_joined([*kept, *new]))

    def _listed(self, *which: str) -> list[bytes]:
        return self._git("ls-files", "-z", *which).split(b"\0")[:-1]

    def _attributes(self, text: str) -> None:
        (self.private / "info" / "attributes").write_text(text)

    def _diff(self, max_bytes: int) -> bytes:
        bounds = Bounds(timeout_seconds=CHECKOUT_SECONDS, output_bytes=max_bytes)
        try:
            return self._git(
                "diff-index", "--cached", "-p", "--binary", "--full-index", "-M", "--no-color",
                "--no-ext-diff", "--no-textconv", "--end-of-options", self.revision, "--",
                bounds=bounds,
            )  # fmt: skip
        except GitError as error:
            if error.exit_code is None and not error.retryable:
                raise GitRefusedError(f"the patch is larger than {max_bytes} bytes") from error
            raise

    def _git(self, *arguments: str, stdin: bytes = b"", bounds: Bounds | None = None) -> bytes:
        place = GitPlace(git_dir=self.private, work_tree=self.directory)
        bounds = bounds or Bounds(timeout_seconds=CHECKOUT_SECONDS)
        return run_git(arguments, place, stdin=stdin, bounds=bounds).stdout


def materialise(
    url: RemoteUrl | None,
    revision: Sha,
    directory: Path,
    *,
    cache: Path,
    ref: RefName | None = None,
) -> Workspace:
    """`materialise_from` the worker's mirror of `url` below `cache`, without credentials."""
    return materialise_from(Mirror.open(cache, url), revision, directory, ref=ref)


def materialise_from(
    mirror: Mirror, revision: Sha, directory: Path, *, ref: RefName | None = None
) -> Workspace:
    """The files of exactly `revision` in `directory`, which must be new or empty.

    The mirror is the worker's own; by it the next step on the same repository fetches only what is
    new. `ref` names a ref that holds the revision, such as that of the run.

    Raises:
        GitRefusedError: the folder holds something.
        GitTransientError: the repository could not be reached.
        GitError: it does not have the revision.
    """
    mirror.fetch_revision(revision, ref)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise GitRefusedError(f"{directory} is not empty; a workspace needs a folder of its own")
    directory = directory.resolve()
    private = _private_git_dir(mirror)
    at = os.stat(directory)
    workspace = Workspace(directory, revision, private, (at.st_dev, at.st_ino))
    try:
        workspace._git("read-tree", "--end-of-options", revision)
        workspace._git("checkout-index", "--all", "--force", "--quiet", "--index")
        _give_repository(mirror, workspace)
    except BaseException:
        workspace.remove()
        raise
    return workspace


def _private_git_dir(mirror: Mirror) -> Path:
    parent = mirror.path / "workspaces"
    parent.mkdir(mode=0o700, exist_ok=True)
    private = Path(tempfile.mkdtemp(dir=parent))
    _write_repository(private, "0" * 40)
    (private / "objects" / "info" / "alternates").write_text(f"{mirror.path}/objects\n")
    return private


def _write_repository(git_dir: Path, head: str) -> None:
    """A repository of the oldest and simplest form; `git init` would need three processes more."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "info"):
        (git_dir / folder).mkdir(parents=True, exist_ok=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    (git_dir / "config").write_text(_CONFIG)
    (git_dir / "info" / "attributes").write_text(NEUTRAL_ATTRIBUTES)
    (git_dir / "info" / "exclude").write_text("".join(f"{glob}\n" for glob in _EXCLUDED))
    if head.strip("0"):
        (git_dir / "refs" / "heads" / "main").write_text(f"{head}\n")


def _give_repository(mirror: Mirror, workspace: Workspace) -> None:
    """Put a `.git` of one commit into the workspace; its objects are copies of its own."""
    place = replace(mirror.place, git_dir=workspace.private, variables=tuple(SYNTHETIC.items()))
    message = f"revision {workspace.revision}\n".encode()
    tree = mirror.tree_of(workspace.revision)
    commit = run_git(
        ["commit-tree", "-F", "-", "--end-of-options", tree], place, stdin=message
    ).text
    theirs = workspace.directory / ".git"
    _write_repository(theirs, commit)
    # Into our directory first: the pack's name is a path, and only ours has no strange characters.
    run_git(
        ["pack-objects", "--revs", "--quiet", "--delta-base-offset", "objects/pack/pack"],
        place,
        stdin=f"{commit}\n".encode(),
        bounds=Bounds(timeout_seconds=CHECKOUT_SECONDS),
    )
    for packed in (workspace.private / "objects" / "pack").iterdir():
        shutil.move(packed, theirs / "objects" / "pack" / packed.name)
    shutil.copyfile(workspace.private / "index", theirs / "index")


def _present(directory: Path, tracked: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Which tracked paths are still a file or link, by way of real folders; and which are not."""
    root = os.fsencode(directory)

    @remembered
    def is_folder(path: bytes) -> bool:
        if not path:
            return True
        return is_folder(os.path.dirname(path)) and stat.S_ISDIR(_mode(root, path))

    kept: list[bytes] = []
    gone: list[bytes] = []
    for path in tracked:
        mode = _mode(root, path) if is_folder(os.path.dirname(path)) else 0
        (kept if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else gone).append(path)
    return kept, gone


def _regular(directory: Path, others: Sequence[bytes], max_bytes: int) -> list[bytes]:
    """The new paths, each a file or link, together not larger than a patch may be."""
    root = os.fsencode(directory)
    size = 0
    for path in others:
        name = ascii(os.fsdecode(path))[1:-1]
        if path.endswith(b"/"):
            raise GitRefusedError(f"{name} is a git repository of its own; remove its .git folder")
        mode = _mode(root, path)
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise GitRefusedError(f"{name} is neither a file nor a link, so no patch can hold it")
        size += os.lstat(os.path.join(root, path)).st_size
        if size > max_bytes:
            raise GitRefusedError(
                f"the new files are larger than {max_bytes} bytes, up to {name}; "
                "remove or ignore what is not part of the change"
            )
    return list(others)


def _mode(root: bytes, path: bytes) -> int:
    try:
        return os.lstat(os.path.join(root, path)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _joined(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError:
        # A persona may have taken the write permission from a folder.
        for parent, names, _ in os.walk(folder):
            for path in (os.path.join(parent, name) for name in names):
                if not os.path.islink(path):
                    os.chmod(path, stat.S_IRWXU)
        shutil.rmtree(folder, ignore_errors=True)
