"""Documentation without a model: an entry in the changelog that the project keeps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coordinator.workers.builtin import Outcome, Payload, mapping

BY: Final = "coordinator-persona changelog (rules, not a model)"
_NAMES: Final = ("CHANGELOG.md", "CHANGES.md", "HISTORY.md")
_UNRELEASED: Final = re.compile(r"^##\s+\[?unreleased\]?[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_TITLE: Final = re.compile(r"\A#\s[^\n]*\n")
_MAX_BYTES: Final = 4 << 20


def add_entry(payload: Payload, directory: Path, _: Sequence[str] = ()) -> Outcome:
    """Add the task's title under "Unreleased"; a project without a changelog is left as it is."""
    task = mapping(payload.get("task"))
    title = " ".join(str(task.get("title") or "").split())[:200]
    file = next((directory / name for name in _NAMES if (directory / name).is_file()), None)
    if not title:
        return Outcome({"status": "fail", "by": BY, "reason": "the task has no title"}, 1)
    if file is None or file.is_symlink() or file.stat().st_size > _MAX_BYTES:
        note = f"the project keeps no changelog ({', '.join(_NAMES)}); nothing to write"
        return Outcome({"status": "pass", "by": BY, "note": note, "file": None}, 0)
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    entry = f"- {title}\n"
    changed = entry not in text
    if changed:
        file.write_text(with_entry(text, entry), encoding="utf-8", errors="surrogateescape")
    result: dict[str, object] = {
        "status": "pass",
        "by": BY,
        "file": file.name,
        "entry": entry.strip(),
        "changed": changed,
    }
    return Outcome(result, 0)


def with_entry(text: str, entry: str) -> str:
    """`text` with `entry` first under "Unreleased", a section that is made where there is none."""
    section = _UNRELEASED.search(text)
    if section:
        rest = text[section.end() :]
        return text[: section.end()] + "\n" + entry + rest.removeprefix("\n")
    title = _TITLE.match(text)
    head, rest = (text[: title.end()], text[title.end() :]) if title else ("", text)
    before = "\n" if head else ""
    return f"{head}{before}## Unreleased\n\n{entry}\n{rest.removeprefix(chr(10))}"
