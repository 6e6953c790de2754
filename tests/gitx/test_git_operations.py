"""Each operation, and each of them twice: the second time from the mirror of another daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import APP
from gitrepos import RUN, Project, Run, edit, git, new_file

from coordinator.gitx import GitConflictError, GitRefusedError, GitTransientError, Mirror

RUN_REF = f"refs/coordinator/runs/{RUN}"


def test_prepare_starts_the_run_at_the_default_branch_of_the_remote(
    project: Project, run: Run
) -> None:
    result = run.does("prepare")
    assert result["base_branch"] == "main"
    assert run.files["ref"] == RUN_REF
    assert run.files["revision"] == run.files["base_revision"] == project.tip()
    assert project.refs()[RUN_REF] == project.tip()


def test_a_run_ref_that_exists_wins_over_a_newer_base(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.does("prepare")
    start = project.tip()
    project.colleague_pushes({"new.txt": "x"})
    assert run.again(other_mirror)["already_done"]
    assert project.refs()[RUN_REF] == start


def test_the_first_operation_prepares_by_itself(project: Project, run: Run) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    assert project.refs()[RUN_REF] == project.tip()
    assert run.files["branch"] == "feat/a"
    assert not project.has("refs/heads/feat/a")


def test_checkout_branch_can_start_from_another_base(project: Project, run: Run) -> None:
    other = project.colleague_pushes({"x": "x"}, branch="release")
    run.does("prepare")
    run.does("checkout-branch", params={"branch": "feat/a", "base_branch": "release"})
    assert (run.files["base_branch"], run.files["revision"]) == ("release", other)
    assert run.again()["revision"] == other


@pytest.mark.parametrize("branch", ["main", "theirs"])
def test_checkout_branch_refuses_a_branch_that_is_not_the_runs(
    project: Project, run: Run, branch: str
) -> None:
    project.colleague_pushes({"x": "x"}, branch="theirs")
    with pytest.raises(GitRefusedError, match=branch):
        run.does("checkout-branch", params={"branch": branch})


def test_checkout_branch_goes_on_with_a_branch_when_asked_to(project: Project, run: Run) -> None:
    theirs = project.colleague_pushes({"x": "x"}, branch="theirs")
    run.does("checkout-branch", params={"branch": "theirs", "continue_existing": True})
    assert run.files["revision"] == theirs
    run.patches(new_file("y.txt"))
    run.does("push")
    assert project.tip("theirs") == run.files["revision"]


def test_what_others_did_on_a_continued_branch_is_never_lost(project: Project, run: Run) -> None:
    theirs = project.colleague_pushes({"x": "x"}, branch="theirs")
    run.does("checkout-branch", params={"branch": "theirs", "continue_existing": True})
    assert run.again()["revision"] == theirs
    run.patches(new_file("y.txt"))
    run.does("push")
    project.colleague_pushes({"z": "z"})
    for operation, params in (("rebase", {}), ("finalize", {"merge_strategy": "rebase"})):
        with pytest.raises(GitRefusedError, match="commits of others"):
            run.does(operation, params=params)
    run.does("sync")
    run.does("push")
    assert set(project.files("refs/heads/theirs")) >= {"x", "y.txt", "z"}
    run.does("release")
    assert project.tip("theirs") == theirs
    assert not project.has(RUN_REF)


def test_push_without_changes_makes_no_branch(project: Project, run: Run) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    assert run.does("push")["pushed"] is False
    assert not project.has("refs/heads/feat/a")


def test_a_patch_becomes_a_commit_with_the_runs_trailers(project: Project, run: Run) -> None:
    result = run.patches(edit(APP, "one\n2\nthree\n"))
    assert result["changed"] == ["app.py"]
    body = git(project.remote, "log", "-1", "--format=%an <%ae>%n%B", RUN_REF)
    assert body.splitlines() == [
        "coordinator <coordinator@localhost>", "apply-patch of the fix", "", f"Run-Id: {RUN}",
        "Node: apply-patch-2", "Attempt: 1", "Operation: apply-patch",
    ]  # fmt: skip
    assert project.files(RUN_REF)["app.py"] == b"one\n2\nthree\n"


def test_a_message_cannot_forge_trailers(project: Project, run: Run) -> None:
    run.patches(new_file("a.txt"), params={"message": "x\n\nRun-Id: evil\nNode: n\nAttempt: 9"})
    assert run.again()["already_done"]
    assert run.does("commit", params={"message": "all"})["changed"] == ["a.txt"]


def test_patches_made_against_the_same_revision_are_merged(project: Project, run: Run) -> None:
    run.does("prepare")
    base = run.files["revision"]
    run.patches(edit(APP, "ONE\ntwo\nthree\n"), base=base)
    run.patches(new_file("new.txt"), base=base)
    assert set(project.files(RUN_REF)) == {"app.py", "docs/guide.md", "new.txt"}
    assert project.files(RUN_REF)["app.py"] == b"ONE\ntwo\nthree\n"


def test_patches_that_disagree_are_a_conflict_that_names_the_files(
    project: Project, run: Run
) -> None:
    run.does("prepare")
    base = run.files["revision"]
    run.patches(edit(APP, "ONE\ntwo\nthree\n"), base=base)
    before = project.refs()
    with pytest.raises(GitConflictError, match=r"app\.py") as caught:
        run.patches(edit(APP, "uno\ntwo\nthree\n"), base=base)
    assert caught.value.files == ("app.py",)
    assert caught.value.error_class == "step_error"
    assert project.refs() == before


def test_a_patch_against_other_content_names_the_file(run: Run) -> None:
    with pytest.raises(GitConflictError) as caught:
        run.patches(edit("something\nelse\n", "x\n"))
    assert caught.value.files == ("app.py",)


def test_a_patch_against_a_squashed_revision_still_applies_elsewhere(
    run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    base = run.files["revision"]
    run.does("commit", params={"message": "a"})
    run.mirror = other_mirror
    assert run.patches(new_file("b.txt"), base=base)["changed"] == ["b.txt"]


@pytest.mark.parametrize("diff", ["rubbish", "diff --git a/x b/x\n", edit(APP, "x\n")[:60]])
def test_what_is_no_git_diff_is_refused(run: Run, diff: str) -> None:
    with pytest.raises(GitRefusedError, match="not a git diff"):
        run.patches(diff)


def test_commit_makes_one_commit_of_the_patches_since_the_last(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    run.patches(new_file("b.txt"))
    first = run.does("commit", params={"message": "feat: a and b"})
    assert first["changed"] == ["a.txt", "b.txt"]
    again = run.again(other_mirror)
    assert again == {**first, "already_done": True}
    run.patches(new_file("c.txt"))
    run.does("commit", params={"message": "feat: c"})
    subjects = git(project.remote, "log", "--format=%s", f"{project.tip()}..{RUN_REF}")
    assert subjects.splitlines() == ["feat: c", "feat: a and b"]


def test_commit_without_changes_does_nothing(project: Project, run: Run) -> None:
    run.does("prepare")
    assert run.does("commit")["already_done"]
    assert project.refs()[RUN_REF] == project.tip()


def test_a_late_repeat_of_a_squashed_patch_changes_nothing(project: Project, run: Run) -> None:
    run.patches(new_file("a.txt"))
    late = run.last
    run.does("commit")
    run.patches("diff --git a/a.txt b/a.txt\ndeleted file mode 100644\n--- a/a.txt\n"
                "+++ /dev/null\n@@ -1 +0,0 @@\n-new\n")  # fmt: skip
    before = project.refs()
    run.last = late
    assert run.again()["already_done"]
    assert project.refs() == before


def test_push_shows_the_revision_under_the_work_branch(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    first = run.does("push")
    assert first["pushed"]
    assert project.tip("feat/a") == run.files["revision"]
    assert run.again(other_mirror) == {**first, "already_done": True}
    run.does("commit", params={"message": "squashed, so no longer a fast-forward"})
    run.does("push")
    assert project.tip("feat/a") == run.files["revision"]


def test_push_never_overwrites_the_work_of_others(project: Project, run: Run) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("push")
    theirs = project.colleague_pushes({"x": "x"}, branch="feat/a")
    run.patches(new_file("b.txt"))
    with pytest.raises(GitRefusedError, match="commits of others"):
        run.does("push")
    assert project.tip("feat/a") == theirs


@pytest.mark.parametrize(
    ("operation", "params", "commits"),
    [
        ("finalize", {}, 1),
        ("finalize", {"merge_strategy": "squash"}, 1),
        ("finalize", {"merge_strategy": "merge_commit"}, 3),
        ("finalize", {"merge_strategy": "rebase"}, 2),
        ("merge", {}, 3),
        ("merge", {"strategy": "squash"}, 1),
        ("merge", {"strategy": "rebase"}, 2),
        ("merge", {"strategy": "fast-forward"}, 2),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_merging_brings_the_run_to_the_target_once(
    project: Project, run: Run, other_mirror: Mirror, operation: str, params: dict[str, Any],
    commits: int, moved: bool,
) -> None:  # fmt: skip
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("commit", params={"message": "a"})
    run.patches(edit(APP, "one\n2\nthree\n"))
    run.does("push")
    if moved and params.get("strategy") != "fast-forward":
        project.colleague_pushes({"colleague.txt": "x\n"})
    before = project.tip()
    first = run.does(operation, params=params)
    assert (first["merged"], first["pushed"], first["changed"]) == (True, True, ["a.txt", "app.py"])
    assert first["commit"] == project.tip() == run.files["revision"]
    assert {"a.txt", "app.py"} <= set(project.files())
    assert ("colleague.txt" in project.files()) == (moved and "fast-forward" not in params.values())
    assert git(project.remote, "rev-list", "--count", f"{before}..main") == str(commits)
    assert project.has("refs/heads/feat/a") == (operation == "merge")
    after = project.refs()
    assert run.again(other_mirror) == {**first, "already_done": True}
    assert project.refs() == after


def test_a_merge_that_conflicts_names_the_files_and_changes_nothing(
    project: Project, run: Run
) -> None:
    run.patches(edit(APP, "one\n2\nthree\n"))
    project.colleague_pushes({"app.py": "one\nzwei\nthree\n"})
    before = project.refs()
    for operation in ("finalize", "merge", "sync", "rebase"):
        with pytest.raises(GitConflictError) as caught:
            run.does(operation)
        assert caught.value.files == ("app.py",)
    assert project.refs() == before


def test_fast_forward_refuses_when_the_target_moved(project: Project, run: Run) -> None:
    run.patches(new_file("a.txt"))
    project.colleague_pushes({"x": "x"})
    with pytest.raises(GitRefusedError, match="moved on"):
        run.does("merge", params={"strategy": "fast-forward"})


def test_a_run_can_merge_go_on_and_merge_again(project: Project, run: Run) -> None:
    run.patches(new_file("a.txt"))
    run.does("merge", params={"strategy": "squash"})
    run.patches(edit("new\n", "newer\n", "a.txt"))
    project.colleague_pushes({"x.txt": "x"})
    run.does("merge", params={"strategy": "squash"})
    assert project.files()["a.txt"] == b"newer\n"
    assert "x.txt" in project.files()


def test_a_run_without_changes_has_nothing_to_merge(project: Project, run: Run) -> None:
    run.does("prepare")
    before = project.refs()
    result = run.does("finalize")
    assert (result["merged"], result["changed"]) == (False, [])
    assert project.refs() == before


def test_a_retry_as_another_attempt_finds_the_merge_done(project: Project, run: Run) -> None:
    """The reply of attempt 1 was lost after its push."""
    run.patches(new_file("a.txt"))
    first = run.does("finalize")
    run.last = {**run.last, "attempt": 2}
    assert run.again() == {**first, "already_done": True}


def test_without_permission_to_push_only_the_runs_ref_moves(
    project: Project, mirror: Mirror
) -> None:
    run = Run(mirror, may_push=False)
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    before = {name: sha for name, sha in project.refs().items() if name != RUN_REF}
    for operation, params in (
        ("push", {}), ("tag", {"name": "v1"}), ("rollback", {}), ("merge", {}), ("finalize", {}),
    ):  # fmt: skip
        assert run.does(operation, params=params)["pushed"] is False
        assert run.again()["pushed"] is False
    assert {name: sha for name, sha in project.refs().items() if name != RUN_REF} == before


def test_what_was_merged_without_permission_can_be_pushed_by_a_step_that_may(
    project: Project, mirror: Mirror
) -> None:
    run = Run(mirror, may_push=False)
    run.patches(new_file("a.txt"))
    run.does("merge")
    run.may_push = True
    assert run.does("finalize")["pushed"]
    assert "a.txt" in project.files()


def test_rebase_puts_the_runs_commits_on_the_newest_base(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    run.patches(new_file("b.txt"))
    newest = project.colleague_pushes({"x.txt": "x"})
    first = run.does("rebase")
    assert run.files["base_revision"] == newest
    assert git(project.remote, "rev-list", "--count", f"{newest}..{RUN_REF}") == "2"
    assert run.again(other_mirror) == {**first, "already_done": True}


def test_rebase_and_sync_without_changes_follow_the_base(project: Project, run: Run) -> None:
    for operation in ("rebase", "sync"):
        run.does("prepare")
        newest = project.colleague_pushes({f"{operation}.txt": "x"})
        run.does(operation)
        assert run.files["revision"] == newest
        assert run.again()["already_done"]


def test_sync_merges_what_is_new_in_the_base(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    newest = project.colleague_pushes({"x.txt": "x"})
    first = run.does("sync")
    assert (first["changed"], run.files["base_revision"]) == (["x.txt"], newest)
    assert run.again(other_mirror) == {**first, "already_done": True}
    run.patches(new_file("b.txt"))
    assert run.does("commit")["changed"] == ["b.txt"]
    assert run.does("finalize")["changed"] == ["a.txt", "b.txt"]


def test_tag_marks_the_revision_with_an_annotated_tag(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    run.does("finalize")
    first = run.does("tag", params={"name": "v1.2.0", "message": "the release"})
    assert git(project.remote, "rev-parse", "v1.2.0^{commit}") == project.tip()
    assert "the release" in git(project.remote, "cat-file", "tag", "v1.2.0")
    assert run.again(other_mirror) == {**first, "already_done": True}
    run.patches(new_file("b.txt"))
    with pytest.raises(GitRefusedError, match="already exists"):
        run.does("tag", params={"name": "v1.2.0"})


def test_diff_shows_the_patch_the_files_and_the_counts(run: Run) -> None:
    run.patches(edit(APP, "one\n2\nthree\n"))
    run.patches(new_file("a.txt"))
    result = run.does("diff")
    assert result["changed"] == ["a.txt", "app.py"]
    assert (result["insertions"], result["deletions"], result["truncated"]) == (2, 1, False)
    assert "+++ b/a.txt" in result["patch"]
    cut = run.does("diff", params={"max_bytes": 10})
    assert (len(cut["patch"]), cut["truncated"]) == (10, True)


@pytest.mark.parametrize("strategy", ["squash", "merge", "rebase", "fast-forward"])
def test_rollback_undoes_what_the_run_merged_and_nothing_else(
    project: Project, run: Run, other_mirror: Mirror, strategy: str
) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.patches(edit(APP, "one\n2\nthree\n"))
    run.does("push")
    run.does("merge", params={"strategy": strategy})
    project.colleague_pushes({"x.txt": "x"})
    first = run.does("rollback")
    assert first["pushed"]
    files = project.files()
    assert (set(files), files["app.py"]) == ({"app.py", "docs/guide.md", "x.txt"}, APP.encode())
    assert not project.has("refs/heads/feat/a")
    after = project.refs()
    assert run.again(other_mirror)["already_done"]
    assert run.does("rollback")["rolled_back"] == []
    assert project.refs() == after


def test_release_leaves_nothing_of_an_unsuccessful_run(
    project: Project, run: Run, mirror: Mirror, other_mirror: Mirror
) -> None:
    before = project.refs()
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("push")
    run.does("release")
    assert project.refs() == before
    assert git(mirror.path, "rev-parse", RUN_REF) == run.files["revision"]
    assert run.again(other_mirror)["already_done"]
    assert project.refs() == before


def test_release_after_success_keeps_the_branch(project: Project, run: Run) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("push")
    run.does("release", params={"succeeded": True})
    assert project.has("refs/heads/feat/a")
    assert not project.has(RUN_REF)


def test_after_the_release_a_late_repeat_does_not_revive_the_run(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.patches(new_file("a.txt"))
    patch = run.last
    first = run.does("finalize")
    finalize = run.last
    run.does("release", params={"succeeded": True})
    before = project.refs()
    run.last = finalize
    assert run.again(other_mirror) == {**first, "already_done": True}
    run.last = patch
    with pytest.raises(GitRefusedError, match="no longer in the repository"):
        run.again(other_mirror)
    assert project.refs() == before


def test_a_repository_without_a_remote_lives_in_the_mirror(
    project: Project, tmp_path: Path
) -> None:
    mirror = Mirror.open(tmp_path / "alone", None)
    git(mirror.path, "fetch", "-q", str(project.remote), "main:main")
    run = Run(mirror)
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("push")
    first = run.does("finalize")
    assert run.again() == {**first, "already_done": True}
    assert git(mirror.path, "ls-tree", "--name-only", "main", "a.txt") == "a.txt"
    run.does("release")


def test_a_remote_without_atomic_pushes_is_pushed_ref_by_ref(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    git(project.remote, "config", "receive.advertiseAtomic", "false")
    run.patches(new_file("a.txt"))
    before = run.files["revision"]
    first = run.does("finalize")
    git(project.remote, "update-ref", RUN_REF, before)
    assert run.again(other_mirror) == {**first, "already_done": True}
    assert project.refs()[RUN_REF] == project.tip() == first["commit"]


def test_a_branch_that_turned_into_a_folder_of_branches_is_no_obstacle(
    project: Project, run: Run
) -> None:
    project.colleague_pushes({"x": "x"}, branch="release")
    run.does("prepare", files={"base_branch": "release"})
    git(project.remote, "update-ref", "-d", "refs/heads/release")
    git(project.clone, "checkout", "-q", "--detach")
    git(project.clone, "branch", "-q", "-D", "release")
    git(project.clone, "update-ref", "-d", "refs/remotes/origin/release")
    project.colleague_pushes({"x": "y"}, branch="release/2")
    Run(run.mirror, run="another").does("prepare", files={"base_branch": "release/2"})


def test_a_missing_branch_or_repository_is_said_clearly(tmp_path: Path, run: Run) -> None:
    with pytest.raises(GitRefusedError, match="no branch nope"):
        run.does("prepare", files={"base_branch": "nope"})


def test_a_remote_that_declines_is_refused_and_not_retried(project: Project, run: Run) -> None:
    hook = project.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho main is protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitRefusedError, match="main is protected") as caught:
        run.does("prepare")
    assert not isinstance(caught.value, GitTransientError)


def test_a_run_that_goes_on_after_its_end_has_its_files_and_its_branch_again(
    project: Project, run: Run
) -> None:
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    run.does("push")
    revision = run.files["revision"]
    run.does("release")
    project.colleague_pushes({"b.txt": "b"})
    run.does("prepare", attempt=2)
    assert project.refs()[RUN_REF] == project.tip("feat/a") == revision
    run.does("finalize", attempt=2)
    assert {"a.txt", "b.txt"} <= set(project.files())


def test_a_run_whose_files_are_gone_from_everywhere_cannot_go_on(
    project: Project, run: Run, other_mirror: Mirror
) -> None:
    run.does("prepare")
    run.patches(new_file("a.txt"))
    run.does("release")
    git(project.remote, "gc", "--quiet", "--prune=now")
    run.mirror = other_mirror
    with pytest.raises(GitRefusedError, match="no longer in the repository, nor in the mirror"):
        run.does("prepare", attempt=2)
    assert not project.has(RUN_REF)
