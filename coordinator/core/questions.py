"""What humans are asked about a node, and what they may change when they have it done again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.core.context import result_of
from coordinator.core.definition import Ask, Channel, Node
from coordinator.core.events import RetryRequested
from coordinator.core.jsontext import dump, dump_text
from coordinator.core.state import NodeState
from coordinator.core.steering import MAX_PROMPT
from coordinator.core.turn import Turn

MAX_PARAMS: Final = 262_144
"""The most that the changed params of a node may take, in bytes of JSON."""
CHANGES: Final[Mapping[str, object]] = {
    "params": {"type": "object", "description": "laid over the step's own params"},
    "prompt": {"type": "text", "description": "what to tell whoever is asked"},
}
"""The form of the answer `retry`."""
_WITHOUT_PROMPT: Final = (Channel.WORK, Channel.CHILD)
_EXCERPT: Final = 4_000


def review_question(turn: Turn, path: str) -> dict[str, object]:
    """The question that a finished node waits with: here is what came of it; is that good?"""
    node, state = turn.define(path), turn.node(path)
    return {
        **about(turn, node, state),
        "title": f"{node.name or node.id} is done: is it good?",
        "verdict": state.verdict,
        "result": excerpt(result_of(turn, path)),
        "answers": ["continue", "retry", "reject"],
        "form": CHANGES if isinstance(node.primitive, Ask) else {},
    }


def about(turn: Turn, node: Node, state: NodeState) -> dict[str, object]:
    """What every question says of the node it is about."""
    return {
        "step": node.id,
        "description": node.description,
        "attempt": state.attempt,
        "task": {key: turn.head.task.get(key) for key in ("id", "title", "repo")},
    }


def excerpt(result: object) -> object:
    """The result where it is short, else the beginning of its JSON."""
    text = dump_text(result)
    return result if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def changes_problem(node: Node, values: Mapping[str, object]) -> str:
    """Why a retry of the node cannot have these `values`; empty where it can."""
    unknown = [name for name in values if name not in CHANGES]
    if unknown:
        return f"a retry has no {str(unknown[0])[:40]!r}; it has params and prompt"
    params, prompt = values.get("params") or {}, values.get("prompt") or ""
    if not isinstance(params, Mapping):
        return "the params of a retry are an object"
    if not isinstance(prompt, str):
        return "the prompt of a retry is text"
    if (params or prompt) and not isinstance(node.primitive, Ask):
        return f"{node.id} asks nobody; give params and a prompt to a step that does"
    if prompt and isinstance(node.primitive, Ask) and node.primitive.channel in _WITHOUT_PROMPT:
        return f"{node.id} asks no persona, so a prompt would reach nobody"
    if len(prompt) > MAX_PROMPT:
        return f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,}"
    if len(dump(params)) > MAX_PARAMS:
        return f"the params have more than {MAX_PARAMS:,} bytes; send a reference instead"
    return ""


def asked_changes(event: RetryRequested) -> dict[str, object]:
    """What the event changes for the node's later attempts."""
    values = {"params": dict(event.params), "prompt": event.prompt}
    return {name: value for name, value in values.items() if value}


def with_changes(
    state: NodeState, values: Mapping[str, object], *, by: str, comment: str
) -> NodeState:
    """The node's state with what a person changed for its later attempts; later words win."""
    changed = dict(state.changed or {})
    if values.get("params"):
        changed["params"] = {**_object(changed.get("params")), **_object(values["params"])}
    if values.get("prompt"):
        changed["prompt"] = values["prompt"]
    if comment or values.get("prompt"):
        said = comment or values["prompt"]
        changed.update(comment=said, by=by, attempt=state.attempt)
    return state._replace(changed=changed or None)


def with_changed_params(state: NodeState, params: object) -> object:
    """The rendered params of an attempt with a person's laid over them."""
    changed = _object((state.changed or {}).get("params"))
    return {**_object(params), **changed} if changed else params


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def in_words(what: str, by: str, comment: str) -> str:
    """Who did what, and why, as a reason."""
    said = f"{what} by {by or 'somebody'}"
    return (f"{said}: {comment}" if comment else said)[:500]
