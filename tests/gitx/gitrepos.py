"""Real repositories for the tests, made and read by plain git, never by the code under test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.gitx import Mirror, RemoteUrl, WorkRequest, WorkResult, perform

RUN = "01jd2x3y4z5a6b7c8d9e0f1g2h"
AT = "2026-01-31T12:00:00+00:00"
_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
}


def git(where: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What git says in the folder `where`."""
    return git_bytes(where, *arguments, stdin=stdin).decode("utf-8", "surrogateescape").strip()


def git_bytes(where: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-C", str(where), *arguments],
        input=stdin, capture_output=True, env=_ENV, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"git {arguments}: {done.stderr.decode()}"
    return done.stdout


@dataclass
class Project:
    """A bare remote, and a clone in which a colleague works."""

    folder: Path
    remote: Path
    clone: Path

    @classmethod
    def make(cls, folder: Path, files: Mapping[str, str | bytes]) -> Project:
        project = cls(folder, folder / "remote.git", folder / "clone")
        git(folder, "init", "-q", "--bare", "-b", "main", "remote.git")
        git(folder, "init", "-q", "-b", "main", "clone")
        git(project.clone, "remote", "add", "origin", str(project.remote))
        project.colleague_pushes(files, "the first files")
        return project

    def colleague_pushes(
        self, files: Mapping[str, str | bytes | None], message: str = "work of a colleague",
        branch: str = "main",
    ) -> str:  # fmt: skip
        """Commit and push as somebody else; None deletes."""
        git(self.clone, "checkout", "-q", "-B", branch)
        if self.has(f"refs/heads/{branch}"):
            git(self.clone, "fetch", "-q", "origin", branch)
            git(self.clone, "reset", "-q", "--hard", "FETCH_HEAD")
        write(self.clone, files)
        git(self.clone, "add", "-A", "-f")
        git(self.clone, "commit", "-q", "-m", message)
        git(self.clone, "push", "-q", "origin", branch)
        return git(self.clone, "rev-parse", "HEAD")

    def has(self, ref: str) -> bool:
        return bool(git(self.remote, "for-each-ref", ref))

    def tip(self, branch: str = "main") -> str:
        return git(self.remote, "rev-parse", f"refs/heads/{branch}")

    def files(self, revision: str = "refs/heads/main") -> dict[str, bytes]:
        """Every file at a revision of the remote."""
        listed = git_bytes(self.remote, "ls-tree", "-r", "--name-only", "-z", revision)
        names = listed.decode("utf-8", "surrogateescape").split("\0")
        return {n: git_bytes(self.remote, "show", f"{revision}:{n}") for n in names if n}

    def refs(self) -> dict[str, str]:
        lines = git(self.remote, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines)

    def url(self) -> RemoteUrl:
        return RemoteUrl.parse(str(self.remote), allow_local=[self.folder])


def write(folder: Path, files: Mapping[str, str | bytes | None]) -> None:
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def edit(old: str, new: str, name: str = "app.py") -> str:
    """A diff that replaces the whole of a small text file."""
    before, after = old.splitlines(), new.splitlines()
    return (
        f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n"
        f"@@ -1,{len(before)} +1,{len(after)} @@\n"
        + "".join(f"-{line}\n" for line in before)
        + "".join(f"+{line}\n" for line in after)
    )


def new_file(name: str, content: str = "new\n", mode: str = "100644") -> str:
    lines = content.splitlines()
    return (
        f"diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ b/{name}\n"
        f"@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)
    )


class Run:
    """A run that asks for one git operation after the other, as an engine would."""

    def __init__(self, mirror: Mirror, *, run: str = RUN, may_push: bool = True) -> None:
        self.mirror = mirror
        self.run = run
        self.may_push = may_push
        self.files: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self._count = 0

    def request(self, operation: str, **more: Any) -> dict[str, Any]:
        self._count += 1
        return {
            "operation": operation,
            "run": self.run,
            "node": f"{operation}-{self._count}",
            "attempt": 1,
            "title": f"{operation} of the fix",
            "params": {},
            "files": dict(self.files),
            "may_push": self.may_push,
            "at": AT,
            **more,
        }

    def does(self, operation: str, **more: Any) -> dict[str, Any]:
        """Carry an operation out, remember what the run now knows, and return the result."""
        self.last = self.request(operation, **more)
        return self.again()

    def again(self, mirror: Mirror | None = None) -> dict[str, Any]:
        """The same request once more."""
        request = WorkRequest.from_json(self.last)
        assert WorkRequest.from_json(request.to_json()) == request
        answer = perform(mirror or self.mirror, request)
        assert WorkResult.from_json(answer.to_json()) == answer
        self.files.update(answer.files)
        return dict(answer.result)

    def patches(self, diff: str, **more: Any) -> dict[str, Any]:
        """Apply a patch made against the run's newest revision."""
        if "revision" not in self.files:
            self.does("prepare")
        patch = {"base": more.pop("base", self.files["revision"]), "diff": diff}
        return self.does("apply-patch", patch=patch, **more)
