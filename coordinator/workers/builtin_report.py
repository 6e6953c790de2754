"""A report of a run, from what its request shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from coordinator.workers.builtin import Outcome, Payload, mapping

BY: Final = "coordinator-persona summarise (a listing, not a model)"
_MAX_STEPS: Final = 200
_MAX_CELL: Final = 200


def summarise(payload: Payload, _: Path, __: Sequence[str] = ()) -> Outcome:
    """What the run was for, how each step ended, and why those that failed did."""
    task, context = mapping(payload.get("task")), mapping(payload.get("context"))
    steps = {name: mapping(step) for name, step in mapping(context.get("steps")).items()}
    shown = dict(list(steps.items())[:_MAX_STEPS])
    title = _line(task.get("title")) or "(no title)"
    counts = Counter(_line(step.get("outcome")) or "unknown" for step in steps.values())
    lines = [
        f"# {title}",
        "",
        f"Run {_line(context.get('run'))} of {_line(context.get('workflow'))}"
        + (f": {_line(context.get('outcome'))}" if context.get("outcome") else ""),
        *_error_lines(context.get("error")),
        "",
        *(_step_line(name, step) for name, step in shown.items()),
    ]
    if len(steps) > len(shown):
        lines.append(f"- and {len(steps) - len(shown)} more")
    result: dict[str, object] = {
        "status": "pass",
        "by": BY,
        "title": title,
        "outcome": context.get("outcome"),
        "counts": dict(counts),
        "report": "\n".join(lines).strip() + "\n",
    }
    return Outcome(result, 0)


def _step_line(name: str, step: Mapping[str, object]) -> str:
    facts = [_line(step.get("outcome")) or "unknown"]
    if step.get("verdict"):
        facts.append(f"verdict {_line(step.get('verdict'))}")
    error = mapping(step.get("error"))
    why = _line(error.get("message")) or _line(step.get("reason"))
    return f"- {_line(name)}: {', '.join(facts)}" + (f" ({why})" if why else "")


def _error_lines(error: object) -> list[str]:
    message = _line(mapping(error).get("message"))
    return [f"Why: {message}"] if message else []


def _line(value: object) -> str:
    """One short line, so that no text of a step can pass for a line of the report."""
    return " ".join(str(value).split())[:_MAX_CELL] if value is not None else ""
