"""A revision's files go out, a patch comes back, and nothing a persona leaves there is started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import APP
from gitrepos import Project, Run, edit, git, write

from coordinator.gitx import (
    GitError,
    GitRefusedError,
    Mirror,
    RefName,
    RemoteUrl,
    Sha,
    Workspace,
    materialise,
)

CORPUS: dict[str, tuple[dict[str, str | bytes], dict[str, str | bytes | None]]] = {
    "edit": ({"a": "1\n2\n"}, {"a": "1\n3\n"}),
    "new": ({"a": "1\n"}, {"b/c": "1\n"}),
    "delete": ({"a": "1\n", "b": "2\n"}, {"a": None}),
    "rename": ({"a": "1\n" * 50, "b": ""}, {"a": None, "dir/new name": "1\n" * 50}),
    "rename and edit": ({"a": "1\n" * 50, "b": ""}, {"a": None, "c": "1\n" * 49 + "2\n"}),
    "binary": ({"a": bytes(range(256))}, {"a": bytes(range(255, -1, -1)), "b": b"\0" * 3000}),
    "crlf": ({"a": "1\r\n2\r\n"}, {"a": "1\r\n3\r\n", "b": "x\r\ny\n"}),
    "no newline at the end": ({"a": "1\n2"}, {"a": "1\n3", "b": "x"}),
    "newline added": ({"a": "1\n2"}, {"a": "1\n2\n"}),
    "empty file": ({"a": "1\n"}, {"b": "", "a": ""}),
    "latin-1": ({"a": "caf\xe9\n".encode("latin-1")}, {"a": "caf\xe9s\n".encode("latin-1")}),
    "utf-16": ({"a": "x\n".encode("utf-16")}, {"a": "y\n".encode("utf-16")}),
    "names": ({"a": ""}, {'q"uote': "1", "säure/ü": "2", " lead": "3", "-x": "4", "a b": "5"}),
    "file becomes folder": ({"a": "1\n"}, {"a": None, "a/b": "1\n"}),
    "attributes": (
        {".gitattributes": "*.t text eol=crlf\n*.u working-tree-encoding=UTF-16\n*.i ident\n",
         "x.t": "1\n", "x.u": "1\n".encode("utf-16"), "x.i": "$Id: 1 $\n"},
        {"x.t": "1\r\n2\n", "x.u": "2\n", "x.i": "$Id$ x\n"},
    ),
    "nothing": ({"a": "1\n"}, {}),
}  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Callable[..., Workspace]:
    """Materialise a revision, by default the tip of main, for a worker with its own cache."""

    def made(project: Project, revision: str = "", ref: str = "refs/heads/main") -> Workspace:
        sha, hint = Sha(revision or project.tip()), RefName(ref)
        folder = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        return materialise(project.url(), sha, folder, cache=tmp_path / "cache", ref=hint)

    return made


@pytest.mark.parametrize("case", CORPUS)
def test_a_change_of_any_kind_arrives_byte_for_byte(
    tmp_path: Path, out: Callable[..., Workspace], case: str
) -> None:
    before, change = CORPUS[case]
    project = Project.make(tmp_path, before)
    workspace = out(project)
    assert {n: (workspace.directory / n).read_bytes() for n in project.files()} == project.files()
    write(workspace.directory, {n: c for n, c in change.items() if c is None})
    write(workspace.directory, {n: c for n, c in change.items() if c is not None})
    wanted = {**project.files(), **{n: b"" if c is None else c for n, c in change.items()}}
    patch = workspace.changes()
    run = Run(Mirror.open(tmp_path / "state", project.url()))
    run.does("prepare")
    run.patches(patch, limits={"paths": ["**", ".gitattributes"]})
    assert project.files(run.files["revision"]) == {
        n: c.encode() if isinstance(c, str) else c
        for n, c in wanted.items()
        if change.get(n, c) is not None
    }


def test_the_mode_of_a_script_survives_both_ways(
    project: Project, out: Callable[..., Workspace], run: Run
) -> None:
    workspace = out(project)
    (workspace.directory / "app.py").chmod(0o755)
    assert run.patches(workspace.changes())["changed"] == ["app.py"]
    again = out(project, run.files["revision"], run.files["ref"])
    assert os.access(again.directory / "app.py", os.X_OK)
    assert again.changes() == ""


def test_ignored_files_and_the_leavings_of_tools_stay_out(
    tmp_path: Path, out: Callable[..., Workspace]
) -> None:
    project = Project.make(tmp_path, {".gitignore": "*.log\n", "a": "1\n"})
    workspace = out(project)
    write(workspace.directory, {"x.log": "x", "__pycache__/a.pyc": "x", "src/__pycache__/b": "x"})
    assert workspace.changes() == ""


def test_the_workspace_is_a_repository_that_tools_can_use(
    project: Project, out: Callable[..., Workspace]
) -> None:
    folder = out(project).directory
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "log", "--format=%s") == f"revision {project.tip()}"
    assert git(folder, "remote") == ""
    assert git(folder, "fsck", "--strict") == ""
    assert not (folder / ".git" / "hooks").exists()
    assert str(project.remote) not in "".join(
        path.read_text(errors="replace") for path in (folder / ".git").rglob("*") if path.is_file()
    )
    write(folder, {"app.py": "x\n"})
    git(folder, "commit", "-qam", "an agent commits as it likes")


def test_commits_of_an_agent_do_not_hide_its_changes(
    project: Project, out: Callable[..., Workspace]
) -> None:
    workspace = out(project)
    write(workspace.directory, {"app.py": "x\n"})
    git(workspace.directory, "commit", "-qam", "mine")
    assert "+x" in workspace.changes()


def test_changes_can_be_asked_for_again(project: Project, out: Callable[..., Workspace]) -> None:
    workspace = out(project)
    write(workspace.directory, {"app.py": "x\n", "new": "1\n"})
    first = workspace.changes()
    assert workspace.changes() == first
    write(workspace.directory, {"app.py": APP, "new": None})
    assert workspace.changes() == ""


def test_a_revision_is_found_by_its_ref_or_alone_or_not_at_all(
    project: Project, out: Callable[..., Workspace], run: Run
) -> None:
    run.patches(edit(APP, "x\n"))
    revision, ref = run.files["revision"], run.files["ref"]
    assert (out(project, revision, ref).directory / "app.py").read_text() == "x\n"
    run.patches(edit("x\n", "y\n"))
    assert (out(project, run.files["revision"], "refs/x/gone").directory / "app.py").exists()
    with pytest.raises(GitError):
        out(project, "0" * 39 + "1")


def test_a_folder_that_holds_something_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(GitRefusedError, match="not empty"):
        materialise(project.url(), Sha(project.tip()), project.clone, cache=tmp_path / "cache")
    assert (project.clone / "app.py").exists()


def test_remove_leaves_nothing(project: Project, out: Callable[..., Workspace]) -> None:
    workspace = out(project)
    (workspace.directory / "docs").chmod(0o500)
    workspace.remove()
    assert not workspace.directory.exists()
    assert not workspace.private.exists()


def test_what_is_too_large_is_refused(project: Project, out: Callable[..., Workspace]) -> None:
    workspace = out(project)
    write(workspace.directory, {"new": os.urandom(2_000)})
    with pytest.raises(GitRefusedError, match="larger than 1000"):
        workspace.changes(max_bytes=1_000)
    write(workspace.directory, {"new": None, "app.py": "\n".join(map(str, range(1_000)))})
    with pytest.raises(GitRefusedError, match="larger than 1000"):
        workspace.changes(max_bytes=1_000)


def test_a_nested_repository_is_refused_by_name_and_a_pipe_is_no_file(
    project: Project, out: Callable[..., Workspace]
) -> None:
    workspace = out(project)
    os.mkfifo(workspace.directory / "pipe")
    assert workspace.changes() == "", "git does not see a pipe, and does not wait for it"
    git(workspace.directory, "init", "-q", "nested")
    write(workspace.directory / "nested", {"x": "x"})
    git(workspace.directory / "nested", "add", "x")
    git(workspace.directory / "nested", "commit", "-qm", "x")
    with pytest.raises(GitRefusedError, match="nested"):
        workspace.changes()


def test_a_folder_replaced_by_a_link_leads_nowhere(
    project: Project, out: Callable[..., Workspace], tmp_path: Path, run: Run
) -> None:
    write(tmp_path, {"secret/guide.md": "the secret\n"})
    workspace = out(project)
    write(workspace.directory, {"docs/guide.md": None})
    (workspace.directory / "docs").rmdir()
    (workspace.directory / "docs").symlink_to(tmp_path / "secret")
    patch = workspace.changes()
    assert "the secret" not in patch
    with pytest.raises(GitRefusedError, match=r"docs \(a symbolic link\)"):
        run.patches(patch)


def test_a_workspace_replaced_by_a_link_is_refused(
    project: Project, out: Callable[..., Workspace], tmp_path: Path
) -> None:
    workspace = out(project)
    workspace.directory.rename(tmp_path / "moved")
    workspace.directory.symlink_to(project.clone)
    with pytest.raises(GitRefusedError, match="replaced"):
        workspace.changes()


def test_links_and_submodules_of_the_repository_stay_as_they_are(
    tmp_path: Path, out: Callable[..., Workspace], run: Run, project: Project
) -> None:
    (project.clone / "link").symlink_to("/etc/passwd")
    git(project.clone, "update-index", "--add", "--cacheinfo", f"160000,{project.tip()},sub")
    git(project.clone, "add", "link")
    git(project.clone, "commit", "-qm", "odd things")
    git(project.clone, "push", "-q", "origin", "main")
    workspace = out(project)
    assert (workspace.directory / "link").read_bytes() == b"/etc/passwd"
    assert not (workspace.directory / "link").is_symlink()
    write(workspace.directory, {"app.py": "x\n"})
    assert run.patches(workspace.changes())["changed"] == ["app.py"]


def test_a_malicious_workspace_runs_nothing(
    tmp_path: Path, project: Project, out: Callable[..., Workspace], run: Run
) -> None:
    """Everything in a repository by which git starts programs, wherever a persona can write."""
    canary = tmp_path / "pwned"
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    program.chmod(0o755)
    workspace = out(project)
    folder = workspace.directory
    attributes = "* filter=evil diff=evil merge=evil\n"
    config = "".join(
        f"[{section}]\n\t{key} = {program}\n"
        for section, key in (
            ("core", "fsmonitor"), ("core", "sshCommand"), ("core", "pager"), ("core", "editor"),
            ("core", "gitProxy"), ("core", "askPass"), ("gpg", "program"), ("diff", "external"),
            ('filter "evil"', "clean"), ('filter "evil"', "smudge"), ('filter "evil"', "process"),
            ('diff "evil"', "textconv"), ('diff "evil"', "command"), ('merge "evil"', "driver"),
            ("credential", "helper"), ("uploadpack", "packObjectsHook"), ('alias', "diff-index"),
        )
    )  # fmt: skip
    write(tmp_path, {"more": config})
    config += f"[core]\n\thooksPath = {tmp_path}/hooks\n[include]\n\tpath = {tmp_path}/more\n"
    for name in ("pre-commit", "post-index-change", "post-checkout", "reference-transaction"):
        for hooks in (tmp_path / "hooks", folder / ".git" / "hooks"):
            hooks.mkdir(exist_ok=True)
            (hooks / name).symlink_to(program)
    with (folder / ".git" / "config").open("a") as theirs:
        theirs.write(config)
    write(folder, {"app.py": "x\n", ".gitattributes": attributes, "src/new.py": "y\n",
                   ".git/info/attributes": attributes, ".gitconfig": config})  # fmt: skip
    assert subprocess.run(["git", "status"], cwd=folder, capture_output=True).returncode in {0, 128}
    assert canary.exists(), "this corpus must do harm where git is run on it as it is"
    canary.unlink()

    patch = workspace.changes()
    run.patches(patch, limits={"paths": ["**", ".gitattributes"]})
    project.colleague_pushes({"other": "x"})
    for operation in ("commit", "sync", "diff", "finalize"):
        run.does(operation)
    out(project, project.tip()).changes()
    workspace.remove()
    assert not canary.exists()
    assert "filter=evil" in patch


def test_a_git_directory_that_is_a_link_or_gone_changes_nothing(
    project: Project, out: Callable[..., Workspace], tmp_path: Path
) -> None:
    workspace = out(project)
    (workspace.directory / ".git").rename(tmp_path / "away")
    write(workspace.directory, {"app.py": "x\n"})
    assert "+x" in workspace.changes()
    (workspace.directory / ".git").symlink_to(project.clone / ".git")
    assert "+x" in workspace.changes()
    (workspace.directory / ".git").unlink()
    write(workspace.directory, {".git": f"gitdir: {project.clone}/.git\n"})
    assert "+x" in workspace.changes()


def test_a_local_remote_of_another_user_can_be_read(tmp_path: Path, project: Project) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    for path in [project.remote, *project.remote.rglob("*")]:
        os.chown(path, 12345, 12345)
    url = RemoteUrl.parse(str(project.remote), allow_local=True)
    folder = tmp_path / "w"
    assert materialise(url, _tip(project), folder, cache=tmp_path)


def _tip(project: Project) -> Sha:
    return Sha((project.remote / "refs" / "heads" / "main").read_text().strip())
