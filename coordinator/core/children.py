"""Runs that steps of other runs start: what one is begun with, and how its end is told.

A step that runs a workflow is an `Ask` like every other, whose request is the beginning of a run
and whose reply is that run's end. The two runs know each other by ids alone, and talk through their
inboxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.core.commands import ParentReply
from coordinator.core.definition import Ask, ErrorClass
from coordinator.core.events import Failure, Parent
from coordinator.core.ids import attempt_token, child_run_id, message_id
from coordinator.core.parameters import read_values
from coordinator.core.state import RunStatus
from coordinator.core.turn import Turn

MAX_DEPTH: Final = 20
"""How many runs may be above one."""


def child_of(turn: Turn, path: str) -> str:
    """The id of the run that does the node's attempt, which begins now."""
    return child_run_id(turn.at_ms, message_id(turn.state.id, path, turn.node(path).attempt))


def refusal(turn: Turn, asked: Ask, params: object) -> str:
    """Why the child run cannot begin with these params; empty when it can."""
    above = turn.head.parent.depth if turn.head.parent else 0
    if above >= MAX_DEPTH:
        return f"{above} runs are above this one already; workflows nest {MAX_DEPTH} deep at most"
    given = _mapping(params)
    declared = {each.name for each in asked.parameters}
    unknown = [name for name in given if name not in declared]
    problems = [f'{asked.target} has no parameter "{name}"' for name in unknown]
    problems += read_values(asked.parameters, given)[1]
    return f"params of {asked.target}: {'; '.join(problems)}" if problems else ""


def child_payload(turn: Turn, path: str, asked: Ask, params: object) -> dict[str, object]:
    """What the child run begins with."""
    state, head, files = turn.node(path), turn.head, turn.record.files
    owner = head.parent.files_of if head.parent else ""
    parent = Parent(
        run=turn.state.id,
        node=path,
        attempt=state.attempt,
        token=attempt_token(head.seed, path, state.attempt),
        depth=(head.parent.depth if head.parent else 0) + 1,
        files_of=(owner or turn.state.id) if files is not None else "",
        keys=_keys_held(turn),
    )
    return {
        "run": state.child,
        "workflow": asked.target,
        "digest": asked.child,
        "revision": head.revision,
        "task": head.task,
        "params": read_values(asked.parameters, _mapping(params))[0],
        "env": head.env,
        "may_push": head.may_push,
        "files": files,
        "parent": parent._asdict(),
    }


def _keys_held(turn: Turn) -> tuple[str, ...]:
    above, own = turn.head.parent, turn.record.slot
    return (*(above.keys if above else ()), *([own] if own else []))


def works_for_parent(turn: Turn) -> bool:
    """Whether the run's files are those of the run that started it."""
    return turn.head.parent is not None and bool(turn.head.parent.files_of)


def reply_of(turn: Turn) -> ParentReply | None:
    """What the run's end tells the step that started it; None where no step did."""
    parent, record = turn.head.parent, turn.record
    if parent is None:
        return None
    failure, verdict, result = _failure(turn), None, None
    if failure is None:
        verdict, result = _verdict(turn), record.outputs
    changed = bool(parent.files_of and record.files_as_of)
    files = {**(record.files or {}), "as_of": record.files_as_of} if changed else None
    return ParentReply(
        parent=parent,
        child=turn.state.id,
        verdict=verdict,
        result=result,
        failure=failure,
        files=files,
    )


def _failure(turn: Turn) -> Failure | None:
    error = turn.record.error or {}
    said, kind = str(error.get("message", "")), str(error.get("class", ErrorClass.STEP_ERROR))
    place = str(error.get("node") or "").partition("@")[0]
    who = f"run {turn.state.id} of {turn.head.workflow}"
    match turn.record.status:
        case RunStatus.SUCCEEDED:
            return None
        case RunStatus.STOPPED:
            message = f"{who} stopped: {said or 'it did not get where it was to go'}"
            return Failure(error_class=kind, message=message)
        case RunStatus.CANCELLED:
            return Failure(error_class=ErrorClass.CANCELLED, message=f"{who}: {said}")
        case _:
            at = f" at {place}" if place else ""
            return Failure(error_class=kind, message=f"{who} failed{at}: {said}")


def _verdict(turn: Turn) -> str | None:
    tally = turn.scope("")
    return tally.verdict if tally else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
