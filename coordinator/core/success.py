"""How a node comes to count as succeeded: its outputs are rendered, and a review may hold it."""

from __future__ import annotations

from coordinator.core.artifacts import list_artifacts
from coordinator.core.commands import AskHuman
from coordinator.core.context import RunScope, result_of
from coordinator.core.definition import ErrorClass, Loop
from coordinator.core.events import Failure
from coordinator.core.failures import fail
from coordinator.core.places import OUTPUTS
from coordinator.core.questions import review_question
from coordinator.core.settle import end, leave_patchers
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.templates import TemplateError
from coordinator.core.turn import Turn


def succeed(
    turn: Turn, path: str, *, verdict: str | None, result: object = None, reason: str = ""
) -> None:
    """The node did what it should; keep what it returned, and what its outputs make of it.

    One that wants a review waits for it. An output that cannot be rendered fails the attempt.
    """
    done = _done(turn, path, verdict, result, reason)
    if not _gives_outputs(turn, path, done):
        return
    if turn.define(path).review:
        _await_review(turn, path, done)
    else:
        _succeed(turn, path, done)


def accept(
    turn: Turn, path: str, *, verdict: str | None, result: object = None, reason: str = ""
) -> None:
    """A human says that the node has succeeded."""
    was_reviewed = turn.node(path).status is NodeStatus.AWAITING_REVIEW
    if not was_reviewed:
        turn.note(path, turn.node(path)._replace(is_referenced=False))
    done = _done(turn, path, verdict, result, reason)
    if was_reviewed or _gives_outputs(turn, path, done):
        _succeed(turn, path, done)


def _done(turn: Turn, path: str, verdict: str | None, result: object, reason: str) -> NodeState:
    turn.put_result(path, result)
    state = turn.node(path)
    said = reason or state.reason
    return state._replace(verdict=verdict, error=None, reason=said, is_handed_on=False)


def _gives_outputs(turn: Turn, path: str, done: NodeState) -> bool:
    """Render and keep the node's outputs; whether that worked."""
    values = turn.define(path).outputs
    if not values:
        return True
    scope = _OutputScope(turn, path, done.verdict)
    outputs: dict[str, object] = {}
    for name, value in values.items():
        try:
            outputs[name] = value.render(scope)
        except TemplateError as error:
            message = f"outputs.{name}: {error}"
            has_fallen_back = turn.scope(f"{path}/fallback") is not None
            failure = Failure(
                error_class=ErrorClass.STEP_ERROR,
                message=message,
                retryable=False if has_fallen_back else None,
            )
            fail(turn, path, failure)
            return False
    turn.results[path + OUTPUTS] = outputs
    return True


class _OutputScope(RunScope):
    """What a step's outputs can read: besides all else, what it returned and concluded."""

    __slots__ = ("_node", "_verdict")

    def __init__(self, turn: Turn, path: str, verdict: str | None) -> None:
        is_loop = isinstance(turn.define(path).primitive, Loop)
        super().__init__(turn, f"{path}#{turn.node(path).iteration}/" if is_loop else path)
        self._node = path
        self._verdict = verdict

    def __getitem__(self, name: str) -> object:
        if name == "result":
            return result_of(self._run, self._node)
        return self._verdict if name == "verdict" else super().__getitem__(name)

    def _keys(self) -> list[str]:
        return sorted({*super()._keys(), "result", "verdict"})


def _succeed(turn: Turn, path: str, done: NodeState) -> None:
    ended = done._replace(
        status=NodeStatus.SUCCEEDED,
        is_done=False,
        ended_ms=turn.at_ms,
        started_ms=done.started_ms or turn.at_ms,
        settled=turn.settled + 1,
    )
    list_artifacts(turn, path, ended.settled)
    end(turn, path, ended)


def _await_review(turn: Turn, path: str, done: NodeState) -> None:
    turn.move(
        path,
        done._replace(status=NodeStatus.AWAITING_REVIEW, is_done=True, reason="waits for a review"),
    )
    turn.count(waiting=1)
    leave_patchers(turn, path)
    question = review_question(turn, path)
    turn.command(AskHuman(node=path, attempt=done.attempt, kind="review", question=question))
