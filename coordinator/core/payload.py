"""What a request carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from coordinator.core.context import NodeView
from coordinator.core.definition import Ask, Files, Limits, Node, ask_of
from coordinator.core.places import item_around, iteration_of, locate
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.tasks import shown_title
from coordinator.core.turn import (
    LAND,
    PATCH,
    PREPARE,
    RELEASE,
    Turn,
    child_path,
    owner_of,
    parent_scope,
)

_MOST_SHOWN: Final = 50
"""How many steps a request shows at most, so that its size does not grow with the run."""


def persona_payload(
    turn: Turn, path: str, node: Node, *, params: object, timeout_ms: int
) -> dict[str, object]:
    """The payload of a request to a persona (or a plugin's executor)."""
    return {
        "task": turn.head.task,
        "params": params,
        "context": {
            "run": turn.state.id,
            "workflow": turn.head.workflow,
            "node": path,
            "step": node.id,
            "iteration": iteration_of(path),
            **_item(turn, path),
            "steps": _shown_steps(turn, path, node),
            "outcome": turn.record.outcome or None,
            "error": turn.record.error,
        },
        "files": _files_for_persona(turn, ask_of(node)),
        "attempt": turn.node(path).attempt,
        "timeout_ms": timeout_ms,
        "feedback": _feedback(turn, path),
        **_prompted(turn.node(path)),
    }


def _prompted(state: NodeState) -> dict[str, object]:
    prompt = (state.changed or {}).get("prompt")
    return {"prompt": prompt} if prompt else {}


def _item(turn: Turn, path: str) -> dict[str, object]:
    around = item_around(turn, path)
    return {} if around is None else {"item": around.item, "index": around.number}


def work_payload(
    turn: Turn, path: str, node: Node, *, params: object, timeout_ms: int
) -> dict[str, object]:
    """The payload of work for the coordinator's own executors."""
    ask, served = ask_of(node), path.removesuffix(LAND)
    limits = _limits_of(turn, served, ask)
    payload: dict[str, object] = {
        "type": ask.target,
        "params": params,
        "run": turn.state.id,
        "files_of": turn.head.parent.files_of if turn.head.parent else "",
        "node": served,
        "attempt": turn.node(served).attempt if served != path else turn.node(path).attempt,
        "title": _title(turn, served),
        "task": turn.head.task,
        "context": {"iteration": iteration_of(path), "steps": _shown_steps(turn, path, node)},
        "files": run_files(turn),
        "limits": {"branches": limits.branches, "paths": limits.paths},
        "may_push": turn.head.may_push and limits.push is not False,
        "succeeded": turn.record.outcome == "succeeded" if path == RELEASE else None,
        "merges": turn.definition.merges if path == PREPARE else None,
        "timeout_ms": timeout_ms,
    }
    if served != path:
        payload["patch"] = turn.result(served + PATCH)
    return payload


def run_files(turn: Turn) -> Mapping[str, object]:
    """What is known of the run's git ref; before it is prepared, where it will be."""
    if turn.record.files is not None:
        return turn.record.files
    task = turn.head.task
    base = task.get("branch") or turn.head.params.get("branch")
    return {
        "repo": task.get("repo"),
        "ref": f"refs/coordinator/runs/{turn.state.id}",
        "branch": None,
        "base_branch": base,
        "base_revision": None,
        "revision": None,
    }


def _files_for_persona(turn: Turn, ask: Ask) -> dict[str, object] | None:
    files = turn.record.files
    if ask.files is Files.NONE or files is None:
        return None
    limits = ask.limits if ask.limits.paths is not None else turn.definition.limits
    return {
        "repo": files.get("repo"),
        "ref": files.get("ref"),
        "base": files.get("revision"),
        "branch": files.get("branch"),
        "paths": limits.paths,
        "mode": ask.files.value,
    }


def _limits_of(turn: Turn, path: str, ask: Ask) -> Limits:
    own = ask.limits
    if "@" not in path:
        primitive = turn.define(path).primitive
        own = primitive.limits if isinstance(primitive, Ask) else own
    general = turn.definition.limits
    return Limits(
        branches=own.branches if own.branches is not None else general.branches,
        paths=own.paths if own.paths is not None else general.paths,
        push=own.push if own.push is not None else general.push,
    )


def _title(turn: Turn, path: str) -> str:
    if "@" in path:
        return shown_title(turn.head.task, turn.head.workflow)
    node = turn.define(path)
    return f"{node.name or node.id}: {shown_title(turn.head.task, turn.head.workflow)}"


def _shown_steps(turn: Turn, path: str, node: Node) -> dict[str, object]:
    scope = parent_scope(path)
    if scope in ("finally", "on_failure"):
        return _every_step(turn)
    shown: dict[str, dict[str, object]] = {}
    for step in node.dependencies[:_MOST_SHOWN]:
        state = turn.find(child_path(scope, step))
        if state is not None:
            view = NodeView(turn, child_path(scope, step))
            shown[step] = {**_outcome(state), "result": view.get("result")}
            if turn.define(child_path(scope, step)).outputs:
                shown[step]["outputs"] = view.get("outputs")
    return {**shown}


def _every_step(turn: Turn) -> dict[str, object]:
    shown: dict[str, object] = {}
    for name, named in islice(turn.definition.names.items(), 4 * _MOST_SHOWN):
        path = locate(turn, name, "")
        state = turn.find(path) if path else None
        if state is not None and state.status.is_settled:
            shown[named.path] = {**_outcome(state), "error": state.error, "reason": state.reason}
    return shown


def _outcome(state: NodeState) -> dict[str, object]:
    return {"outcome": state.status.value, "verdict": state.verdict}


def _feedback(turn: Turn, path: str) -> list[dict[str, object]]:
    told: list[dict[str, object]] = []
    told.extend(_earlier_iteration(turn, path))
    state = turn.node(path)
    if state.error is not None:
        told.append({"node": path, "attempt": state.attempt - 1, "error": state.error})
    told.extend(_said_by_a_person(path, state))
    return told


def _said_by_a_person(path: str, state: NodeState) -> Iterator[dict[str, object]]:
    said = state.changed or {}
    if said.get("comment"):
        about = {"node": path, "attempt": said["attempt"]}
        yield {**about, "comment": said["comment"], "by": said.get("by", "")}


def _earlier_iteration(turn: Turn, path: str) -> list[dict[str, object]]:
    scope = parent_scope(path)
    iteration = iteration_of(path)
    if iteration < 2 or "#" not in scope.rpartition("/")[2]:
        return []
    earlier = f"{owner_of(scope)}#{iteration - 1}"
    graph = turn.graph(scope)
    steps = list(graph.nodes)[:_MOST_SHOWN] if graph else []
    told = []
    for step in steps:
        child = child_path(earlier, step)
        state = turn.find(child)
        if state is not None and (state.verdict == "fail" or state.status is NodeStatus.FAILED):
            told.append(
                {
                    "node": child,
                    "attempt": state.attempt,
                    "verdict": state.verdict,
                    "error": state.error,
                    "result": turn.result(child),
                }
            )
    return told
