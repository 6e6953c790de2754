"""The real pytest, ruff and bandit, with their findings as one JSON object."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from coordinator.workers.builtin import Outcome, Payload, mapping
from coordinator.workers.processes import Kept
from coordinator.workers.replies import clean, last_lines

_MAX_FINDINGS: Final = 200
_MAX_OUTPUT: Final = 16 << 20
_COUNT: Final = re.compile(r"\b(\d{1,9}) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
_ENDING: Final = re.compile(
    r"^=*\s?(?:no tests ran|.*\d (?:passed|failed|error|skip|x|desel|warn).*) in [\d.]+s", re.M
)
_FAILURE: Final = re.compile(r"^(?:FAILED|ERROR) (\S.{0,300})$", re.M)
_UNTRUSTED: Final = ("-P",)
"""Keeps the working directory off the import path: a repository must not bring its own linter."""
_NO_TESTS_COLLECTED: Final = 5


class _Said(NamedTuple):
    code: int
    stdout: str
    stderr: str


def check_tests(_: Payload, directory: Path, extra: Sequence[str] = ()) -> Outcome:
    """Run the project's tests; exit code of pytest itself, 5 where it found none."""
    options = ["-q", "--color=no", "-rfE", "-p", "no:cacheprovider"]
    said = _run(["-m", "pytest", *options, *extra], directory)
    text = clean(said.stdout)
    endings = _ENDING.findall(text[-100_000:])
    counts = {name: 0 for name in ("passed", "failed", "errors", "skipped")}
    for number, what in _COUNT.findall(endings[-1] if endings else ""):
        name = "errors" if what.startswith("error") else what
        counts[name] = counts.get(name, 0) + int(number)
    passed = said.code == 0
    result: dict[str, object] = {
        "status": "pass" if passed else "fail",
        "by": "pytest",
        "summary": endings[-1].strip("= ") if endings else _reason(said),
        **counts,
        "exit_code": said.code,
        "failures": [line.strip() for line in _FAILURE.findall(text)][:_MAX_FINDINGS],
    }
    if not passed:
        result["log"] = last_lines(said.stdout, lines=120, characters=12_000)
        sys.stderr.write(said.stderr[-4_000:])
    return Outcome(result, said.code if said.code >= 0 else 3)


def check_style(_: Payload, directory: Path, extra: Sequence[str] = ()) -> Outcome:
    """Run ruff by the project's own settings; any finding is a fail."""
    arguments = ["-m", "ruff", "check", "--output-format=json", "--no-cache", *extra, "."]
    said = _run([*_UNTRUSTED, *arguments], directory)
    found = _json(said.stdout)
    if said.code not in (0, 1) or not isinstance(found, list):
        return _unusable("ruff", said)
    findings = [_ruff_finding(mapping(item), directory) for item in found]
    return _judged("ruff", findings, {})


def check_security(_: Payload, directory: Path, extra: Sequence[str] = ()) -> Outcome:
    """Run bandit; a finding of medium severity or more, or a file it could not read, is a fail."""
    with tempfile.NamedTemporaryFile(suffix=".ini") as own:
        # Bandit reads a .bandit file of the repository unless it is given another.
        arguments = ["-m", "bandit", "-r", ".", "-f", "json", "-q", "-ll", "--ini", own.name]
        arguments += ["-x", "./.git,./.venv,./venv,./node_modules", *extra]
        said = _run([*_UNTRUSTED, *arguments], directory)
    report = _json(said.stdout)
    if said.code not in (0, 1) or not isinstance(report, dict):
        return _unusable("bandit", said)
    findings = [_bandit_finding(mapping(item)) for item in _listed(report.get("results"))]
    unread = [
        {"file": mapping(item).get("filename"), "message": mapping(item).get("reason")}
        for item in _listed(report.get("errors"))
    ]
    lines = mapping(mapping(report.get("metrics")).get("_totals")).get("loc")
    return _judged("bandit", [*findings, *unread], {"lines_read": lines, "unread": len(unread)})


def _judged(
    by: str, findings: Sequence[Mapping[str, object]], more: Mapping[str, object]
) -> Outcome:
    count = len(findings)
    result: dict[str, object] = {
        "status": "fail" if count else "pass",
        "by": by,
        "summary": f"{count} finding{'' if count == 1 else 's'}",
        "count": count,
        **more,
        "findings": list(findings[:_MAX_FINDINGS]),
    }
    return Outcome(result, 1 if count else 0)


def _ruff_finding(item: Mapping[str, object], directory: Path) -> dict[str, object]:
    name = str(item.get("filename") or "")
    place = mapping(item.get("location"))
    return {
        "file": os.path.relpath(name, directory) if os.path.isabs(name) else name,
        "line": place.get("row"),
        "column": place.get("column"),
        "code": item.get("code"),
        "message": item.get("message"),
    }


def _bandit_finding(item: Mapping[str, object]) -> dict[str, object]:
    return {
        "file": str(item.get("filename") or "").removeprefix("./"),
        "line": item.get("line_number"),
        "code": item.get("test_id"),
        "severity": str(item.get("issue_severity") or "").lower(),
        "confidence": str(item.get("issue_confidence") or "").lower(),
        "message": item.get("issue_text"),
    }


def _unusable(by: str, said: _Said) -> Outcome:
    reason = _reason(said)
    sys.stderr.write(f"{by}: {reason}\n")
    return Outcome({"by": by, "reason": reason}, said.code if said.code > 1 else 3)


def _reason(said: _Said) -> str:
    return last_lines(said.stderr) or last_lines(said.stdout) or f"exit code {said.code}"


def _run(arguments: Sequence[str], directory: Path) -> _Said:
    """Run a Python module; at most a bounded part of what it says is kept."""
    kept = Kept(_MAX_OUTPUT)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        stream = process.stdout
        while stream is not None and (chunk := stream.read(1 << 16)):
            kept.add(chunk)
        code = process.wait()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - (1 << 16)))
        return _Said(code, kept.text(), errors.read().decode("utf-8", "replace"))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
