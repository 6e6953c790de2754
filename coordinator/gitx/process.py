"""How a git process is started: fixed argv, an environment built from nothing, limits, a deadline.

GitPython's `Git.execute` was the candidate and is not used: it starts from `os.environ` (so a
`GIT_SSH_COMMAND` or `GIT_CONFIG_COUNT` of the parent would reach git), takes no bytes for stdin,
does not cap output, and finds the processes to kill by asking `ps` for children after the deadline
has passed. Here each git is the leader of its own process group, which dies with it.

Every git command of the coordinator passes through `run_git`. Its callers put values from outside
only behind `--end-of-options` or `--`, and only as the checked types of `names`.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Final

from coordinator.gitx.credentials import Credential, offered
from coordinator.gitx.errors import GitError, GitRaceError, GitRefusedError, GitTransientError
from coordinator.gitx.stopping import check_not_stopped, watched

OLDEST_GIT: Final = (2, 38)
"""`git merge-tree --write-tree`, by which we merge without a work tree, came with 2.38."""
DEFAULT_TIMEOUT_SECONDS: Final = 60.0
MAX_OUTPUT_BYTES: Final = 64 * 2**20
_MAX_STDERR_BYTES: Final = 64 * 2**10
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"

_CONFIG: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.symlinks=false",
    "core.autocrlf=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.sshCommand=ssh -o BatchMode=yes -o StrictHostKeyChecking=yes",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    # Old commits of well-known projects have these faults, which can do nothing.
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "http.followRedirects=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "push.gpgSign=false",
    "diff.renames=true",
    "merge.renames=true",
    "init.defaultBranch=main",
)
_LIMITS: Final = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 4 * 2**30,
    resource.RLIMIT_AS: 16 * 2**30,
}

_RACE: Final = re.compile(
    r"stale info|non-fast-forward|fetch first|cannot lock ref|failed to update ref|"
    r"reference already exists|incorrect old value|but expected|atomic (push|transaction) failed"
)
_REFUSED: Final = re.compile(
    r"pre-receive hook declined|hook declined|protected branch|branch is currently checked out|"
    r"deny(ing)? |prohibited|[Aa]uthentication failed|could not read Username|Permission denied|"
    r"Host key verification failed|exists; cannot create|returned error: 4(?!08|29)\d\d"
)
_TRANSIENT: Final = re.compile(
    r"Could not resolve host|unable to access|[Cc]onnection (refused|reset|timed out|closed)|"
    r"timed out|early EOF|hung up unexpectedly|RPC failed|Unable to create '.*\.lock'|"
    r"File exists\.|Resource temporarily unavailable|unexpected disconnect|Network is unreachable|"
    r"No space left"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitPlace:
    """Where a git command works. Nothing that is not named here reaches it."""

    git_dir: Path | None = None
    work_tree: Path | None = None
    global_config: Path = Path("/dev/null")
    local_remote: bool = False
    """Whether the remote is a path on this host that the operator allowed."""
    lock: int | None = None
    """The held writer lock. Each git inherits it, so the lock lives as long as any of them."""
    credential: Credential | None = None
    askpass: Path = Path("/bin/false")
    variables: tuple[tuple[str, str], ...] = field(default=())

    def environment(self) -> dict[str, str]:
        """The whole environment of the process."""
        values = {
            "PATH": f"{Path(git_binary()).parent}:{_PATH}",
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": str(self.global_config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ALLOW_PROTOCOL": "file" if self.local_remote else "https:ssh",
            "GIT_PROTOCOL_FROM_USER": "0",
        }
        if self.git_dir is not None:
            values["GIT_DIR"] = str(self.git_dir)
        if self.work_tree is not None:
            values["GIT_WORK_TREE"] = str(self.work_tree)
        if not self.local_remote and (agent := os.environ.get("SSH_AUTH_SOCK")):
            values["SSH_AUTH_SOCK"] = agent
        return values | dict(self.variables)


@dataclass(frozen=True, slots=True)
class GitOutput:
    """What a git command said."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long a command may take, how much it may say, and which exit codes are answers."""

    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    output_bytes: int = MAX_OUTPUT_BYTES
    exit_codes: tuple[int, ...] = (0,)


_USUAL: Final = Bounds()


def run_git(
    arguments: Sequence[str], place: GitPlace, *, stdin: bytes = b"", bounds: Bounds = _USUAL
) -> GitOutput:
    """Run `git <arguments>` to its end and return what it said.

    The process and everything it started are gone when this returns or raises.

    Raises:
        GitTransientError: it took too long, was stopped, or failed in a way that time may cure.
        GitRaceError: a ref was no longer where the caller saw it.
        GitRefusedError: the other side does not allow it.
        GitError: any other exit code than `bounds.exit_codes`, or too much output.
    """
    check_not_stopped()
    argv = [git_binary(), *(part for setting in _CONFIG for part in ("-c", setting)), *arguments]
    with offered(place.credential, place.askpass) as (source, asking):
        inherited = (-1 if place.lock is None else place.lock, source)
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=place.environment() | asking,
            cwd=place.work_tree or place.git_dir or "/",
            start_new_session=True,
            pass_fds=[descriptor for descriptor in inherited if descriptor >= 0],
        )
    try:
        with watched(process.pid):
            _limit(process.pid)
            exchange = _Exchange(process, stdin, bounds)
            output = GitOutput(*exchange.to_the_end(arguments[0]))
    finally:
        _end(process)
    check_not_stopped()
    if output.exit_code not in bounds.exit_codes:
        raise _failure(arguments[0], output)
    return output


class _Exchange:
    """Feeds stdin and drains both outputs until the end, the deadline, or too much output."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, bounds: Bounds) -> None:
        self._process = process
        self._bounds = bounds
        self._left = memoryview(stdin)
        self._deadline = time.monotonic() + bounds.timeout_seconds
        self._out, self._err = bytearray(), bytearray()
        self._selector = selectors.DefaultSelector()
        self._register(process.stdout, selectors.EVENT_READ, self._out)
        self._register(process.stderr, selectors.EVENT_READ, self._err)
        self._register(process.stdin, selectors.EVENT_WRITE, None)

    def _register(self, stream: IO[bytes] | None, events: int, into: bytearray | None) -> None:
        if stream is None:
            return
        os.set_blocking(stream.fileno(), False)
        self._selector.register(stream, events, (stream, into))

    def to_the_end(self, command: str) -> tuple[int, bytes, str]:
        with self._selector:
            while self._selector.get_map():
                for key, _ in self._selector.select(self._remaining(command)):
                    self._move(*key.data)
                if len(self._out) > self._bounds.output_bytes:
                    raise GitError(
                        f"git {command} gave more than {self._bounds.output_bytes} bytes",
                        command=command,
                    )
        try:
            exit_code = self._process.wait(self._remaining(command))
        except subprocess.TimeoutExpired:
            raise self._too_late(command) from None
        return exit_code, bytes(self._out), self._err.decode("utf-8", "replace")

    def _move(self, stream: IO[bytes], into: bytearray | None) -> None:
        if into is None:
            if self._write(stream):
                return
        elif chunk := os.read(stream.fileno(), 1 << 16):
            room = _MAX_STDERR_BYTES - len(into) if into is self._err else len(chunk)
            into += chunk[: max(0, room)]
            return
        self._selector.unregister(stream)
        stream.close()

    def _write(self, stream: IO[bytes]) -> bool:
        with contextlib.suppress(BrokenPipeError):
            if self._left:
                self._left = self._left[os.write(stream.fileno(), self._left[: 1 << 16]) :]
            return bool(self._left)
        return False

    def _remaining(self, command: str) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late(command)
        return left

    def _too_late(self, command: str) -> GitTransientError:
        seconds = self._bounds.timeout_seconds
        return GitTransientError(f"git {command} took longer than {seconds:g}s", command=command)


def _limit(pid: int) -> None:
    # From outside and not by preexec_fn: that is unsafe in a program with threads.
    if not hasattr(resource, "prlimit"):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
        for kind, limit in _LIMITS.items():
            hard = resource.prlimit(pid, kind)[1]
            value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(pid, kind, (value, value))


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _failure(command: str, output: GitOutput) -> GitError:
    said = output.stderr + "\n" + output.text if command == "push" else output.stderr
    kind: type[GitError] = GitError
    if _REFUSED.search(said):
        kind = GitRefusedError
    elif _RACE.search(said):
        kind = GitRaceError
    elif _TRANSIENT.search(said):
        kind = GitTransientError
    return kind(
        f"git {command} failed with exit code {output.exit_code}",
        command=command,
        exit_code=output.exit_code,
        stderr=said,
    )


@cache
def git_binary() -> str:
    """The absolute path of git, found once; its version was checked.

    Raises:
        GitError: there is no git on PATH, or it is older than `OLDEST_GIT`.
    """
    found = shutil.which("git")
    wanted = ".".join(map(str, OLDEST_GIT))
    if found is None:
        raise GitError(f"there is no git on PATH; install git {wanted} or later")
    binary = (
        os.path.realpath(found) if os.path.basename(os.path.realpath(found)) == "git" else found
    )
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, env={}, timeout=20, check=False
    ).stdout
    if git_version(said) < OLDEST_GIT:
        raise GitError(f"{binary} is {said.strip() or 'no git'}; git {wanted} or later is needed")
    return binary


def git_version(said: str) -> tuple[int, int]:
    """Major and minor number out of what `git --version` prints; (0, 0) for anything else."""
    match = re.match(r"git version (\d{1,4})\.(\d{1,4})", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)
