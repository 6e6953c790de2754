"""`coordinator-persona`: small real programs behind the shipped personas.

None of them is a model, and their results say so (`by`). They read the request's payload from
stdin, work in the current directory, and print one JSON object with a `status`. Exit codes: 0 pass,
1 fail, 2 no usable input, anything else the code of the tool that could not do its work.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

Payload = Mapping[str, object]
MAX_PAYLOAD_BYTES: Final = 8 << 20


class Outcome(NamedTuple):
    """What a tool found, and the exit code that says it."""

    result: dict[str, object]
    exit_code: int


class BadPayloadError(Exception):
    """Standard input is not a request's payload."""


Tool = Callable[[Payload, Path, Sequence[str]], Outcome]

TOOLS: Final[Mapping[str, tuple[str, str]]] = {
    "plan": ("builtin_plan:plan", "a plan of the task, by rules"),
    "evaluate-plan": ("builtin_plan:evaluate", "check that a plan says something that exists"),
    "context": ("builtin_plan:survey", "what the repository consists of"),
    "apply-patch": ("builtin_patch:apply_patch", "apply the task's patch for this iteration"),
    "changelog": ("builtin_docs:add_entry", "note the task in the changelog"),
    "summarise": ("builtin_report:summarise", "a report of the run"),
    "pytest": ("builtin_checks:check_tests", "run python -m pytest and count"),
    "ruff": ("builtin_checks:check_style", "run ruff check and list its findings"),
    "bandit": ("builtin_checks:check_security", "run bandit and list its findings"),
}
"""Name -> where it is (loaded only when asked for), and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one tool; its exit code."""
    parser = _parser()
    chosen, extra = parser.parse_known_args(argv)
    try:
        payload = read_payload()
    except BadPayloadError as error:
        sys.stderr.write(f"coordinator-persona {chosen.tool}: {error}\n")
        return 2
    outcome = _tool(chosen.tool)(payload, Path.cwd(), [part for part in extra if part != "--"])
    sys.stdout.write(json.dumps(outcome.result, ensure_ascii=True) + "\n")
    return outcome.exit_code


def read_payload() -> Payload:
    """The payload on stdin; an empty one where nothing is piped in.

    Raises:
        BadPayloadError: there is something else.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    text = sys.stdin.buffer.read(MAX_PAYLOAD_BYTES + 1)
    if len(text) > MAX_PAYLOAD_BYTES:
        raise BadPayloadError(f"the payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    if not text.strip():
        return {}
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPayloadError(f"the payload on stdin is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise BadPayloadError("the payload on stdin is not a JSON object")
    return payload


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is an object, else an empty one; payloads come from outside."""
    return value if isinstance(value, dict) else {}


def _tool(name: str) -> Tool:
    module, _, function = TOOLS[name][0].partition(":")
    tool: Tool = getattr(importlib.import_module(f"coordinator.workers.{module}"), function)
    return tool


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:14} {what}" for name, (_, what) in TOOLS.items())
    parser = argparse.ArgumentParser(
        prog="coordinator-persona",
        description="Deterministic tools behind the shipped personas; none of them is a model.",
        epilog=f"tools:\n{lines}\n\nFurther arguments go to pytest, ruff or bandit.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tool", choices=sorted(TOOLS), metavar="TOOL")
    return parser


if __name__ == "__main__":
    sys.exit(main())
