"""The page of examples: a table of what each one shows, and its graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from coordinator.cli.graph import mermaid
from coordinator.definitions.compiled import Compiled
from coordinator.shipped import EXAMPLES
from tests.examples.definitions import examples

_TOP: Final = (
    "match", "intents", "triggers", "variables", "defaults", "concurrency", "timeout", "git",
    "outputs", "on_failure", "finally",
)  # fmt: skip
_STEP: Final = (
    "join", "gate", "required", "review", "retry", "undo",
    "result_schema", "max_concurrent", "deadline", "form", "assignees",
)  # fmt: skip
_BY_VALUE: Final = ("join", "on_branch_error", "wait_for", "on_rest", "on_conflict")
_WAITS: Final = ("for", "until", "signal")


def shows(compiled: Compiled) -> list[str]:
    """The keys that an example uses, those with a choice with what it chose, without repeats."""
    workflow = orjson.loads(compiled.document)["workflow"]
    found = [key for key in _TOP if workflow.get(key)]
    if any(each.get("enum") for each in (workflow.get("params") or {}).values()):
        found.append("enum")
    for step in (workflow.get("concurrency") or {}, *_steps(workflow)):
        found += _of_step(step)
    return sorted(dict.fromkeys(found))


def _of_step(step: Mapping[str, Any]) -> Iterator[str]:
    yield from (key for key in _STEP if step.get(key) and key not in _BY_VALUE)
    if step.get("condition") and step.get("type") != "conditional":
        yield "condition"
    if step.get("retries"):
        yield "retry"
    if step.get("type") == "wait":
        yield from (f"wait {key}" for key in _WAITS if step.get(key) is not None)
    for key in _BY_VALUE:
        if step.get(key):
            value = step[key]
            yield f"{key}: {'need' if isinstance(value, dict) else value}"
    on_error = step.get("on_error")
    if isinstance(on_error, dict):
        kind = "persona" if isinstance(on_error["fallback"], str) else "steps"
        yield f"on_error: fallback {kind}"
    elif on_error:
        yield f"on_error: {on_error}"


def _steps(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every step in a part of a canonical document, those inside others too."""
    if isinstance(value, list):
        for each in value:
            yield from _steps(each)
    elif isinstance(value, dict):
        if isinstance(value.get("id"), str):
            yield value
        for each in value.values():
            yield from _steps(each)


def types_of(compiled: Compiled) -> list[str]:
    """The step types of an example, in the order of the file."""
    return list(dict.fromkeys(node.type for node in compiled.workflow.nodes.values()))


def table() -> str:
    """A row for each example."""
    lines = ["| example | what it does | step types | what else it shows |", "|---|---|---|---|"]
    for name, compiled in sorted(examples().items()):
        types = ", ".join(f"`{each}`" for each in types_of(compiled))
        also = ", ".join(f"`{each}`" for each in shows(compiled))
        about = compiled.workflow.description
        lines.append(f"| [{name}](../{EXAMPLES}/{name}.yml) | {about} | {types} | {also} |")
    return "\n".join(lines)


def picture(name: str) -> str:
    """The graph of an example."""
    return f"```mermaid\n{mermaid(examples()[name])}\n```"
