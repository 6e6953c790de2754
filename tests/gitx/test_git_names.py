"""Names from outside: what git would read as an option, a program or another place is refused."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from gitrepos import Project, Run, new_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.gitx import (
    BranchName,
    GitError,
    InvalidNameError,
    Mirror,
    RefName,
    RemoteUrl,
    RepoPath,
    RunName,
    Sha,
    TagName,
    execute_git_operation,
)

HOSTILE = [
    "-x", "--upload-pack=touch pwned", "--output=pwned", "-o", "--exec=touch pwned", "", ".", "..",
    "../../x", "a..b", "a@{1}", "@", "a b", "a\nb", "a\0b", "a\tb", "a\x7fb", "a~1", "a^", "a:b",
    "a?b", "a*b", "a[b", "a\\b", "a/", "/a", "a//b", "a.lock", "a/.b", ".git", "a.", "a/-x",
    "ext::sh -c touch% pwned", "$(touch pwned)", "`touch pwned`", "x" * 500, "refs/heads/x",
    "a\ud800b", "a\u202eb", "HEAD", "--", "-", ":", "+a:b", "a\r",
]  # fmt: skip
ALLOWED_AS_BRANCH = {"$(touch pwned)", "`touch pwned`"}


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_hostile_names_are_no_branches(value: str) -> None:
    if " " not in value and value in ALLOWED_AS_BRANCH:
        return
    with pytest.raises(InvalidNameError) as caught:
        BranchName(value)
    assert caught.value.what == "branch name"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", [BranchName, TagName, RefName, RepoPath, Sha, RunName])
@pytest.mark.parametrize("value", [None, 1, b"a", ["a"], True])
def test_what_is_not_text_is_no_name(kind: type, value: object) -> None:
    with pytest.raises(InvalidNameError, match="not text"):
        kind(value)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab-./@{~^:?*[\\ \x01é\u202e", min_size=1, max_size=12))
def test_no_branch_name_is_accepted_that_git_refuses(text: str) -> None:
    try:
        name = BranchName(text)
    except InvalidNameError:
        return
    git = ["git", "check-ref-format", "--branch", name]
    assert subprocess.run(git, capture_output=True, check=False).returncode == 0


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_checked_names_hold_no_option_no_escape_and_no_control(text: str) -> None:
    for kind in (BranchName, TagName, RepoPath):
        try:
            name = kind(text)
        except InvalidNameError:
            continue
        assert ".." not in name.split("/")
        assert not any(ord(character) < 32 for character in name)
        assert kind is RepoPath or not name.startswith("-")


@pytest.mark.parametrize(
    "path",
    [
        ".git", ".git/config", ".GIT/config", "a/.Git/x", ".git /x", ".git./x", ".g\u200cit/x",
        "git~1/x", "GIT~1", ".git::$INDEX_ALLOCATION/x", "\uff0egit/x", "/etc/passwd", "../x",
        "a/../../x", "a//b", "./a", "a\\b", "a\nb", "C\0", "", "a" * 5_000,
    ],
    ids=ascii,
)  # fmt: skip
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(InvalidNameError):
        RepoPath(path)


@pytest.mark.parametrize("path", [".gitignore", ".github/x", "a b", "ä/ü", "-x", "a.git/x", "..a"])
def test_ordinary_paths_are_accepted(path: str) -> None:
    assert RepoPath(path) == path


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.git", "https://example.org:8443/a/b", "ssh://git@example.org/a",
        "ssh://git@example.org:22/a", "git@example.org:team/a.git",
    ],
)  # fmt: skip
def test_https_and_ssh_remotes_are_accepted_as_written(url: str) -> None:
    assert RemoteUrl.parse(url).text == url


@pytest.mark.parametrize(
    "url",
    [
        "", "-x", "--upload-pack=x", "ext::sh -c x", "fd::17", "http://example.org/a", "a/b",
        "git://example.org/a", "ftp://example.org/a", "https://user:secret@example.org/a",
        "https://user@example.org/a", "https://$HOME/a", "https://example.org/%0a", "https://a b/c",
        "https://example.org/a\n", "https://example.org/a?b", "https://example.org/a#b",
        "https://-x/a", "ssh://-oProxyCommand=x/a", "ssh://git@-oProxyCommand=x/a",
        "-oProxyCommand=x@host:a", "git@-x:a", "ssh://-x@example.org/a", "https:///a",
        "https://example.org/../a", "https://example.org", "ssh://a:b@example.org/x",
        "https://[::1]/a", "file:///tmp/x", "/tmp/x", "file://host/tmp/x", "https://example.org:0/a",
        "https://example.org:x/a", "git@example.org:../x", None, 1, "x" * 3_000,
    ],
    ids=lambda url: ascii(url)[:40],
)  # fmt: skip
def test_other_remotes_are_refused_without_showing_secrets(url: object) -> None:
    with pytest.raises(InvalidNameError) as caught:
        RemoteUrl.parse(url)
    assert "secret" not in str(caught.value)


def test_local_remotes_only_where_the_operator_allows_them(tmp_path: Path) -> None:
    inside, outside = tmp_path / "repos" / "a.git", tmp_path / "b.git"
    inside.mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "repos" / "link").symlink_to(outside)
    allowed = [tmp_path / "repos"]
    assert RemoteUrl.parse(str(inside), allow_local=allowed).is_local
    assert RemoteUrl.parse(f"file://{inside}", allow_local=allowed).text == str(inside)
    for path in (outside, tmp_path / "repos" / "link", f"{inside}/../../b.git"):
        with pytest.raises(InvalidNameError):
            RemoteUrl.parse(str(path), allow_local=allowed)
    assert RemoteUrl.parse(str(outside), allow_local=True).is_local


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(["branch", "base_branch", "target_branch", "name", "message", "node"]),
    value=st.sampled_from(HOSTILE) | st.text(max_size=40),
)
def test_no_text_in_a_request_gets_out_of_its_place(
    project: Project, tmp_path: Path, key: str, value: str
) -> None:
    """Whatever the text is: a clear refusal or an honest result, and never a file of its making."""
    before = set(tmp_path.iterdir())
    operation = {"name": "tag", "target_branch": "merge", "message": "merge"}.get(
        key, "checkout-branch"
    )
    params = {key: value} if key != "node" else {"branch": "feat/x"}
    if key == "base_branch":
        params["branch"] = "feat/x"
    request = {
        "operation": operation, "run": "fuzz", "node": value if key == "node" else "n",
        "attempt": 1, "params": params, "files": {"repo": str(project.remote)}, "may_push": True,
    }  # fmt: skip
    with contextlib.suppress(GitError):
        execute_git_operation(tmp_path / "state", request, allow_local=[tmp_path])
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "state"}
    assert not list(tmp_path.rglob("*pwned*"))
    assert not Path("pwned").exists()


def test_the_programs_that_a_user_configured_are_not_ours(
    project: Project, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "pwned"
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\tfsmonitor = touch {canary}\n\thooksPath = {tmp_path}\n")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, str(config))
    for name in ("GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, f"touch {canary}")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "alias.apply")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"!touch {canary}")
    hook = tmp_path / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    run.patches(new_file("a.txt"))
    run.does("diff")
    assert not canary.exists()


def test_a_mirror_is_private(mirror: Mirror) -> None:
    assert mirror.path.stat().st_mode & 0o777 == 0o700
    assert not (mirror.path / "hooks").exists()
