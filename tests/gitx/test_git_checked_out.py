from __future__ import annotations

from pathlib import Path

import pytest
from gitrepos import Project, Run, edit, git

from coordinator.gitx import GitRefusedError, Mirror, RemoteUrl

MERGES = {"merges": True}


@pytest.fixture
def clone(project: Project) -> Path:
    """A repository with files, on its default branch."""
    return project.clone


def _run(clone: Path, state: Path, *, may_push: bool = True) -> Run:
    url = RemoteUrl.parse(str(clone), allow_local=[clone.parent])
    return Run(Mirror.open(state, url), may_push=may_push)


def test_a_run_that_will_merge_into_a_checked_out_branch_is_refused_at_once(
    clone: Path, tmp_path: Path
) -> None:
    run = _run(clone, tmp_path / "state")
    with pytest.raises(GitRefusedError, match=r"main is checked out in .*clone") as refused:
        run.does("prepare", params=MERGES)
    for cure in ("git clone --bare", "check out another branch", "--no-push"):
        assert cure in str(refused.value)
    assert git(clone, "for-each-ref", "refs/coordinator") == ""


def test_so_it_is_in_a_linked_work_tree(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    run = _run(tmp_path / "tree", tmp_path / "state")
    with pytest.raises(GitRefusedError, match="side is checked out"):
        run.does("prepare", params=MERGES)


def test_who_merges_nothing_or_may_not_push_works_on_it(clone: Path, tmp_path: Path) -> None:
    assert _run(clone, tmp_path / "one").does("prepare")["revision"]
    held = _run(clone, tmp_path / "two", may_push=False)
    assert held.does("prepare", params=MERGES)["revision"]


def test_another_base_branch_is_merged_into(clone: Path, tmp_path: Path) -> None:
    git(clone, "branch", "release")
    run = _run(clone, tmp_path / "state")
    run.files = {"base_branch": "release"}
    run.does("prepare", params=MERGES)
    _finalizes(run)
    assert git(clone, "show", "release:app.py") == "uno"


@pytest.mark.parametrize(
    "setting", [("core.bare", "true"), ("receive.denyCurrentBranch", "updateInstead")]
)
def test_what_accepts_pushes_is_not_refused(
    setting: tuple[str, str], clone: Path, tmp_path: Path
) -> None:
    git(clone, "config", *setting)
    run = _run(clone, tmp_path / "state")
    run.does("prepare", params=MERGES)
    _finalizes(run)
    assert git(clone, "show", "main:app.py") == "uno"


def test_a_bare_repository_is_not_refused(run: Run) -> None:
    assert run.does("prepare", params=MERGES)["revision"]


@pytest.mark.parametrize("files", [{}, {"base_branch": "main"}])
def test_a_run_without_a_repository_is_told_where_to_name_one(
    files: dict[str, str], tmp_path: Path
) -> None:
    nowhere = Run(Mirror.open(tmp_path / "state", None))
    with pytest.raises(GitRefusedError, match="names no repository; submit it with --repo"):
        nowhere.does("commit", files=files)


def _finalizes(run: Run) -> None:
    patch = {"base": run.files["revision"], "diff": edit("one\ntwo\nthree\n", "uno\n")}
    run.does("apply-patch", patch=patch)
    run.does("finalize")
