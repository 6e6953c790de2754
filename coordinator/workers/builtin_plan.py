"""Planning without a model: what a task says, set against what the repository holds."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from coordinator.workers.builtin import Outcome, Payload, mapping

BY: Final = "coordinator-persona plan (rules, not a model)"
_MAX_TEXT: Final = 64 * 1024
_MAX_WORDS: Final = 5_000
_MAX_FILES: Final = 20_000
_ITEM: Final = re.compile(r"^\s{0,8}(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s*)?(\S.{0,500})$", re.M)
_BETWEEN_WORDS: Final = re.compile(r"[\s,;:()\[\]{}<>\"'`|]+")
_TARGET: Final = re.compile(r"^\+\+\+ (?:b/)?([^\t\n]{1,500})", re.M)


def plan(payload: Payload, directory: Path, _: Sequence[str] = ()) -> Outcome:
    """What is to be done, in which files, and by which signs it is done."""
    task = mapping(payload.get("task"))
    title, description = _text(task.get("title")), _text(task.get("description"))
    if not title and not description:
        reason = "the task has neither a title nor a description"
        return Outcome({"status": "fail", "by": BY, "reason": reason}, 1)
    patches = patches_of(task)
    mentioned = _mentioned_files(f"{title}\n{description}", directory)
    touched = sorted({target for patch in patches for target in _targets(patch)})
    files = list(dict.fromkeys([*mentioned, *(f for f in touched if _is_file(directory, f))]))
    acceptance = _acceptance(task, description)
    result: dict[str, object] = {
        "status": "pass",
        "by": BY,
        "goal": title or description.splitlines()[0],
        "description": description,
        "steps": _steps(files, len(patches), acceptance),
        "acceptance": acceptance,
        "files": files,
        "new_files": [f for f in touched if f not in files and is_inside(directory, f)],
        "patches": len(patches),
    }
    return Outcome(result, 0)


def evaluate(payload: Payload, directory: Path, _: Sequence[str] = ()) -> Outcome:
    """Whether a plan has steps, and the files that it names exist."""
    found = _plan_in(payload)
    by = "coordinator-persona evaluate-plan (rules, not a model)"
    findings: list[str] = []
    steps = found.get("steps") or found.get("plan")
    if not found:
        findings.append("no earlier step gave a plan; make this step depend on the planning step")
    elif not isinstance(steps, list) or not any(str(step).strip() for step in steps):
        findings.append("the plan has no steps")
    files = found.get("files")
    named = [str(name) for name in files] if isinstance(files, list) else []
    findings += [
        f"the plan names {n!r}, which is no file" for n in named if not _is_file(directory, n)
    ]
    result: dict[str, object] = {
        "status": "fail" if findings else "pass",
        "by": by,
        "findings": findings[:100],
        "files_checked": len(named),
        "steps_checked": len(steps) if isinstance(steps, list) else 0,
    }
    return Outcome(result, 1 if findings else 0)


def survey(_: Payload, directory: Path, __: Sequence[str] = ()) -> Outcome:
    """Which files the repository holds, by kind."""
    names = sorted(_files_below(directory))
    kinds = Counter(Path(name).suffix or "(none)" for name in names)
    result: dict[str, object] = {
        "status": "pass",
        "by": "coordinator-persona context (a listing, not a model)",
        "files": len(names),
        "kinds": dict(kinds.most_common(20)),
        "tests": [name for name in names if Path(name).name.startswith("test_")][:100],
        "top_level": sorted({name.split(os.sep)[0] for name in names})[:100],
    }
    return Outcome(result, 0)


def patches_of(task: Mapping[str, object]) -> list[str]:
    """The patches that a task brings, each as text: a diff, or an object with one under `diff`."""
    given = task.get("patches")
    listed = given if isinstance(given, list) else []
    texts = (mapping(item).get("diff") if isinstance(item, dict) else item for item in listed)
    return [text for text in texts if isinstance(text, str)]


def is_inside(directory: Path, name: str) -> bool:
    """Whether `name` is a path of the repository: relative, within it, and none of git's own."""
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "~")) or ".." in parts or "\0" in name:
        return False
    if any(part.lower() == ".git" for part in parts):
        return False
    return (directory / name).resolve().is_relative_to(directory.resolve())


def _is_file(directory: Path, name: str) -> bool:
    try:
        return is_inside(directory, name) and (directory / name).is_file()
    except OSError:  # for example a name longer than the system allows
        return False


def _mentioned_files(text: str, directory: Path) -> list[str]:
    words = _BETWEEN_WORDS.split(text[:_MAX_TEXT])[:_MAX_WORDS]
    candidates = (word.strip("*_").rstrip(".!?").removeprefix("./") for word in words)
    likely = dict.fromkeys(word for word in candidates if "." in word or "/" in word)
    return [word for word in likely if _is_file(directory, word)]


def _targets(patch: str) -> list[str]:
    return [name for name in _TARGET.findall(patch[: 1 << 20]) if name != "/dev/null"][:200]


def _acceptance(task: Mapping[str, object], description: str) -> list[str]:
    for key in ("acceptance", "acceptance_criteria"):
        given = task.get(key)
        if isinstance(given, list):
            return [_text(item) for item in given[:100] if _text(item)]
        if isinstance(given, str) and given.strip():
            return [given.strip()]
    return [item.strip() for item in _ITEM.findall(description[:_MAX_TEXT])][:100]


def _steps(files: Sequence[str], patches: int, acceptance: Sequence[str]) -> list[str]:
    where = f" ({', '.join(files[:10])})" if files else ""
    steps = [f"understand the task{where}"]
    if patches:
        steps.append(f"apply the task's {patches} patch{'es' if patches > 1 else ''} in turn")
    else:
        steps.append(f"change the code{where}")
    steps.append("run the tests")
    return [*steps, *(f"check: {item}" for item in acceptance[:50])]


def _plan_in(payload: Payload) -> Mapping[str, object]:
    """The plan among the results of earlier steps, or in the parameters."""
    steps = mapping(mapping(payload.get("context")).get("steps"))
    results = [mapping(mapping(step).get("result")) for step in steps.values()]
    given = mapping(payload.get("params")).get("plan")
    for found in (mapping(given), *results):
        if "steps" in found or "plan" in found:
            return found
    return next((found for found in results if found), {})


def _files_below(directory: Path) -> Iterator[str]:
    count = 0
    for parent, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            count += 1
            if count > _MAX_FILES:
                return
            yield os.path.relpath(os.path.join(parent, name), directory)


def _text(value: object) -> str:
    return value[:_MAX_TEXT].strip() if isinstance(value, str) else ""
