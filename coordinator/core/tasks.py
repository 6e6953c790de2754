"""A task as every other part knows it, made from whatever a producer sent.

`normalise_task` keeps everything it was given and adds the keys that workflows may count on. Doing
it again changes nothing, so a task may be normalised by whoever submits it and again at intake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

MAX_KEYS: Final = 200
MAX_LABELS: Final = 100
MAX_SLUG: Final = 63
_MAX_NAME: Final = 200
_MAX_TITLE: Final = 1_000
_MAX_DESCRIPTION: Final = 256 * 1024
_MAX_REPO: Final = 2_000
UNTITLED: Final = "Untitled task"
_FROM_DESCRIPTION: Final = 100
"""Characters of a description that serve as title where there is none."""

ALWAYS_THERE: Final = (
    "id", "type", "title", "slug", "description", "labels", "repo", "branch", "scope", "status",
)  # fmt: skip
"""Keys that every normalised task has, whatever its producer sent."""

# Each list is in the order in which names are looked for; the canonical one comes first.
_ID: Final = ("id", "task_id", "taskId", "external_id", "externalId")
_TITLE: Final = ("title", "name", "summary")
_DESCRIPTION: Final = ("description", "details")
_LABELS: Final = ("labels", "tags")
_TYPE: Final = ("type", "task_type", "taskType")
_SCOPE: Final = ("scope", "task_scope", "taskScope")
_BRANCH: Final = ("branch", "base_branch", "baseBranch")
_REPO: Final = (
    "repo", "repository", "repository_url", "repositoryUrl", "repo_url", "repoUrl", "git_url",
    "gitUrl", "github_url", "githubUrl", "remote",
)  # fmt: skip
_PLURAL: Final = ("s", "es")
_REPO_LISTS: Final = ("repositories", "repos")
_INSIDE_REPO: Final = ("clone_url", "git_url", "url", "remote", "repo", "html_url")

# The older system looks for a name before a title.
_DETECTED_TITLE: Final = ("name", "title", "summary")
_TYPE_WORDS: Final = (
    ("hotfix", ("hotfix", "urgent", "critical", "emergency")),
    ("feature", ("feature", "enhancement", "new")),
    ("analysis", ("analysis", "understand", "review", "document")),
    ("bugfix", ("bug", "fix", "error", "issue")),
)
"""Detected types and the parts of words that mean them; the first hit wins."""
_SCOPE_WORDS: Final = (
    ("large", ("large", "major", "comprehensive", "complete")),
    ("small", ("small", "minor", "quick", "simple")),
)
_STATUS_WORDS: Final = {
    "done": ("done", "completed", "finished", "closed", "resolved"),
    "in_progress": ("in_progress", "in-progress", "inprogress", "active", "working"),
    "open": ("open", "new", "todo", "pending", "ready"),
}
STATUS_WORDS: Final = (*_STATUS_WORDS, "unknown")
"""What `status` of a normalised task may be."""
_STATUS: Final = {word: status for status, words in _STATUS_WORDS.items() for word in words}
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
"""What can steer a terminal or is refused by git; whitespace is not among it."""


class TaskError(ValueError):
    """What was sent can never be a task; the message ends with the cure."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what
        self.cure = cure


def normalise_task(raw: Mapping[str, object], *, entry_id: str = "") -> dict[str, object]:
    """The task with `id, type, title, slug, description, labels, repo, branch, scope, status` set.

    Other names that producers use for these are understood and kept, like every other key. `repo`
    and `branch` are None when nothing says them; the rest is text, `labels` a list of text. An
    explicit type or scope wins over what title, description and labels suggest. A status that is
    none of the known words becomes `unknown`, and is kept as `original_status`. Without an id the
    task gets `entry_id`.

    Raises:
        TaskError: a value has a shape or a size that no task has.
    """
    _check_keys(raw)
    identity = _text(raw, _ID, _MAX_NAME) or entry_id or "task"
    description = _text(raw, _DESCRIPTION, _MAX_DESCRIPTION, is_line=False)
    title = _text(raw, _TITLE, _MAX_TITLE) or _first_line(description)
    labels = _labels(raw)
    given_slug = _text(raw, ("slug",), _MAX_NAME)
    status, original = _status(raw)
    known = {
        "id": identity,
        "type": _text(raw, _TYPE, _MAX_NAME).lower() or detect_type(raw),
        "title": title or UNTITLED,
        "slug": slug_of(given_slug) or slug_of(title) or slug_of(identity) or "task",
        "description": description,
        "labels": labels,
        "repo": repo_of(raw),
        "branch": _text(raw, _BRANCH, _MAX_NAME) or None,
        "scope": _text(raw, _SCOPE, _MAX_NAME).lower() or detect_scope(raw),
        "status": status,
    }
    return {**raw, **known, **original}


@lru_cache(maxsize=1024)
def nearly(name: str) -> str:
    """The key of every task that `name` is probably a slip of; empty where it may be meant.

    Other names for the same, and plurals, are what producers send.
    """
    others = {*_ID, *_TITLE, *_DESCRIPTION, *_LABELS, *_TYPE, *_SCOPE, *_BRANCH, *_REPO}
    others |= {
        *ALWAYS_THERE,
        *_REPO_LISTS,
        *(f"{key}{end}" for key in ALWAYS_THERE for end in _PLURAL),
    }
    close = get_close_matches(name[:_MAX_NAME], ALWAYS_THERE, n=1, cutoff=0.8)
    return close[0] if close and name not in others else ""


def shown_title(task: Mapping[str, object], workflow: str) -> str:
    """What a run is called among others: its task's title, or its workflow where that has none."""
    title = str(task.get("title") or UNTITLED)
    return workflow if title == UNTITLED else title


def detect_type(task: Mapping[str, object] | None) -> str:
    """What kind of task its words suggest; `analysis` where there is no task at all.

    Parts of words count, so that "renewal" suggests a `feature`; only `normalise_task` asks whether
    the task says its type itself.
    """
    if task is None:
        return "analysis"
    labels = " ".join(_label_words(task))
    return _suggested(f"{_content(task)} {labels}".lower(), _TYPE_WORDS) or "task"


def detect_scope(task: Mapping[str, object] | None) -> str:
    """How large the words of title and description make it: `large`, `small` or `medium`."""
    if task is None:
        return "medium"
    return _suggested(_content(task).lower(), _SCOPE_WORDS) or "medium"


def status_of(word: str) -> str:
    """`done`, `in_progress` or `open`, whatever the producer calls it; else `unknown`."""
    return _STATUS.get(word.strip().lower(), "unknown")


def slug_of(text: str) -> str:
    """`text` as a part of branch names: a-z, 0-9 and single dashes, at most 63; may be empty."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")[:MAX_SLUG].rstrip("-")


def repo_of(raw: Mapping[str, object]) -> str | None:
    """Where the repository is, under any of the names for it; None where nothing says so.

    Raises:
        TaskError: what stands there can be no URL or path.
    """
    direct = _first(raw, _REPO)
    if direct is None:
        lists = (raw.get(name) for name in _REPO_LISTS)
        direct = next((each[0] for each in lists if isinstance(each, list | tuple) and each), None)
    if isinstance(direct, Mapping):
        return _text(direct, _INSIDE_REPO, _MAX_REPO) or None
    return _text({"repo": direct}, ("repo",), _MAX_REPO) or None


# -- reading ------------------------------------------------------------------------------------


def _check_keys(raw: Mapping[str, object]) -> None:
    if not isinstance(raw, Mapping):
        raise TaskError(f"a task is a JSON object, this is {_kind(raw)}", "send {'title': ...}")
    if len(raw) > MAX_KEYS:
        raise TaskError(f"the task has {len(raw)} keys", f"send at most {MAX_KEYS}")
    for key in raw:
        if not isinstance(key, str) or len(key) > _MAX_NAME:
            cure = f"keys are text of at most {_MAX_NAME} characters"
            raise TaskError(f"a key of the task is {str(key)[:40]!r}", cure)


def _first(raw: Mapping[str, object], names: Iterable[str]) -> object:
    """The first of these that is there and says something."""
    return next((raw[name] for name in names if raw.get(name) not in (None, "")), None)


def _text(
    raw: Mapping[str, object], names: Sequence[str], longest: int, *, is_line: bool = True
) -> str:
    """The first of these as text, on one line unless told otherwise; empty if none is there."""
    value = _first(raw, names)
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise TaskError(f"task.{names[0]} is {_kind(value)}", "write it as text")
    if len(value) > longest:
        cure = f"at most {longest:,} are accepted"
        raise TaskError(f"task.{names[0]} has {len(value):,} characters", cure)
    value = _CONTROL.sub("", value)
    return " ".join(value.split()) if is_line else value


def _labels(raw: Mapping[str, object]) -> list[str]:
    given = _first(raw, _LABELS)
    if given is not None and not isinstance(given, str | list | tuple):
        raise TaskError(f"task.labels is {_kind(given)}", "write a list of words")
    labels = _label_words(raw)
    if len(labels) > MAX_LABELS or any(len(label) > _MAX_NAME for label in labels):
        cure = f"send at most {MAX_LABELS} of at most {_MAX_NAME} characters"
        raise TaskError("task.labels has too many or too long labels", cure)
    return labels


def _label_words(raw: Mapping[str, object]) -> list[str]:
    """Labels as words, given as a list, as `a, b`, or as objects with a name; each once."""
    given = _first(raw, _LABELS)
    if isinstance(given, str):
        given = given.split(",")
    if not isinstance(given, list | tuple):
        return []
    named = [each.get("name") if isinstance(each, Mapping) else each for each in given]
    return list(dict.fromkeys(each.strip() for each in named if isinstance(each, str) and each))


def _status(raw: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    word = _text(raw, ("status",), _MAX_NAME).lower()
    if not word:
        return "open", {}
    status = status_of(word)
    return status, {"original_status": word} if status == "unknown" != word else {}


def _content(task: Mapping[str, object]) -> str:
    title, description = _first(task, _DETECTED_TITLE), _first(task, _DESCRIPTION)
    return " ".join(part for part in (title, description) if isinstance(part, str))


def _suggested(content: str, table: Iterable[tuple[str, Iterable[str]]]) -> str | None:
    hits = (found for found, words in table if any(word in content for word in words))
    return next(hits, None)


def _first_line(text: str) -> str:
    line = " ".join(text.strip().partition("\n")[0].split())
    return line if len(line) <= _FROM_DESCRIPTION else line[: _FROM_DESCRIPTION - 1] + "…"


def _kind(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case _:
            return f"a {type(value).__name__}"
