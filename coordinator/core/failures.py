"""What a failed attempt leads to: another attempt, a fallback, a human, or the node's failure."""

from __future__ import annotations

from coordinator.core.commands import AskHuman
from coordinator.core.definition import Ask, Backoff, ErrorClass, Node, OnErrorAction, Retry
from coordinator.core.events import Failure, TimerKind
from coordinator.core.ids import jitter
from coordinator.core.kept import shut_kept
from coordinator.core.questions import about
from coordinator.core.settle import error_of, settle, try_again
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.turn import Turn


def fail(turn: Turn, path: str, failure: Failure, *, origin: str = "") -> None:
    """The node's attempt is over and failed; its request, if any, has been taken back already, and
    what it kept is cancelled.

    `origin` names the node inside a container that the failure came from.
    """
    shut_kept(turn, path)
    node, state = turn.define(path), turn.node(path)
    error = error_of(failure.error_class, failure.message, origin)
    turn.note(path, state._replace(error=error, is_handed_on=False))
    delay = retry_delay_ms(turn, node, turn.node(path), failure)
    if delay is not None:
        back_off(turn, path, delay)
    else:
        _give_up(turn, path, node, state, failure)


def retry_delay_ms(turn: Turn, node: Node, state: NodeState, failure: Failure) -> int | None:
    """How long to wait before the next attempt; None when there is none.

    The pause grows by the step's backoff, up to a quarter longer by the event's seed, and never
    above `max_delay`.
    """
    retry = node.retry
    if failure.retryable is False or failure.error_class not in retry.on:
        return None
    tried = state.attempt - state.spent
    if tried >= retry.max_attempts:
        return None
    delay = min(_grown(retry, tried), retry.max_delay_ms)
    seed = turn.event.seed or turn.head.seed
    delay = min(
        int(delay * (1 + 0.25 * jitter(seed, node.path, state.attempt))), retry.max_delay_ms
    )
    if retry.max_total_ms is not None:
        spent = turn.at_ms - state.started_ms
        if spent + delay > retry.max_total_ms:
            return None
    return max(delay, 1)


def _grown(retry: Retry, attempt: int) -> int:
    match retry.backoff:
        case Backoff.CONSTANT:
            return retry.delay_ms
        case Backoff.LINEAR:
            return retry.delay_ms * attempt
        case Backoff.EXPONENTIAL:
            return retry.delay_ms << min(attempt - 1, 40)


def back_off(turn: Turn, path: str, delay_ms: int) -> None:
    """Wait, then try again."""
    state = turn.node(path)
    turn.move(path, state._replace(status=NodeStatus.BACKING_OFF))
    turn.set_timer(path, state.attempt, TimerKind.RETRY, delay_ms)
    turn.count(waiting=1)


def _give_up(turn: Turn, path: str, node: Node, state: NodeState, failure: Failure) -> None:
    on_error = node.on_error
    match on_error.action:
        case OnErrorAction.CONTINUE:
            turn.note(path, turn.node(path)._replace(is_tolerated=True))
            settle(turn, path, NodeStatus.FAILED, reason=f"tolerated: {failure.message[:200]}")
        case OnErrorAction.FALLBACK if _may_ask_another(node, state, failure):
            turn.note(path, turn.node(path)._replace(persona=on_error.persona or ""))
            try_again(turn, path)
        case OnErrorAction.FALLBACK if on_error.graph and not turn.scope(f"{path}/fallback"):
            handed_on = turn.node(path)._replace(status=NodeStatus.RUNNING, is_handed_on=True)
            turn.move(path, handed_on)
            turn.push("open", f"{path}/fallback")
        case OnErrorAction.ESCALATE if failure.error_class != "cancelled":
            escalate(turn, path, node)
        case OnErrorAction.ROLLBACK:
            turn.record = turn.record._replace(rolls_back=True)
            settle(turn, path, NodeStatus.FAILED, reason=failure.message[:200])
        case _:
            settle(turn, path, NodeStatus.FAILED, reason=failure.message[:200])


def _may_ask_another(node: Node, state: NodeState, failure: Failure) -> bool:
    """Whether the persona named as fallback is asked; out of steps (`max_steps`) none is."""
    is_first = bool(node.on_error.persona) and not state.persona
    has_steps_left = failure.error_class != ErrorClass.EXHAUSTED
    return is_first and has_steps_left and isinstance(node.primitive, Ask)


def escalate(turn: Turn, path: str, node: Node) -> None:
    """Put the failure before a human, who decides: `retry`, `skip`, `continue` or `abort`."""
    state = turn.node(path)
    reason = "escalated to a human"
    turn.move(path, state._replace(status=NodeStatus.WAITING, is_escalated=True, reason=reason))
    turn.count(waiting=1)
    question = {
        **about(turn, node, state),
        "title": f"{node.name or node.id} failed: what now?",
        "error": dict(state.error or {}),
        "answers": ["retry", "skip", "continue", "abort"],
    }
    turn.command(AskHuman(node=path, attempt=state.attempt, kind="escalation", question=question))
