"""What a run may change, judged by the resulting difference and not by what was asked."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import APP
from gitrepos import Project, Run, edit, new_file

from coordinator.gitx import BranchName, ChangeLimits, GitRefusedError, Mirror, WorkRequest
from coordinator.gitx.limits import Change, check_branch, check_changes, check_integration

LINK = new_file("link", "/etc/passwd", mode="120000")
GITLINK = (
    "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n"
    f"+Subproject commit {'1' * 40}\n"
)


@pytest.mark.parametrize(
    ("diff", "why"),
    [
        (LINK, "symbolic link"),
        (GITLINK, "submodule"),
        (new_file(".github/workflows/ci.yml"), "protected"),
        (new_file(".GitHub/x"), "protected"),
        (new_file(".gitlab-ci.yml"), "protected"),
        (new_file(".gitmodules"), "protected"),
        (new_file("src/.gitattributes"), "protected"),
        (new_file("workflows/a.yml"), "protected"),
        (new_file("personas/a.yml"), "protected"),
        (new_file("hooks/pre-commit"), "protected"),
        (new_file(".git/config"), "not a git diff"),
        (new_file("x/.GIT/hooks/post-checkout"), "."),
        (new_file("git~1/config"), "."),
        (new_file("../outside"), "not a git diff"),
        (new_file("/etc/cron.d/x"), "."),
    ],
)
def test_what_nobody_may_change_is_refused_and_leaves_nothing(
    project: Project, run: Run, diff: str, why: str
) -> None:
    run.does("prepare")
    before = project.refs()
    with pytest.raises(GitRefusedError, match=why) as caught:
        run.patches(diff)
    assert caught.value.error_class == "refused"
    assert project.refs() == before


def test_a_rename_into_a_protected_place_is_refused(run: Run) -> None:
    with pytest.raises(GitRefusedError, match="protected"):
        run.patches("diff --git a/app.py b/.github/app.py\nsimilarity index 100%\n"
                    "rename from app.py\nrename to .github/app.py\n")  # fmt: skip


def test_a_step_that_names_a_protected_place_may_change_it(run: Run) -> None:
    limits = {"paths": [".github/workflows/*.yml"]}
    assert run.patches(new_file(".github/workflows/ci.yml"), limits=limits)["changed"]
    with pytest.raises(GitRefusedError, match="outside the paths"):
        run.patches(new_file(".github/other"), limits=limits)


def test_a_wildcard_does_not_name_a_protected_place() -> None:
    for glob in ("**", "*/*", ".g*/**", "*/.gitattributes/../x"):
        with pytest.raises(GitRefusedError):
            check_changes([added(".github/x")], ChangeLimits(paths=(glob,)))


def test_a_step_changes_only_its_paths(run: Run) -> None:
    with pytest.raises(GitRefusedError, match=r"app\.py \(outside the paths"):
        run.patches(edit(APP, "x\n") + new_file("docs/x"), limits={"paths": ["docs/**"]})
    assert run.patches(new_file("docs/a/x"), limits={"paths": ["docs/"]})["changed"]
    with pytest.raises(GitRefusedError, match="outside the paths"):
        run.does("finalize", limits={"paths": ["src/**"]})


def added(path: str, mode: str = "100644", size: int = 0) -> Change:
    return Change(path, "000000", mode, size)


@pytest.mark.parametrize(
    ("glob", "path", "covered"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "src2/a", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("**/test_*.py", "test_a.py", True),
        ("**/test_*.py", "a/b/test_a.py", True),
        ("src/", "src/x", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("(a+)+$", "a", False),
    ],
)
def test_globs(glob: str, path: str, covered: bool) -> None:
    limits = ChangeLimits(paths=(glob,))
    if covered:
        check_changes([added(path)], limits)
        check_integration([added(path)], limits)
    else:
        for check in (check_changes, check_integration):
            with pytest.raises(GitRefusedError):
                check([added(path)], limits)


def test_too_many_files_or_bytes_are_refused() -> None:
    limits = ChangeLimits()
    check_changes([added(f"f{n}") for n in range(500)], limits)
    with pytest.raises(GitRefusedError, match="501 files"):
        check_changes([added(f"f{n}") for n in range(501)], limits)
    with pytest.raises(GitRefusedError, match="10485761 bytes"):
        check_changes([added("big", size=10 * 2**20 + 1)], limits)


def test_a_link_may_be_removed_but_not_changed() -> None:
    check_changes([Change("l", "120000", "000000")], ChangeLimits())
    for change in (Change("l", "120000", "120000"), Change("l", "160000", "000000"),
                   Change("l", "100644", "100600")):  # fmt: skip
        with pytest.raises(GitRefusedError):
            check_integration([change], ChangeLimits())


@pytest.mark.parametrize(
    ("branches", "branch", "may"),
    [
        (None, "feat/mine", True),
        (None, "main", True),
        (None, "release", False),
        (("feat/*",), "feat/x", True),
        (("feat/*",), "main", False),
        (("feat/*",), "feat/x/y", False),
        ((), "feat/mine", False),
    ],
)
def test_branch_limits(branches: tuple[str, ...] | None, branch: str, may: bool) -> None:
    usual = [BranchName("feat/mine"), BranchName("main")]
    if may:
        check_branch(BranchName(branch), ChangeLimits(branches=branches), usual=usual)
    else:
        with pytest.raises(GitRefusedError, match=branch):
            check_branch(BranchName(branch), ChangeLimits(branches=branches), usual=usual)


@pytest.mark.parametrize(
    ("operation", "params", "limits"),
    [
        ("push", {"branch": "other"}, {}),
        ("push", {"branch": "main"}, {"branches": ["*"]}),
        ("push", {}, {"branches": ["release/*"]}),
        ("merge", {"target_branch": "release"}, {}),
        ("finalize", {"target_branch": "release"}, {"branches": ["feat/*"]}),
        ("finalize", {}, {"branches": ["feat/*"]}),
        ("rollback", {"target_branch": "release"}, {}),
        ("checkout-branch", {"branch": "wild"}, {"branches": ["feat/*"]}),
    ],
)
def test_no_branch_outside_the_limits_is_moved(
    project: Project, run: Run, operation: str, params: dict[str, Any], limits: dict[str, Any]
) -> None:
    project.colleague_pushes({"r": "r"}, branch="release")
    run.does("checkout-branch", params={"branch": "feat/a"})
    run.patches(new_file("a.txt"))
    before = project.refs()
    with pytest.raises(GitRefusedError):
        run.does(operation, params=params, limits=limits)
    assert project.refs() == before


GOOD: dict[str, Any] = {"operation": "commit", "run": "r1", "node": "a/b#1", "attempt": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "clone"},
        {"operation": ["commit"]},
        {"operation": None},
        {"run": "../x"},
        {"run": None},
        {"node": "a\nRun-Id: x"},
        {"node": ""},
        {"attempt": 0},
        {"attempt": True},
        {"attempt": "1"},
        {"may_push": "yes"},
        {"params": {"force": True}},
        {"params": {"message": 1}},
        {"params": ["x"]},
        {"files": {"branch": "-x"}},
        {"files": {"revision": "HEAD"}},
        {"files": {"hooks": "x"}},
        {"limits": {"paths": "src"}},
        {"limits": {"paths": [""]}},
        {"limits": {"branches": ["*" * 40]}},
        {"patch": {"base": "main", "diff": ""}},
        {"patch": {"base": "1" * 40, "diff": b""}},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"surprise": 1},
    ],
)
def test_a_request_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    WorkRequest.from_json(GOOD)
    with pytest.raises(GitRefusedError):
        WorkRequest.from_json({**GOOD, **wrong})


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(GitRefusedError):
        WorkRequest.from_json(value)


def test_unknown_strategies_and_missing_arguments_are_refused(mirror: Mirror, run: Run) -> None:
    for operation, params in (
        ("merge", {"strategy": "octopus"}), ("tag", {}), ("tag", {"name": "-d"}),
        ("checkout-branch", {}), ("apply-patch", {}), ("push", {"branch": "a..b"}),
    ):  # fmt: skip
        with pytest.raises(GitRefusedError):
            run.does(operation, params=params)
