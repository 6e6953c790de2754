"""What intake makes of a task, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.tasks import (
    TaskError,
    detect_scope,
    detect_type,
    normalise_task,
    shown_title,
    slug_of,
    status_of,
)

ALWAYS = {
    "id", "type", "title", "slug", "description", "labels", "repo", "branch", "scope", "status"
}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"title": "URGENT: login is down"}, "hotfix"),
        ({"title": "Critical bug in a new feature"}, "hotfix"),
        ({"description": "an emergency"}, "hotfix"),
        ({"labels": ["hotfix"], "title": "a feature"}, "hotfix"),
        ({"title": "Feature: dark mode"}, "feature"),
        ({"title": "enhancement of the parser"}, "feature"),
        ({"title": "Subscription renewal fails with an error"}, "feature"),
        ({"title": "Review the design"}, "analysis"),
        ({"title": "understand the bug"}, "analysis"),
        ({"title": "Document the API"}, "analysis"),
        ({"title": "Parser bug"}, "bugfix"),
        ({"title": "Fix the parser"}, "bugfix"),
        ({"title": "an issue", "labels": []}, "bugfix"),
        ({"title": "wrong output", "details": "raises an Error"}, "bugfix"),
        ({"title": "wrong output", "labels": [{"name": "bug"}]}, "bugfix"),
        ({"title": "wrong output", "labels": [7, None, "bug"]}, "bugfix"),
        ({"name": "bug", "title": "urgent"}, "bugfix"),
        ({"title": "Move the button"}, "task"),
        ({}, "task"),
        (None, "analysis"),
    ],
)
def test_the_words_of_a_task_suggest_its_type(task: dict[str, object], expected: str) -> None:
    assert detect_type(task) == expected


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"title": "A LARGE change"}, "large"),
        ({"title": "major rework, but simple"}, "large"),
        ({"title": "a comprehensive guide"}, "large"),
        ({"description": "complete the form"}, "large"),
        ({"title": "small thing"}, "small"),
        ({"title": "minor"}, "small"),
        ({"details": "quick win"}, "small"),
        ({"title": "simple"}, "small"),
        ({"title": "a change", "labels": ["large", "small"]}, "medium"),
        ({}, "medium"),
        (None, "medium"),
    ],
)
def test_the_words_of_a_task_suggest_its_scope(task: dict[str, object], expected: str) -> None:
    assert detect_scope(task) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("done completed finished closed resolved Done", "done"),
        ("in_progress in-progress inprogress active working", "in_progress"),
        ("open new todo pending ready READY", "open"),
        ("blocked cancelled review x", "unknown"),
    ],
)
def test_status_words(words: str, expected: str) -> None:
    assert {status_of(word) for word in words.split()} == {expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fix the Parser!", "fix-the-parser"),
        ("  --a__b--  ", "a-b"),
        ("Ümläute", "ml-ute"),
        ("日本", ""),
        ("../../etc", "etc"),
        ("x" * 62 + " y", "x" * 62),
    ],
)
def test_a_slug_is_lower_case_with_single_dashes(text: str, expected: str) -> None:
    assert slug_of(text) == expected


def test_an_empty_task_has_every_key() -> None:
    assert normalise_task({}, entry_id="17-0") == {
        "id": "17-0",
        "type": "task",
        "title": "Untitled task",
        "slug": "17-0",
        "description": "",
        "labels": [],
        "repo": None,
        "branch": None,
        "scope": "medium",
        "status": "open",
    }


@pytest.mark.parametrize(
    ("given", "key", "expected"),
    [
        ({"id": 7}, "id", "7"),
        ({"external_id": "GH-1"}, "id", "GH-1"),
        ({"id": "", "task_id": "a"}, "id", "a"),
        ({"name": "a  name\n"}, "title", "a name"),
        ({"summary": "short"}, "title", "short"),
        ({"title": "t", "name": "n"}, "title", "t"),
        ({"title": "a\x00b\x1b[31mc"}, "title", "ab[31mc"),
        ({"description": "first line\nsecond"}, "title", "first line"),
        ({"details": "why"}, "description", "why"),
        ({"slug": "Mine/Own"}, "slug", "mine-own"),
        ({"title": "日本", "id": "T 1"}, "slug", "t-1"),
        ({"title": "日本", "id": "日本"}, "slug", "task"),
        ({"tags": "a, b,a,"}, "labels", ["a", "b"]),
        ({"labels": [{"name": "x"}, "y", {"id": 1}]}, "labels", ["x", "y"]),
        ({"type": "Bug"}, "type", "bug"),
        ({"task_type": "hotfix"}, "type", "hotfix"),
        ({"type": "docs", "title": "urgent"}, "type", "docs"),
        ({"scope": "Large", "title": "tiny, simple"}, "scope", "large"),
        ({"repository": "/srv/a.git"}, "repo", "/srv/a.git"),
        ({"repository": {"clone_url": "https://x/a.git"}}, "repo", "https://x/a.git"),
        ({"git_url": "https://x/b.git"}, "repo", "https://x/b.git"),
        ({"repos": [{"url": "https://x/c.git"}]}, "repo", "https://x/c.git"),
        ({"repositories": []}, "repo", None),
        ({"url": "https://tracker/T-1"}, "repo", None),
        ({"base_branch": "develop"}, "branch", "develop"),
        ({"status": "Todo"}, "status", "open"),
        ({"status": "blocked"}, "status", "unknown"),
        ({"status": "blocked"}, "original_status", "blocked"),
        ({"patches": [{"diff": "x"}]}, "patches", [{"diff": "x"}]),
    ],
)
def test_what_producers_call_things_is_understood(
    given: dict[str, object], key: str, expected: object
) -> None:
    task = normalise_task(given)

    assert task[key] == expected
    assert task.keys() >= ALWAYS | given.keys()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["a"], "a task is a JSON object"),
        ({"title": ["a"]}, "task.title is a list; write it as text"),
        ({"id": True}, "task.id is true or false"),
        ({"type": {}}, "task.type is an object"),
        ({"labels": 3}, "task.labels is a number; write a list of words"),
        ({"repo": 1.5j}, "task.repo is a complex"),
        ({"title": "x" * 1_001}, "task.title has 1,001 characters; at most 1,000"),
        ({"labels": ["a"] + [str(i) for i in range(100)]}, "too many or too long labels"),
        ({"labels": ["x" * 201]}, "too many or too long labels"),
        ({str(i): i for i in range(201)}, "the task has 201 keys"),
        ({"k" * 201: 1}, "a key of the task"),
    ],
)
def test_what_can_be_no_task_is_refused_with_a_cure(given: object, says: str) -> None:
    with pytest.raises(TaskError) as caught:
        normalise_task(given)  # type: ignore[arg-type]  # that is the test

    assert says in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ({"title": "Fix it"}, "Fix it"),
        ({}, "tidy"),
        (normalise_task({}), "tidy"),
        (normalise_task({"description": "Fix it"}), "Fix it"),
    ],
)
def test_a_task_without_a_title_is_shown_by_its_workflow(
    task: dict[str, object], shown: str
) -> None:
    assert shown_title(task, "tidy") == shown


_VALUES = st.none() | st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=5))
_KEYS = st.sampled_from(sorted(ALWAYS | {"name", "tags", "task_type", "repository", "other"}))


@given(st.dictionaries(_KEYS, _VALUES))
def test_normalising_again_changes_nothing(raw: dict[str, object]) -> None:
    try:
        task = normalise_task(raw, entry_id="1-0")
    except TaskError:
        return

    assert normalise_task(task, entry_id="2-0") == task
