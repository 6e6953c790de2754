"""PURE. A run as scripts and people get it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.cli.text import one_line, rfc3339, table
from coordinator.core.artifacts import name_of, node_artifacts, place_of
from coordinator.core.definition import Ask, Channel, Workflow
from coordinator.core.durations import duration_text
from coordinator.core.events import AUTO, Parent
from coordinator.core.report import NodeRow, result_in, rows
from coordinator.core.state import NodeStatus, RunState
from coordinator.core.tasks import shown_title
from coordinator.core.why import Serving, endings, waits
from coordinator.ports import JournalRecord, RunSummary


def summary_json(run: RunSummary) -> dict[str, Any]:
    """A line of a list of runs."""
    return {
        "id": run.id,
        "workflow": run.workflow,
        "version": run.version,
        "status": run.status,
        "concurrency": run.slot or None,
        "title": shown_title({"title": run.title}, run.workflow),
        "created_at": rfc3339(run.created_ms),
        "ended_at": rfc3339(run.ended_ms),
    }


def run_json(definition: Workflow | None, state: RunState) -> dict[str, Any]:
    """Everything about a run; without its definition, the nodes are those that were reached."""
    head, record = state.head, state.record
    nodes = rows(definition, state) if definition else _reached(state)
    return {
        "id": state.id,
        "workflow": head.workflow,
        "version": head.version,
        "digest": head.digest,
        "revision": head.revision,
        "status": record.status.value,
        "task": head.task,
        "params": head.params,
        "parent": _parent_json(head.parent),
        "created_at": rfc3339(head.created_ms),
        "ended_at": rfc3339(record.ended_ms),
        "round": record.round,
        "advance": record.advance or AUTO,
        "nodes": [_node_json(definition, row, state) for row in nodes],
        "outputs": record.outputs,
        "error": dict(record.error) if record.error is not None else None,
        "concurrency": record.slot or None,
        "files": dict(record.files) if record.files is not None else None,
    }


def _parent_json(parent: Parent | None) -> dict[str, Any] | None:
    """Whose step a child run is; its token is nobody's business."""
    if parent is None:
        return None
    return {"run": parent.run, "node": parent.node, "attempt": parent.attempt}


def _reached(state: RunState) -> list[NodeRow]:
    return [
        NodeRow(
            path=path,
            type="",
            persona=node.persona or None,
            status=node.status.value,
            verdict=node.verdict,
            attempts=node.attempt,
            started_ms=node.started_ms,
            ended_ms=node.ended_ms,
            error=node.error,
            reason=node.reason,
            detail=node.detail,
            child=node.child,
        )
        for path, node in state.nodes.items()
        if "@" not in path
    ]


def _node_json(definition: Workflow | None, row: NodeRow, state: RunState) -> dict[str, Any]:
    kept, left_out = node_artifacts(state.results.get(place_of(row.path)))
    return {
        "path": row.path,
        "type": row.type,
        "persona": None if _is_our_own(definition, row) else row.persona,
        "status": row.status,
        "verdict": row.verdict,
        "attempts": row.attempts,
        "started_at": rfc3339(row.started_ms),
        "ended_at": rfc3339(row.ended_ms),
        "error": dict(row.error) if row.error is not None else None,
        "reason": row.reason,
        "detail": row.detail,
        "result": _to_review(definition, row, state),
        "child_run": row.child or None,
        "result_ref": _reference(state, row.path),
        "artifacts": [dict(each) for each in kept],
        "artifacts_left_out": list(left_out),
    }


def _to_review(definition: Workflow | None, row: NodeRow, state: RunState) -> object:
    """What came of a node that waits for a review; null of every other."""
    if row.status != NodeStatus.AWAITING_REVIEW or definition is None:
        return None
    return result_in(definition, state, row.path)


def _reference(state: RunState, path: str) -> Any:
    """What stands in the place of a result that is kept apart."""
    node = state.nodes.get(path)
    return state.results.get(path) if node is not None and node.is_referenced else None


def _is_our_own(definition: Workflow | None, row: NodeRow) -> bool:
    """Whether no persona was asked: git work, another workflow, or a human without a file."""
    node = definition.node(row.path) if definition else None
    asked = node.primitive if node else None
    if not isinstance(asked, Ask) or row.persona != asked.target:
        return False
    return asked.channel in (Channel.WORK, Channel.CHILD) or row.type == "human"


def run_text(shown: Mapping[str, Any]) -> str:
    """A run for people."""
    task = shown["task"]
    title = shown_title(task, shown["workflow"])
    lines = [
        f"{shown['id']}  {shown['workflow']} {shown['version']}  {shown['status']}",
        f"task      {one_line(task.get('id', ''))}  {one_line(title)}",
        f"created   {shown['created_at']}" + _ended(shown),
        f"digest    {shown['digest']}",
    ]
    if shown["parent"]:
        lines.append(f"parent    {shown['parent']['run']}  {shown['parent']['node']}")
    if shown["revision"]:
        lines.append(f"revision  {one_line(shown['revision'])}")
    cells = [
        [
            node["path"],
            node["status"],
            node["verdict"],
            node["attempts"] or None,
            _why(node) or None,
        ]
        for node in shown["nodes"]
    ]
    lines += ["", table(["path", "status", "verdict", "attempts", "reason"], cells)]
    lines += _reference_lines(shown) + _artifact_lines(shown)
    for node in shown["nodes"]:
        if node["result"] is not None:
            lines += ["", f"to review: {node['path']}", f"  {one_line(node['result'], 1_000)}"]
    if shown["error"]:
        lines += ["", f"error: {_error(shown['error'])}"]
    if shown["outputs"]:
        lines += ["", "outputs:"]
        lines += [f"  {name}: {one_line(value)}" for name, value in shown["outputs"].items()]
    return "\n".join(lines)


def _reference_lines(shown: Mapping[str, Any]) -> list[str]:
    lines = [
        f"  {one_line(node['path'])}: {node['result_ref']['bytes']:,} bytes, "
        f"{node['result_ref']['ref']}"
        for node in shown["nodes"]
        if node["result_ref"]
    ]
    return ["", "results kept apart (coordinator runs result RUN NODE):", *lines] if lines else []


def _artifact_lines(shown: Mapping[str, Any]) -> list[str]:
    made = [node for node in shown["nodes"] if node["artifacts"]]
    lines = [
        f"  {one_line(node['path'])}: {one_line(', '.join(map(name_of, node['artifacts'])), 200)}"
        for node in made
    ]
    return ["", "artifacts:", *lines] if lines else []


def _ended(shown: Mapping[str, Any]) -> str:
    return f"\nended     {shown['ended_at']}" if shown["ended_at"] else ""


def _why(node: Mapping[str, Any]) -> str:
    told = node["reason"]
    error = _error(node["error"]) if node["error"] else ""
    return one_line(told if told and told not in error else error or told, 100)


def _error(error: Mapping[str, Any]) -> str:
    node = str(error.get("node") or "").partition("@")[0]
    place = f" (at {node})" if node else ""
    return one_line(f"{error.get('class', '')}: {error.get('message', '')}{place}", 500)


def why_json(definition: Workflow, state: RunState, serving: Serving) -> dict[str, Any]:
    """What a run waits for, and why nodes that did not succeed did not."""
    record = state.record
    return {
        "run": state.id,
        "status": record.status.value,
        "waiting_on": [wait._asdict() for wait in waits(definition, state, serving)],
        "ended": [ending._asdict() for ending in endings(definition, state)],
        "error": dict(record.error) if record.error is not None else None,
    }


def why_text(shown: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"{shown['run']} is {shown['status']}"]
    if shown["error"]:
        lines.append(f"because {_error(shown['error'])}")
    if shown["waiting_on"]:
        lines += ["", "waiting:"]
        cells = [
            [one["path"] or "(run)", one["kind"], one["detail"]] for one in shown["waiting_on"]
        ]
        lines.append(table(["path", "kind", "on what"], cells))
    if shown["ended"]:
        lines += ["", "did not succeed:"]
        for one in shown["ended"]:
            lines.append(f"  {one_line(one['path'])}  {one['status']}: {_why(one)}")
            if isinstance(one["operands"], Mapping):
                lines += [f"      {name} = {one_line(v)}" for name, v in one["operands"].items()]
    return "\n".join(lines)


def journal_json(record: JournalRecord) -> dict[str, Any]:
    """One entry of a journal."""
    from coordinator.core.codec import event_data

    event = event_data(record.entry.event)
    return {
        "id": record.id,
        "at": rfc3339(record.entry.event.at_ms),
        "type": event.pop("type"),
        "moves": [moved_json(*move) for move in record.entry.moves if "@" not in move[0]],
        "event": event,
    }


def moved_json(path: str, status: str, attempt: int) -> dict[str, Any]:
    """A node came to a status."""
    return {"path": path, "status": status, "attempt": attempt}


def journal_text(shown: Mapping[str, Any]) -> str:
    """The same for people, on one line."""
    about = shown["event"]
    told = [
        str(about[key])
        for key in ("node", "kind", "answer", "name", "by", "verdict")
        if about.get(key)
    ]
    moves = ", ".join(f"{move['path']} {move['status']}" for move in shown["moves"])
    line = f"{shown['at']}  {shown['type']:<9} {' '.join(told)}"
    return one_line(f"{line}  -> {moves}" if moves else line, 400)


def age(now_ms: int, since_ms: int) -> str:
    """How long ago something was."""
    return duration_text(max(0, now_ms - since_ms))
