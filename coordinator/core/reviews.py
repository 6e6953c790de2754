"""What a human decides about a node: after its failure, or before its success counts."""

from __future__ import annotations

from coordinator.core.definition import ErrorClass
from coordinator.core.events import Answered, Failure
from coordinator.core.failures import fail
from coordinator.core.questions import changes_problem, in_words, with_changes
from coordinator.core.settle import another_round, end_attempt, leave_out, settle
from coordinator.core.state import NodeStatus
from coordinator.core.success import accept
from coordinator.core.turn import Turn


def decide_review(turn: Turn, event: Answered) -> None:
    """A finished node was looked at: it counts, is done again, or is refused."""
    path, state = event.node, turn.node(event.node)
    if not _is_answer(turn, event, ("continue", "retry", "reject")):
        return
    said = in_words(event.answer, event.by, event.comment)
    _conclude_question(turn, event)
    match event.answer:
        case "continue":
            accept(turn, path, verdict=state.verdict, result=turn.result(path), reason=said)
        case "retry":
            another_round(turn, path)
        case _:
            turn.note(path, turn.node(path)._replace(verdict="fail", reason=said))
            refused = Failure(error_class=ErrorClass.REFUSED, message=said, retryable=False)
            fail(turn, path, refused)


def decide_escalation(turn: Turn, event: Answered) -> None:
    """A failure was looked at: another round, another end, or the failure after all."""
    path = event.node
    if not _is_answer(turn, event, ("retry", "skip", "continue", "abort", "reject")):
        return
    said = in_words(event.answer, event.by, event.comment)
    _conclude_question(turn, event)
    turn.note(path, turn.node(path)._replace(reason=said, is_escalated=False))
    match event.answer:
        case "retry":
            another_round(turn, path)
        case "skip":
            leave_out(turn, path, by=event.by)
        case "continue":
            turn.note(path, turn.node(path)._replace(error=None))
            result = dict(event.values) or None
            accept(turn, path, verdict=None, result=result, reason=said)
        case _:
            settle(turn, path, NodeStatus.FAILED)


def _is_answer(turn: Turn, event: Answered, words: tuple[str, ...]) -> bool:
    """Whether the answer is one of `words` and fits; else the turn refuses it."""
    if event.answer not in words:
        listed = f"{', '.join(words[:-1])} or {words[-1]}"
        turn.refused = f"{event.answer!r} is no answer here: {listed}"
    elif event.answer == "retry":
        turn.refused = changes_problem(turn.define(event.node), event.values)
    return not turn.refused


def _conclude_question(turn: Turn, event: Answered) -> None:
    end_attempt(turn, event.node, stop=False)
    state = turn.node(event.node)._replace(answered=event.id)
    if event.answer == "retry":
        state = with_changes(state, event.values, by=event.by, comment=event.comment)
    turn.note(event.node, state)
