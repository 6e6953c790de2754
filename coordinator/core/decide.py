"""The decider: what an event does to a run.

`decide` is the whole engine. It is synchronous and deterministic: the same definition, state and
event always give the same decision, so a run can be replayed, simulated and checked by calling it
in a loop. Its cost depends on what the event touches, never on how large the run is.

A reply, an answer or a time limit settles a node; word of that goes on an agenda of small items
(`turn.py`); taking items off it starts dependents (`flow.py`), sends requests (`attempts.py`),
begins and ends waits (`waits.py`), moves containers on (`containers.py`) and, at the very end, the
run's phases (`phases.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from coordinator.core import attempts, containers, flow, hands, items, phases, reopen, waits
from coordinator.core.commands import Command, ContinueLater
from coordinator.core.context import RunScope
from coordinator.core.definition import ErrorClass, Workflow
from coordinator.core.events import (
    MANUAL,
    AdvanceRequested,
    Answered,
    CancelRequested,
    Continued,
    ContinueRequested,
    Event,
    PatchRequested,
    PauseRequested,
    Replied,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    Signalled,
    SkipRequested,
    SlotGranted,
    SlotRefused,
    TerminateRequested,
    TimerFired,
    TimerKind,
)
from coordinator.core.kept import is_of_phase
from coordinator.core.settle import error_of
from coordinator.core.slots import waits_for_slot
from coordinator.core.state import (
    RUN_MOVES,
    Changes,
    IllegalMoveError,
    Phase,
    RunHead,
    RunRecord,
    RunState,
    RunStatus,
)
from coordinator.core.templates import TemplateError
from coordinator.core.turn import LAND, PREPARE, RELEASE, ROLLBACK, Turn


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an event.

    `ignored` names why a late or repeated event changed nothing; `refused` says why an event can
    never apply. With either, `state` is the state that came in and there is nothing to commit.
    """

    state: RunState
    commands: tuple[Command, ...]
    changes: Changes | None
    moves: tuple[tuple[str, str, int], ...] = ()
    ignored: str = ""
    refused: str = ""


class NoSuchRunError(Exception):
    """An event for a run that never started."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} does not exist")
        self.run = run


def decide(definition: Workflow, state: RunState | None, event: Event) -> Decision:
    """What `event` makes of a run of `definition` that is in `state` (None: it has not begun).

    Raises:
        NoSuchRunError: there is no state, and the event is not the one that begins a run.
    """
    is_new = state is None
    if state is None:
        if not isinstance(event, RunStarted):
            raise NoSuchRunError(event.run)
        state = _newborn(definition, event)
    elif isinstance(event, RunStarted):
        return Decision(state, (), None, ignored="repeated")
    elif state.record.status.is_final and not isinstance(event, RetryRequested):
        return Decision(state, (), None, ignored="ended")
    turn = Turn(definition, state, event)
    _apply(turn, event)
    if turn.refused or turn.ignored:
        return Decision(state, (), None, ignored=turn.ignored, refused=turn.refused)
    _work_off(turn)
    return _decision(turn, is_new=is_new)


def _newborn(definition: Workflow, event: RunStarted) -> RunState:
    head = RunHead(
        workflow=definition.id,
        version=definition.version,
        digest=definition.digest,
        revision=event.revision,
        task=event.task,
        params=event.params,
        variables={},
        env=event.env,
        created_ms=event.at_ms,
        seed=event.seed or event.id,
        may_push=event.may_push,
        parent=event.parent,
    )
    by_hand = MANUAL if event.advance == MANUAL else ""
    record = RunRecord(at_ms=event.at_ms, advance=by_hand, files=event.files)
    if event.problem:
        return RunState(event.run, head, record)
    bare = Turn(definition, RunState(event.run, head, record), event)
    scope = RunScope(bare)
    try:
        variables = {name: value.render(scope) for name, value in definition.variables.items()}
    except TemplateError as error:
        told = error_of(ErrorClass.STEP_ERROR, f"variables: {error}")
        return RunState(event.run, head, record._replace(outcome="failed", error=told))
    return RunState(event.run, head._replace(variables=variables), record)


def _apply(turn: Turn, event: Event) -> None:
    match event:
        case RunStarted(problem=problem):
            phases.refuse(turn, problem) if problem else _begin(turn)
        case Replied():
            attempts.on_reply(turn, event)
        case TimerFired(kind=TimerKind.RUN_TIMEOUT):
            phases.on_run_timeout(turn, event.attempt)
        case TimerFired():
            attempts.on_timer(turn, event)
        case Answered():
            attempts.on_answer(turn, event)
        case Signalled():
            waits.on_signal(turn, event)
        case Continued():
            turn.ignored = "" if turn.agenda else "repeated"
        case (
            ContinueRequested()
            | RetryRequested()
            | SkipRequested()
            | PatchRequested()
            | AdvanceRequested()
        ):
            hands.apply(turn, event)
        case SlotGranted() | SlotRefused():
            phases.on_slot(turn, event)
        case _:
            _steer(turn, event)


def _steer(
    turn: Turn,
    event: CancelRequested | TerminateRequested | PauseRequested | ResumeRequested,
) -> None:
    match event:
        case CancelRequested():
            phases.cancel(turn, by=event.by, reason=event.reason)
        case TerminateRequested():
            phases.terminate(turn, by=event.by, reason=event.reason)
        case PauseRequested():
            phases.pause(turn)
        case ResumeRequested():
            phases.resume(turn)
        case _:
            assert_never(event)


def _begin(turn: Turn) -> None:
    if turn.record.outcome:
        turn.record = turn.record._replace(status=RunStatus.RUNNING)
        phases.advance(turn)
    else:
        phases.begin(turn)


def _complete(turn: Turn, scope: str) -> None:
    if is_of_phase(scope):
        phases.advance(turn)
    elif scope.endswith("]"):
        items.end_item(turn, scope)
    else:
        containers.complete(turn, scope)


def _settled(turn: Turn, path: str, begin: str) -> None:
    if path == PREPARE:
        phases.on_prepared(turn)
    elif path in (RELEASE, ROLLBACK):
        phases.advance(turn)
    elif path.endswith(LAND):
        attempts.on_landed(turn, path)
    else:
        flow.on_settled(turn, path, int(begin))


_WORK: Final[Mapping[str, Callable[..., None]]] = {
    "start": flow.start,
    "let go": flow.let_go,
    "again": flow.again,
    "ask": attempts.ask,
    "land": attempts.land,
    "signalled": waits.deliver,
    "open": containers.open_fallback,
    "items": items.start_items,
    "children": lambda turn, scope, begin: containers.start_children(turn, scope, int(begin)),
    "restart": lambda turn, scope, begin: containers.restart(turn, scope, int(begin)),
    "mark": lambda turn, scope, begin, named: reopen.mark(turn, scope, int(begin), named),
    "mark items": lambda turn, path, at, named: reopen.mark_items(turn, path, int(at), named),
    "marked": reopen.marked,
    "forget": reopen.forget,
    "reopened": phases.reopened,
    "settled": _settled,
    "complete": _complete,
    "cancel": lambda turn, scope, begin: flow.cancel_children(turn, scope, int(begin)),
}
"""What each kind of agenda item means."""


def _work_off(turn: Turn) -> None:
    while turn.agenda and not turn.is_full:
        kind, *arguments = turn.agenda.popleft()
        _WORK[kind](turn, *arguments)


def _decision(turn: Turn, *, is_new: bool) -> Decision:
    had_agenda, event = bool(turn.state.record.agenda), turn.event
    if turn.agenda and (not had_agenda or isinstance(event, Continued)):
        turn.command(ContinueLater())
    record = turn.record._replace(
        status=_status(turn),
        at_ms=turn.at_ms,
        agenda=tuple(turn.agenda),
        settled=turn.settled,
        starts=turn.starts,
        running=turn.running,
        waiting=turn.waiting,
    )
    _check_run_move(turn.state.record.status, record.status)
    before = turn.state
    after = RunState(
        before.id,
        before.head,
        record,
        before.nodes.updated(turn.nodes),
        before.scopes.updated(turn.scopes),
        before.results.updated(turn.results),
        before.values.updated(turn.values),
    )
    changes = Changes(
        head=before.head if is_new else None,
        record=record,
        nodes=turn.nodes,
        scopes=turn.scopes,
        results=turn.results,
        values=turn.values,
    )
    return Decision(after, tuple(turn.commands), changes, tuple(turn.moves))


def _status(turn: Turn) -> RunStatus:
    if turn.record.phase is Phase.ENDED:
        return turn.record.status
    if turn.record.paused_ms:
        return RunStatus.PAUSED
    if waits_for_slot(turn.record):
        return RunStatus.PENDING
    if turn.waiting and not turn.running and not turn.agenda:
        return RunStatus.WAITING
    return RunStatus.RUNNING


def _check_run_move(before: RunStatus, after: RunStatus) -> None:
    """A run passes through `running` within a decision, so that only its end is compared."""
    if before is after or before is RunStatus.PENDING:
        return
    through = RUN_MOVES[RunStatus.RUNNING] if before.is_final else frozenset()
    if after not in RUN_MOVES[before] | through:
        raise IllegalMoveError("run", before, after)
