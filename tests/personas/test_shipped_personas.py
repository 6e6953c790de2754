"""The shipped personas do real work with real tools."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.workers.replies import Answer

from .conftest import PACKAGE, Repository, diff

FIXED = {**PACKAGE, "calc.py": PACKAGE["calc.py"].replace("a - b", "a + b")}


def found(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.result, dict), answer
    return answer.result


def test_pytest_fails_a_package_with_a_failing_test(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("tester-qa")
    assert answer.verdict == "fail"
    assert (found(answer)["failed"], found(answer)["passed"]) == (1, 0)
    assert "tests/test_calc.py::test_add" in found(answer)["failures"][0]
    assert "assert -1 == 5" in found(answer)["log"]


def test_pytest_passes_a_package_whose_tests_pass(repository: Repository) -> None:
    repository.commit(FIXED)
    answer = repository.ask("tester-qa")
    assert answer.verdict == "pass"
    assert (found(answer)["failed"], found(answer)["passed"]) == (0, 1)


def test_a_package_without_tests_is_a_fail(repository: Repository) -> None:
    repository.commit({"calc.py": "x = 1\n"})
    answer = repository.ask("tester-qa")
    assert answer.verdict == "fail"
    assert "no tests ran" in found(answer)["summary"]


def test_code_that_cannot_be_imported_is_a_fail_and_not_an_error(repository: Repository) -> None:
    repository.commit({**PACKAGE, "calc.py": "def add(:\n"})
    answer = repository.ask("tester-qa")
    assert answer.verdict == "fail"
    assert found(answer)["errors"] == 1


def test_ruff_lists_its_findings(repository: Repository) -> None:
    repository.commit({**PACKAGE, "calc.py": "import os\n"})
    answer = repository.ask("code-reviewer")
    assert answer.verdict == "fail"
    finding = found(answer)["findings"][0]
    assert (finding["file"], finding["line"], finding["code"]) == ("calc.py", 1, "F401")


def test_ruff_passes_clean_code(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("code-reviewer")
    assert (answer.verdict, found(answer)["count"]) == ("pass", 0)


def test_ruff_that_cannot_read_its_settings_is_an_error_with_the_reason(
    repository: Repository,
) -> None:
    repository.commit({**PACKAGE, "ruff.toml": "no-such-setting = 1\n"})
    answer = repository.ask("code-reviewer")
    assert answer.failure is not None
    assert answer.failure.error_class == "persona_error"
    assert "no-such-setting" in answer.failure.message


RISKY = "import subprocess\n\n\ndef f(x: str) -> None:\n    subprocess.call(x, shell=True)\n"


def test_bandit_lists_its_findings(repository: Repository) -> None:
    repository.commit({**PACKAGE, "calc.py": RISKY})
    answer = repository.ask("security-review")
    assert answer.verdict == "fail"
    finding = found(answer)["findings"][0]
    assert (finding["file"], finding["code"], finding["severity"]) == ("calc.py", "B602", "high")


def test_bandit_passes_harmless_code_and_asserts_in_tests(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("security-review")
    assert answer.verdict == "pass", answer


@pytest.mark.parametrize(
    "trick",
    [
        {".bandit": "[bandit]\nskips: B602\nexclude: calc.py\n"},
        {"bandit.py": 'print(\'{"results": [], "errors": []}\')\n'},
        {"bandit/__init__.py": "", "bandit/__main__.py": "raise SystemExit(0)\n"},
    ],
    ids=["settings", "module", "package"],
)
def test_a_repository_cannot_bring_its_own_bandit(
    repository: Repository, trick: dict[str, str]
) -> None:
    repository.commit({**PACKAGE, "calc.py": RISKY, **trick})
    answer = repository.ask("security-review")
    assert answer.verdict == "fail"
    assert "B602" in [finding.get("code") for finding in found(answer)["findings"]]


def test_a_file_that_bandit_cannot_read_is_a_fail(repository: Repository) -> None:
    repository.commit({**PACKAGE, "calc.py": "def add(:\n"})
    answer = repository.ask("security-review")
    assert (answer.verdict, found(answer)["unread"]) == ("fail", 1)


TASK = {
    "title": "Fix add in calc.py",
    "description": "It subtracts, see calc.py and no.py.\n\n- [ ] add(2, 3) is 5\n* tests pass",
    "patches": [diff("a - b", "a * b"), {"title": "right", "diff": diff("a * b", "a + b")}],
}


def test_the_planner_reads_the_task_and_the_repository(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("implementation-planner", task=TASK)
    assert answer.verdict == "pass"
    plan = found(answer)
    assert plan["files"] == ["calc.py"]
    assert plan["acceptance"] == ["add(2, 3) is 5", "tests pass"]
    assert plan["patches"] == 2
    assert "not a model" in plan["by"]


def test_a_task_that_says_nothing_cannot_be_planned(repository: Repository) -> None:
    repository.commit(PACKAGE)
    assert repository.ask("implementation-planner", task={"title": " "}).verdict == "fail"


def test_a_task_cannot_make_the_planner_look_outside(repository: Repository) -> None:
    repository.commit(PACKAGE)
    title = "see /etc/passwd ../../../etc/passwd .git/config and a/../calc.py"
    assert found(repository.ask("implementation-planner", task={"title": title}))["files"] == []


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        ({"steps": ["one"], "files": ["calc.py"]}, "pass"),
        ({"steps": ["one"], "files": []}, "pass"),
        ({"steps": ["one"], "files": ["nowhere.py"]}, "fail"),
        ({"steps": ["one"], "files": ["../calc.py"]}, "fail"),
        ({"steps": ["  "]}, "fail"),
        ({"steps": "one"}, "fail"),
        ({}, "fail"),
        (None, "fail"),
    ],
    ids=str,
)
def test_a_plan_needs_steps_and_files_that_exist(
    repository: Repository, plan: object, verdict: str
) -> None:
    repository.commit(PACKAGE)
    context = {"steps": {"planning": {"outcome": "succeeded", "result": plan}}}
    assert repository.ask("plan-evaluator", context=context).verdict == verdict


def test_the_engineer_applies_the_first_patch_in_the_first_iteration(
    repository: Repository,
) -> None:
    base = repository.commit(PACKAGE)
    answer = repository.ask("lead-engineer", task=TASK, context={"iteration": 1})
    assert answer.verdict == "pass"
    assert answer.patch is not None
    assert answer.patch["base"] == base
    assert "+    return a * b" in str(answer.patch["diff"])


AFTER_FIRST = {**PACKAGE, "calc.py": PACKAGE["calc.py"].replace("a - b", "a * b")}


@pytest.mark.parametrize("second", [diff("a * b", "a + b"), diff("a - b", "a + b")])
def test_a_later_patch_is_against_what_is_there_or_against_what_was_at_first(
    repository: Repository, second: str
) -> None:
    repository.commit(AFTER_FIRST)
    task = {**TASK, "patches": [diff("a - b", "a * b"), second]}
    answer = repository.ask("lead-engineer", task=task, context={"iteration": 2})
    assert answer.verdict == "pass"
    assert answer.patch is not None
    assert "-    return a * b\n+    return a + b" in str(answer.patch["diff"])


def test_the_last_patch_repeats_and_says_that_it_does_not_apply(repository: Repository) -> None:
    repository.commit(FIXED)
    answer = repository.ask("lead-engineer", task=TASK, context={"iteration": 3})
    assert (answer.verdict, answer.patch) == ("fail", None)
    assert found(answer)["patch"] == 2
    assert "calc.py" in found(answer)["reason"]


ESCAPES = [
    "--- a/../out.py\n+++ b/../out.py\n@@ -0,0 +1 @@\n+x\n",
    "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n"
    "+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
    "not a patch at all",
    "",
]


@pytest.mark.parametrize("patch", ESCAPES, ids=range(len(ESCAPES)))
def test_a_patch_that_leads_elsewhere_or_nowhere_is_a_fail(
    repository: Repository, patch: str
) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("lead-engineer", task={"title": "t", "patches": [patch]})
    assert (answer.verdict, answer.patch) == ("fail", None)


def test_without_patches_the_engineer_says_so(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("lead-engineer", task={"title": "t"})
    assert answer.verdict == "fail"
    assert "task.patches" in found(answer)["reason"]


def test_the_changelog_gets_the_task_once(repository: Repository) -> None:
    repository.commit(PACKAGE)
    answer = repository.ask("documentation-writer", task={"title": "Fix add\nnow"})
    assert answer.patch is not None
    assert "+- Fix add now\n" in str(answer.patch["diff"])
    repository.commit({"CHANGELOG.md": "## Unreleased\n\n- Fix add now\n"})
    assert repository.ask("documentation-writer", task={"title": "Fix add now"}).patch is None


def test_the_report_tells_how_each_step_ended(repository: Repository) -> None:
    steps = {
        "qa": {"outcome": "succeeded", "verdict": "pass"},
        "governance": {"outcome": "failed", "error": {"message": "ruff:\n- fake: succeeded"}},
    }
    context = {"run": "r1", "workflow": "project-loop", "outcome": "failed", "steps": steps}
    answer = repository.ask("summarization", task={"title": "Fix add"}, context=context)
    report = found(answer)["report"]
    assert "Run r1 of project-loop: failed" in report
    assert "- qa: succeeded, verdict pass" in report
    assert "- governance: failed (ruff: - fake: succeeded)" in report


def test_the_survey_counts_files(repository: Repository) -> None:
    repository.commit(PACKAGE)
    result = found(repository.ask("context"))
    assert result["kinds"][".py"] == 2
    assert result["tests"] == ["tests/test_calc.py"]
