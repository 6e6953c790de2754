"""An attempt of an `Ask`: from the request to its reply, its answer or its time limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.core.artifacts import forget_artifacts, keep_artifacts
from coordinator.core.children import child_of, child_payload, refusal
from coordinator.core.commands import AskHuman, SendRequest
from coordinator.core.context import RunScope
from coordinator.core.contracts import is_invalid, is_refused, verdict_of
from coordinator.core.definition import (
    DEFAULT_TIMEOUT_MS,
    Ask,
    Channel,
    ErrorClass,
    Files,
    Node,
    ask_of,
)
from coordinator.core.durations import DurationError
from coordinator.core.events import Answered, Failure, Replied, ReplyStatus, TimerFired, TimerKind
from coordinator.core.failures import fail
from coordinator.core.forms import form_problems
from coordinator.core.ids import CHILDREN, OURSELVES, attempt_token, entry_order
from coordinator.core.payload import persona_payload, run_files, work_payload
from coordinator.core.questions import about, in_words, with_changed_params
from coordinator.core.reviews import decide_escalation, decide_review
from coordinator.core.settle import (
    anew,
    asked_target,
    end_attempt,
    is_first_to_land,
    is_landing,
    is_shut,
    join_patchers,
    try_again,
)
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.success import succeed
from coordinator.core.templates import TemplateError, Value
from coordinator.core.turn import LAND, PATCH, Turn, parent_scope
from coordinator.core.waits import on_time, rendered_ms

_HUMANS: Final = (NodeStatus.WAITING, NodeStatus.AWAITING_REVIEW)
"""Where a node is while a question about it is open."""


def ask(turn: Turn, path: str) -> None:
    """Begin the next attempt of the node at `path`."""
    node, state = turn.define(path), turn.node(path)
    primitive = ask_of(node)
    if state.status.is_settled:
        return
    channel = asked_target(node, state)[0]
    forget_artifacts(turn, path)
    state = _begun(turn, state, channel)
    turn.move(path, state)
    if primitive.files is Files.PATCH:
        join_patchers(turn, path, node)
    scope = RunScope(turn, path.removesuffix(LAND))
    try:
        params = with_changed_params(state, primitive.params.render(scope))
        timeout = _milliseconds(primitive.timeout, scope)
        deadline = _milliseconds(primitive.deadline, scope)
    except (TemplateError, DurationError) as error:
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=str(error)))
        return
    if is_refused(turn, path, node, params):
        return
    match channel:
        case Channel.HUMAN:
            _ask_human(turn, path, node, params, deadline)
        case Channel.CHILD:
            _start_child(turn, path, primitive, params, timeout)
        case _:
            timeout = DEFAULT_TIMEOUT_MS if timeout is None else timeout
            build = work_payload if channel is Channel.WORK else persona_payload
            payload = build(turn, path, node, params=params, timeout_ms=timeout)
            _send(turn, path, payload, timeout, deadline)


def _begun(turn: Turn, state: NodeState, channel: Channel) -> NodeState:
    """The node's state with the next attempt under way."""
    is_human = channel is Channel.HUMAN
    return state._replace(
        status=NodeStatus.WAITING if is_human else NodeStatus.RUNNING,
        attempt=state.attempt + 1,
        started_ms=state.started_ms or turn.at_ms,
        verdict=None,
        reason="waits for a human" if is_human else "",
        child="",
    )


def _milliseconds(value: Value | int | None, scope: RunScope) -> int | None:
    return None if value is None else rendered_ms(value, scope)


def _start_child(
    turn: Turn, path: str, primitive: Ask, params: object, timeout: int | None
) -> None:
    problem = refusal(turn, primitive, params)
    if problem:
        fail(turn, path, Failure(error_class=ErrorClass.REFUSED, message=problem))
        return
    state, child = turn.node(path), child_of(turn, path)
    turn.note(path, state._replace(child=child, reason=f"run {child}"))
    _send(turn, path, child_payload(turn, path, primitive, params), timeout, None)


def _send(
    turn: Turn,
    path: str,
    payload: Mapping[str, object],
    timeout: int | None,
    deadline: int | None,
) -> None:
    state = turn.node(path)
    channel, target = asked_target(turn.define(path), state)
    turn.count(running=1)
    turn.command(
        SendRequest(
            channel=channel,
            target=target,
            node=path,
            attempt=state.attempt,
            token=attempt_token(turn.head.seed, path, state.attempt),
            payload=payload,
            deadline_ms=None if deadline is None else turn.at_ms + deadline,
        )
    )
    if timeout is not None:
        turn.set_timer(path, state.attempt, TimerKind.TIMEOUT, timeout)


def _ask_human(turn: Turn, path: str, node: Node, params: object, deadline: int | None) -> None:
    primitive, attempt = ask_of(node), turn.node(path).attempt
    turn.count(waiting=1)
    question = {
        **about(turn, node, turn.node(path)),
        "title": node.name or node.id,
        "form": primitive.form,
        "assignees": primitive.assignees,
        "answers": ["approve", "reject"],
        "deadline_ms": None if deadline is None else turn.at_ms + deadline,
        "params": params,
        "prompt": (turn.node(path).changed or {}).get("prompt"),
    }
    turn.command(AskHuman(node=path, attempt=attempt, kind="human", question=question))
    if deadline is not None:
        turn.set_timer(path, attempt, TimerKind.DEADLINE, deadline)


def on_reply(turn: Turn, event: Replied) -> None:
    """Apply a reply, if it is to the attempt in flight; streams deliver at least once."""
    if not turn.is_known(event.node):
        turn.refused = f"the run has no node {event.node!r}"
        return
    state = turn.find(event.node)
    if state is None or state.status is not NodeStatus.RUNNING or state.attempt != event.attempt:
        turn.ignored = "late"
    elif state.is_handed_on:
        turn.ignored = "repeated"
    elif event.token != attempt_token(turn.head.seed, event.node, event.attempt):
        turn.ignored = "token"
    elif event.sender and event.sender != _expected_sender(turn, event.node, state):
        turn.ignored = "sender"
    elif event.status in (ReplyStatus.PROGRESS, ReplyStatus.BLOCKED):
        turn.ignored = event.status.value
    else:
        _on_final_reply(turn, event, turn.define(event.node))


def _expected_sender(turn: Turn, path: str, state: NodeState) -> str:
    channel, target = asked_target(turn.define(path), state)
    return {Channel.WORK: OURSELVES, Channel.CHILD: CHILDREN}.get(channel, target)


def _on_final_reply(turn: Turn, event: Replied, node: Node) -> None:
    end_attempt(turn, event.node, stop=False)
    failure = event.failure
    if event.files:
        _take_files(turn, event)
    if event.status is ReplyStatus.ERROR:
        failure = failure or Failure(
            error_class=ErrorClass.PERSONA_ERROR, message="no reason given"
        )
        fail(turn, event.node, failure)
        return
    primitive = ask_of(node)
    if event.patch and primitive.files is not Files.PATCH:
        message = "the reply changes files, and the persona is not allowed to (files: patch)"
        fail(turn, event.node, Failure(error_class=ErrorClass.REFUSED, message=message))
        return
    conclude(turn, event, node, primitive)


def _take_files(turn: Turn, event: Replied) -> None:
    """Note where the run's files are now, unless something newer is known already: of two child
    runs on one ref, the one that ends last need not be the one that changed it last.
    """
    changed = dict(event.files or {})
    own = entry_order(event.id) or (turn.at_ms, 0)
    as_of = str(changed.pop("as_of", "-".join(map(str, own))))
    known = entry_order(turn.record.files_as_of) or (0, 0)
    if (entry_order(as_of) or own) >= known:
        files = {**run_files(turn), **changed}
        turn.record = turn.record._replace(files=files, files_as_of=as_of)


def conclude(turn: Turn, event: Replied, node: Node, primitive: Ask) -> None:
    """Read what the reply concluded, hold it against the gate, and land its patch."""
    path, verdict = event.node, event.verdict
    keep_artifacts(turn, path, event.artifacts)
    if is_invalid(turn, event, node):
        return
    turn.note(path, turn.node(path)._replace(is_referenced=event.is_reference))
    if asked_target(node, turn.node(path))[0] not in (Channel.WORK, Channel.CHILD):
        verdict = verdict_of(event, tests_required=primitive.tests_required)
    failure = gate_failure(node, verdict)
    if failure is None and not (event.patch and verdict != "fail"):
        succeed(turn, path, verdict=verdict, result=event.result)
        return
    turn.put_result(path, event.result)
    turn.note(path, turn.node(path)._replace(verdict=verdict))
    if failure is not None:
        fail(turn, path, failure)
    elif event.patch:
        _land(turn, path, event.patch)


def gate_failure(node: Node, verdict: str | None) -> Failure | None:
    """The failure of class `gate` that any verdict but the wanted one is."""
    if node.gate is None or verdict == node.gate:
        return None
    message = f"the verdict is {verdict or 'missing'}, and it has to be {node.gate}"
    return Failure(error_class=ErrorClass.GATE, message=message)


def _land(turn: Turn, path: str, patch: Mapping[str, object]) -> None:
    turn.results[path + PATCH] = dict(patch)
    turn.note(path, turn.node(path)._replace(is_handed_on=True))
    if is_first_to_land(turn, path):
        turn.push("land", path)


def land(turn: Turn, path: str) -> None:
    """Have the patch of the node's reply applied, unless that is under way or not wanted now."""
    is_ended = is_shut(turn, parent_scope(path), turn.define(path))
    if turn.node(path).is_handed_on and not is_ended and not is_landing(turn, path):
        ask(turn, path + LAND)


def on_landed(turn: Turn, land_path: str) -> None:
    """The patch was applied, or could not be: the node that made it comes to its end."""
    path = land_path.removesuffix(LAND)
    landed, state = turn.node(land_path), turn.node(path)
    turn.results[path + PATCH] = None
    turn.note(land_path, anew(landed, 0))
    if not state.is_handed_on:  # it was ended, or asked again
        return
    if landed.status is NodeStatus.SUCCEEDED:
        succeed(turn, path, verdict=state.verdict, result=turn.result(path))
        return
    error = landed.error or {}
    turn.note(path, state._replace(is_handed_on=False))
    fail(
        turn,
        path,
        Failure(
            error_class=str(error.get("class", ErrorClass.STEP_ERROR)),
            message=str(error.get("message", "the patch was not applied")),
            retryable=False,
        ),
    )


def on_timer(turn: Turn, event: TimerFired) -> None:
    """A time limit or a pause is over, if it is still the one that counts."""
    if not turn.is_known(event.node):
        turn.refused = f"the run has no node {event.node!r}"
        return
    state = turn.find(event.node)
    if state is None or state.attempt != event.attempt:
        turn.ignored = "late"
        return
    match event.kind, state.status:
        case TimerKind.TIMEOUT, NodeStatus.RUNNING if _is_asked(turn, event.node, state):
            end_attempt(turn, event.node, stop=True)
            message = f"no reply within the time limit (attempt {state.attempt})"
            fail(turn, event.node, Failure(error_class=ErrorClass.TIMEOUT, message=message))
        case TimerKind.RETRY, NodeStatus.BACKING_OFF:
            turn.count(waiting=-1)
            try_again(turn, event.node)
        case TimerKind.DEADLINE, NodeStatus.WAITING if _is_question(state):
            _on_deadline(turn, event)
        case TimerKind.WAIT | TimerKind.TIMEOUT, NodeStatus.WAITING:
            on_time(turn, event)
        case _:
            turn.ignored = "late"


def _is_asked(turn: Turn, path: str, state: NodeState) -> bool:
    """Whether a request of the node is in flight."""
    return not state.is_handed_on and isinstance(turn.define(path).primitive, Ask)


def _is_question(state: NodeState) -> bool:
    """Whether a human step waits for its answer, and not for what to do about its failure."""
    return state.asks_a_human and not state.is_escalated


def _on_deadline(turn: Turn, event: TimerFired) -> None:
    path = event.node
    default = ask_of(turn.define(path)).on_deadline
    end_attempt(turn, path, stop=False)
    if default is None:
        message = "no human answered before the deadline"
        fail(turn, path, Failure(error_class=ErrorClass.HUMAN_TIMEOUT, message=message))
        return
    values = default.get("values")
    said = Answered(
        id=event.id,
        run=event.run,
        at_ms=event.at_ms,
        node=path,
        answer=str(default.get("answer", "reject")),
        by="deadline",
        comment=str(default.get("comment", "")),
        values=values if isinstance(values, Mapping) else {},
    )
    _apply_answer(turn, said)


def on_answer(turn: Turn, event: Answered) -> None:
    """A human answered; the first valid answer counts."""
    state = turn.find(event.node) if turn.is_known(event.node) else None
    is_asked = state is not None and (state.asks_a_human or state.status is not NodeStatus.WAITING)
    if state is None or not is_asked:
        turn.refused = f"nothing at {event.node!r} waits for a human"
        return
    is_other = event.attempt not in (0, state.attempt) or state.answered == event.id
    if state.status not in _HUMANS or is_other:
        turn.ignored = "late"
        return
    node = turn.define(event.node)
    if state.status is NodeStatus.AWAITING_REVIEW:
        decide_review(turn, event)
        return
    if state.is_escalated or not isinstance(node.primitive, Ask):
        decide_escalation(turn, event)
        return
    problems = _answer_problems(node.primitive, event)
    if problems:
        turn.refused = "; ".join(problems)
        return
    end_attempt(turn, event.node, stop=False)
    _apply_answer(turn, event)


def _answer_problems(primitive: Ask, event: Answered) -> list[str]:
    if event.answer not in ("approve", "reject"):
        return [f"{event.answer!r} is no answer here: approve or reject"]
    if primitive.assignees and event.by and event.by not in primitive.assignees:
        return [f"{event.by!r} may not answer; it is for {', '.join(primitive.assignees)}"]
    return form_problems(primitive.form, event.values) if event.answer == "approve" else []


def _apply_answer(turn: Turn, event: Answered) -> None:
    path, node = event.node, turn.define(event.node)
    verdict = "pass" if event.answer == "approve" else "fail"
    result = {
        **event.values,
        "answer": event.answer,
        "by": event.by,
        "comment": event.comment,
    }
    turn.put_result(path, result)
    said = in_words(event.answer, event.by, event.comment)
    turn.note(path, turn.node(path)._replace(verdict=verdict, reason=said, answered=event.id))
    failure = gate_failure(node, verdict)
    if failure is not None:
        message = f"{failure.message} ({said})"
        fail(turn, path, Failure(error_class=ErrorClass.GATE, message=message))
    else:
        succeed(turn, path, verdict=verdict, result=result, reason=said)
