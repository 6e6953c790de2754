"""New repositories from files in memory: for samples, starters and demonstrations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from coordinator.gitx.names import BranchName, RepoPath, Sha
from coordinator.gitx.process import GitPlace, run_git
from coordinator.gitx.trees import Identity


def seed_repository(
    directory: Path,
    files: Mapping[str, str],
    *,
    message: str,
    branch: str = "main",
    identity: Identity | None = None,
) -> Sha:
    """Commit `files` (path -> text) on `branch` of the bare repository in `directory`.

    A directory that is not there becomes a bare repository; in one that is, the git commit follows
    the branch's last one and replaces all of its files.

    Raises:
        GitError: git could not do it.
        InvalidNameError: a path or the branch is not acceptable.
    """
    place = GitPlace(git_dir=directory)
    if not (directory / "HEAD").exists():
        directory.mkdir(parents=True, exist_ok=True)
        run_git(["init", "--quiet", "--bare", "--template="], place)
    ref = BranchName(branch).ref
    before = run_git(["for-each-ref", "--format=%(objectname)", "--", ref], place).text.strip()
    stream = _stream(ref, files, message, identity or Identity(), before)
    run_git(["fast-import", "--quiet", "--done"], place, stdin=stream)
    return Sha(run_git(["rev-parse", "--verify", "--end-of-options", ref], place).text.strip())


def _stream(
    ref: str, files: Mapping[str, str], message: str, identity: Identity, before: str
) -> bytes:
    told = message.encode()
    when = f"{identity.name} <{identity.email}> {int(time.time())} +0000"
    lines = [
        f"commit {ref}\nauthor {when}\ncommitter {when}\n".encode(),
        b"data %d\n%b\n" % (len(told), told),
        f"from {before}\n".encode() if before else b"",
        b"deleteall\n",
    ]
    for path, text in sorted(files.items()):
        content = text.encode()
        lines.append(f"M 100644 inline {RepoPath(path)}\n".encode())
        lines.append(b"data %d\n%b\n" % (len(content), content))
    return b"".join([*lines, b"done\n"])
