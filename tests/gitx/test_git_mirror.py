"""The mirror, its lock, and how a git process is run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from gitrepos import Project, git

from coordinator.gitx import (
    BranchName,
    Credential,
    GitError,
    GitRaceError,
    GitRefusedError,
    GitTransientError,
    InvalidNameError,
    Mirror,
    RefName,
    RefUpdate,
    RemoteUrl,
    RepoPath,
    Sha,
    is_lfs_pointer,
)
from coordinator.gitx.errors import redacted
from coordinator.gitx.lock import WRITER, writer_lock
from coordinator.gitx.process import Bounds, GitPlace, git_binary, git_version, run_git

MAIN = RefName("refs/heads/main")


def test_fetch_brings_the_refs_that_exist(project: Project, mirror: Mirror) -> None:
    found = mirror.fetch([MAIN, RefName("refs/heads/none")])
    assert found == {MAIN: project.tip()}
    assert mirror.resolve(found[MAIN]) == mirror.resolve(MAIN) == project.tip()
    assert mirror.default_branch() == BranchName("main")
    assert mirror.ls_remote("refs/heads/*") == {"refs/heads/main": project.tip()}
    newer = project.colleague_pushes({"x": "x"})
    assert mirror.fetch([MAIN])[MAIN] == newer
    assert mirror.is_ancestor(found[MAIN], Sha(newer))
    assert not mirror.is_ancestor(Sha(newer), found[MAIN])
    assert mirror.merge_base(found[MAIN], Sha(newer)) == found[MAIN]


def test_a_rewritten_branch_is_followed(project: Project, mirror: Mirror) -> None:
    mirror.fetch([MAIN])
    git(project.clone, "commit", "-q", "--amend", "-m", "another history")
    git(project.clone, "push", "-q", "--force", "origin", "main")
    assert mirror.fetch([MAIN])[MAIN] == project.tip()


def test_read_tree_shows_links_and_submodules_for_what_they_are(
    project: Project, mirror: Mirror
) -> None:
    (project.clone / "docs" / "link").symlink_to("/etc/passwd")
    git(project.clone, "update-index", "--add", "--cacheinfo", f"160000,{project.tip()},docs/sub")
    git(project.clone, "add", "docs/link")
    git(project.clone, "commit", "-qm", "odd things")
    git(project.clone, "push", "-q", "origin", "main")
    tip = mirror.fetch([MAIN])[MAIN]
    found = {e.path: (e.mode, e.size) for e in mirror.read_tree(tip, [RepoPath("docs")])}
    assert found == {
        "docs/guide.md": ("100644", 8),
        "docs/link": ("120000", 11),
        "docs/sub": ("160000", None),
    }
    assert len(mirror.read_tree(tip)) == 4


def test_read_blobs_reads_all_by_one_process(project: Project, mirror: Mirror) -> None:
    tip = Sha(project.colleague_pushes({"empty": "", "binary": bytes(range(256))}))
    entries = mirror.read_tree(mirror.fetch([MAIN])[MAIN])
    blobs = mirror.read_blobs([entry.sha for entry in entries])
    assert {e.path: blobs[e.sha] for e in entries} == project.files()
    assert mirror.read_blobs([]) == {}
    for shas in ([Sha("1" * 40)], [tip]):
        with pytest.raises(GitError, match="not a blob"):
            mirror.read_blobs(shas)
    with pytest.raises(GitError, match="more than"):
        mirror.read_blobs([entry.sha for entry in entries] * 100, max_bytes=1)


def test_a_ref_moves_only_from_where_the_caller_saw_it(project: Project, mirror: Mirror) -> None:
    old = mirror.fetch([MAIN])[MAIN]
    newer = Sha(project.colleague_pushes({"x": "x"}))
    mirror.fetch([MAIN])
    tip, fresh = RefName("refs/coordinator/runs/x"), RefName("refs/heads/fresh")
    for updates in (
        [RefUpdate(MAIN, old, None)],
        [RefUpdate(tip, None, newer), RefUpdate(MAIN, old, None)],
        [RefUpdate(tip, newer, old)],
    ):
        with pytest.raises(GitRaceError) as caught:
            mirror.publish(updates)
        assert caught.value.retryable
        assert project.refs() == {"refs/heads/main": newer}
    mirror.publish([RefUpdate(tip, None, newer), RefUpdate(fresh, None, old)])
    with pytest.raises(GitRaceError):
        mirror.push(fresh, newer, expected_old=None)
    mirror.push(fresh, None, expected_old=old)
    assert project.refs() == {"refs/heads/main": newer, tip: newer}


def test_without_a_remote_refs_move_by_the_same_rule(project: Project, tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path / "alone", None)
    assert mirror.default_branch() is None
    git(mirror.path, "fetch", "-q", str(project.remote), "main:main")
    tip = Sha(project.tip())
    assert mirror.default_branch() == "main"
    assert mirror.fetch([MAIN]) == {MAIN: tip}
    for update in (RefUpdate(MAIN, None, tip), RefUpdate(RefName("refs/heads/x"), tip, None)):
        with pytest.raises(GitRaceError):
            mirror.publish([update])


def test_opening_a_mirror_at_the_same_time_makes_one(project: Project, tmp_path: Path) -> None:
    opened: list[Path] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Mirror.open(tmp_path, project.url()).path))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    assert len(set(opened)) == 1
    assert len(list((tmp_path / "mirrors").iterdir())) == 1


def test_a_repository_that_is_not_there_is_an_error_and_no_retry(tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path, RemoteUrl.parse(str(tmp_path / "none"), allow_local=True))
    with pytest.raises(GitError, match="does not appear to be a git repository") as caught:
        mirror.fetch([MAIN])
    assert not caught.value.retryable


def test_a_host_that_cannot_be_reached_is_worth_a_retry(tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path, RemoteUrl.parse("https://127.0.0.1:9/x.git"))
    with pytest.raises(GitTransientError) as caught:
        mirror.fetch([MAIN])
    assert caught.value.error_class == "transport"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with writer_lock(lock, wait_seconds=1):
        assert lock.read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(GitTransientError, match=f"process {os.getpid()}"),
            writer_lock(lock, wait_seconds=0),
        ):
            raise AssertionError("two writers")
    with writer_lock(lock, wait_seconds=0):
        pass


def test_the_lock_of_a_killed_writer_is_free_and_its_leavings_are_gone(
    project: Project, mirror: Mirror
) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom coordinator.gitx.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1]), wait_seconds=1):\n    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(mirror.path / WRITER)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.kill()
    child.communicate()
    (mirror.path / "packed-refs.lock").touch()
    (mirror.path / "refs" / "heads" / "main.lock").touch()
    (mirror.path / "scratch-abc").mkdir()
    with mirror.writing():
        assert list(mirror.path.rglob("*.lock")) == []
        assert (mirror.path / WRITER).read_text() == f"{os.getpid()}\n"
        assert not (mirror.path / "scratch-abc").exists()
    assert mirror.fetch([MAIN])[MAIN] == project.tip()


def test_a_git_that_outlives_its_daemon_keeps_the_lock(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\nfrom pathlib import Path\n"
        "from coordinator.gitx.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1]), wait_seconds=1) as lock:\n"
        "    child = subprocess.Popen(['cat'], pass_fds=(lock,))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    lock = tmp_path / "lock"
    daemon = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE)
    daemon.wait()
    with pytest.raises(GitTransientError), writer_lock(lock, wait_seconds=0):
        pass
    assert daemon.stdin is not None
    daemon.stdin.close()
    with writer_lock(lock, wait_seconds=10):
        pass


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """Both the command and the child in its background wait for a writer that never comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    place = GitPlace(git_dir=Mirror.open(tmp_path, None).path)
    started = time.monotonic()
    with pytest.raises(GitTransientError, match=r"longer than 0\.3s"):
        run_git(
            ["-c", f"alias.wait=!cat {pipe} & cat {pipe}", "wait"],
            place,
            bounds=Bounds(timeout_seconds=0.3),
        )
    assert time.monotonic() - started < 5
    # Without a reader the pipe cannot be opened: both died with the group.
    while time.monotonic() - started < 10:
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return
    raise AssertionError("a child of the killed command still runs")


def test_output_is_capped(tmp_path: Path) -> None:
    place = GitPlace(git_dir=Mirror.open(tmp_path, None).path)
    with pytest.raises(GitError, match="more than 1000 bytes"):
        run_git(["-c", "alias.much=!yes", "much"], place, bounds=Bounds(output_bytes=1_000))


def test_stdin_larger_than_a_pipe_and_unread_is_no_deadlock(tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path, None)
    big = b"x" * 5_000_000
    sha = Sha(mirror.git("hash-object", "-w", "--stdin", stdin=big).text)
    assert mirror.read_blobs([sha]) == {sha: big}
    mirror.git("--version", stdin=big)


def test_the_environment_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    place = GitPlace(git_dir=Mirror.open(tmp_path, None).path)
    said = run_git(["-c", "alias.tell=!env", "tell"], place).text
    assert "hunter2" not in said
    assert "HOME=/nonexistent" in said


def test_a_credential_reaches_git_by_a_pipe_and_nothing_else(tmp_path: Path) -> None:
    """Not even the program that git asks finds it in its environment or arguments."""
    mirror = Mirror.open(tmp_path, None)
    credential = Credential("robot", "hunter2")
    assert "hunter2" not in repr(credential)
    place = replace(mirror.place, credential=credential, askpass=mirror.path / "askpass")
    question = b"protocol=https\nhost=example.org\n\n"
    said = run_git(["credential", "fill"], place, stdin=question).text
    assert "username=robot\npassword=hunter2" in said
    assert "hunter2" not in run_git(["-c", "alias.tell=!env", "tell"], place).text
    assert "hunter2" not in (mirror.path / "askpass").read_text()
    for wrong in ("", "a\nb", "x" * 2_000, "ü"):
        with pytest.raises(InvalidNameError):
            Credential("robot", wrong)


def test_a_pointer_of_large_file_storage_is_known() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    assert is_lfs_pointer(pointer)
    assert not is_lfs_pointer(b"version 1\n")


def test_errors_show_no_credentials_and_no_escapes() -> None:
    said = redacted("fatal: https://user:pw@host/x \x1b[31mred token=abc Authorization: Basic abc")
    assert "pw" not in said
    assert "abc" not in said
    assert "\x1b" not in said
    assert len(redacted("x" * 10_000)) < 2_100


def test_an_old_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_version("git version 2.39.5 (Apple Git-154)") == (2, 39)
    assert git_version("nonsense") == (0, 0)
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    git_binary.cache_clear()
    try:
        with pytest.raises(GitError, match=r"2\.30\.2; git 2\.38 or later"):
            git_binary()
        monkeypatch.setenv("PATH", str(tmp_path / "none"))
        with pytest.raises(GitError, match="no git on PATH"):
            git_binary()
    finally:
        git_binary.cache_clear()


def test_a_remote_url_outside_the_allowed_protocols_never_starts_a_program(tmp_path: Path) -> None:
    canary = tmp_path / "pwned"
    place = GitPlace(git_dir=Mirror.open(tmp_path, None).path, local_remote=True)
    for url in (f"ext::touch {canary}", "http://127.0.0.1:9/x", "git://127.0.0.1:9/x"):
        with pytest.raises(GitError, match="not allowed"):
            run_git(["fetch", "--end-of-options", url], place)
    assert not canary.exists()


def test_refused_errors_have_their_class() -> None:
    assert (GitRefusedError.error_class, GitRefusedError.retryable) == ("refused", False)
    assert (GitTransientError.error_class, GitTransientError.retryable) == ("transport", True)
