"""One run on a virtual clock.

Nothing here decides anything: `decide` is called in a loop, its commands are carried out by a
script of replies, and time jumps from one event to the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

from coordinator.core.commands import (
    ClearTimer,
    Command,
    ContinueLater,
    SendRequest,
    SetTimer,
    SettleRequest,
)
from coordinator.core.decide import Decision, decide
from coordinator.core.definition import Workflow
from coordinator.core.events import (
    Answered,
    CancelRequested,
    Continued,
    Event,
    Failure,
    PauseRequested,
    Replied,
    ReplyStatus,
    ResumeRequested,
    RunStarted,
    Signalled,
    TerminateRequested,
    TimerFired,
)
from coordinator.core.ids import RunId, run_id_for
from coordinator.core.report import rows
from coordinator.core.state import NodeStatus, RunState, RunStatus
from coordinator.simulation.script import (
    ANSWERS,
    PASS_AT_ONCE,
    Script,
    ScriptedReply,
    ScriptedSignal,
)

MOST_EVENTS: Final = 200_000
_RAN: Final = frozenset({NodeStatus.RUNNING, NodeStatus.SUCCEEDED})
"""What only a node that ran can be, whether or not its kind counts attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """Somebody was asked."""

    at_ms: int
    path: str
    attempt: int
    persona: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What became of the run."""

    definition: Workflow
    state: RunState
    status: str
    virtual_ms: int
    requests: tuple[SimulatedRequest, ...]
    events: tuple[Event, ...]
    refusals: tuple[str, ...] = ()
    """Signals that could not apply, in words."""
    started: tuple[str, ...] = ()
    """Every node that ran, in the order of their first starts."""

    def to_json(self) -> dict[str, object]:
        """The shape that `coordinator simulate` prints."""
        error = self.state.record.error
        return {
            "status": self.status,
            "virtual_seconds": _seconds(self.virtual_ms),
            "nodes": [
                {
                    "path": row.path,
                    "type": row.type,
                    "status": row.status,
                    "verdict": row.verdict,
                    "attempts": row.attempts,
                    "reason": row.reason,
                }
                for row in rows(self.definition, self.state)
            ],
            "requests": [
                {
                    "at_seconds": _seconds(request.at_ms),
                    "path": request.path,
                    "attempt": request.attempt,
                    "persona": request.persona,
                    "payload": request.payload,
                }
                for request in self.requests
            ],
            "outputs": self.state.record.outputs,
            "error": dict(error) if error is not None else None,
            "refused": list(self.refusals),
        }


def _seconds(milliseconds: int) -> int | float:
    return milliseconds // 1_000 if milliseconds % 1_000 == 0 else milliseconds / 1_000


def simulate(
    workflow: Workflow,
    *,
    task: Mapping[str, object] | None = None,
    params: Mapping[str, object] | None = None,
    script: Script | None = None,
    until_ms: int | None = None,
) -> Simulation:
    """Run `workflow` for a (normalised) task with checked params until it ends or cannot move.

    The same arguments always give the same simulation.
    """
    world = _World(workflow, script or Script())
    world.begin(task or {}, params or {})
    world.play(until_ms)
    return world.report()


class _Stamp(TypedDict):
    id: str
    run: str
    at_ms: int
    seed: str


@dataclass
class _World:
    definition: Workflow
    script: Script
    state: RunState | None = None
    now_ms: int = field(init=False)
    queue: list[tuple[int, int, int, Event]] = field(default_factory=list)
    timers: dict[tuple[str, int, str], int] = field(default_factory=dict)
    requests: list[SimulatedRequest] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    started: dict[str, None] = field(default_factory=dict)
    number: int = 0
    run: RunId = field(init=False)

    def __post_init__(self) -> None:
        self.now_ms = self.script.start_ms
        self.run = run_id_for(f"{self.now_ms}-0")

    def begin(self, task: Mapping[str, object], params: Mapping[str, object]) -> None:
        event = RunStarted(
            id="0",
            run=self.run,
            at_ms=self.now_ms,
            seed=f"seed {self.script.seed}",
            workflow=self.definition.id,
            digest=self.definition.digest,
            task=task,
            params=params,
            env=self.definition.env,
        )
        for signal in self.script.signals:
            self._schedule(self.script.start_ms + signal.at_ms, 1, self._signal(signal))
        self._happen(event)

    def play(self, until_ms: int | None) -> None:
        while self.queue and not self._state.record.status.is_final:
            due, _, number, event = heapq.heappop(self.queue)
            if isinstance(event, TimerFired) and not self._is_due(event, number):
                continue
            if until_ms is not None and due - self.script.start_ms > until_ms:
                self.now_ms = self.script.start_ms + until_ms
                return
            if len(self.events) >= MOST_EVENTS:
                self.refusals.append(f"the simulation was ended after {MOST_EVENTS} events")
                return
            self.now_ms = max(self.now_ms, due)
            self._happen(event)

    def report(self) -> Simulation:
        status = self._state.record.status
        is_stuck = not status.is_final and status is not RunStatus.PAUSED
        return Simulation(
            definition=self.definition,
            state=self._state,
            status="waiting" if is_stuck else status.value,
            virtual_ms=self.now_ms - self.script.start_ms,
            requests=tuple(self.requests),
            events=tuple(self.events),
            refusals=tuple(self.refusals),
            started=tuple(self.started),
        )

    @property
    def _state(self) -> RunState:
        if self.state is None:
            raise RuntimeError("the simulation has not begun")
        return self.state

    def _happen(self, event: Event) -> None:
        decision: Decision = decide(self.definition, self.state, event)
        self.state = decision.state
        if decision.refused:
            self.refusals.append(decision.refused)
        elif not decision.ignored:
            self.events.append(event)
        for path, status, attempt in decision.moves:
            if (attempt or status in _RAN) and "@" not in path:
                self.started.setdefault(path)
        for command in decision.commands:
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendRequest():
                self._answer(command)
            case SetTimer():
                fired = TimerFired(
                    **self._stamp(command.due_ms),
                    node=command.node,
                    attempt=command.attempt,
                    kind=command.kind,
                )
                key = (command.node, command.attempt, command.kind.value)
                self.timers[key] = self._schedule(command.due_ms, 2, fired)
            case ClearTimer():
                self.timers.pop((command.node, command.attempt, command.kind.value), None)
            case ContinueLater():
                self._schedule(self.now_ms, 0, Continued(**self._stamp(self.now_ms)))
            case SettleRequest():
                pass
            case _:
                pass

    def _answer(self, request: SendRequest) -> None:
        if "@" not in request.node:
            self.requests.append(
                SimulatedRequest(
                    at_ms=self.now_ms - self.script.start_ms,
                    path=request.node,
                    attempt=request.attempt,
                    persona=request.target,
                    payload=request.payload,
                )
            )
        said = self.script.reply(request.node, request.attempt)
        if said.is_silence:
            return
        due = self.now_ms + said.after_ms
        self._schedule(due, 0, _replied(request, said, self._stamp(due)))

    def _signal(self, signal: ScriptedSignal) -> Event:
        stamp = self._stamp(self.script.start_ms + signal.at_ms)
        if signal.kind in ANSWERS:
            return Answered(
                **stamp,
                node=signal.node,
                answer=signal.kind,
                by=signal.by,
                comment=signal.comment,
                values=signal.values,
            )
        match signal.kind:
            case "signal":
                return Signalled(**stamp, name=signal.name, by=signal.by, values=signal.values)
            case "cancel":
                return CancelRequested(**stamp, by=signal.by, reason=signal.comment)
            case "terminate":
                return TerminateRequested(**stamp, by=signal.by, reason=signal.comment)
            case "pause":
                return PauseRequested(**stamp, by=signal.by)
            case _:
                return ResumeRequested(**stamp, by=signal.by)

    def _is_due(self, event: TimerFired, number: int) -> bool:
        key = (event.node, event.attempt, event.kind.value)
        if self.timers.get(key) != number:
            return False
        del self.timers[key]
        return True

    def _schedule(self, due_ms: int, rank: int, event: Event) -> int:
        """At the same moment replies come before signals, and those before time limits."""
        self.number += 1
        heapq.heappush(self.queue, (due_ms, rank, self.number, event))
        return self.number

    def _stamp(self, at_ms: int) -> _Stamp:
        self.number += 1
        name = f"{self.script.seed}-{self.number}"
        return _Stamp(id=name, run=self.run, at_ms=at_ms, seed=name)


def _replied(request: SendRequest, said: ScriptedReply, stamp: _Stamp) -> Replied:
    failure = None
    if said.error is not None:
        failure = Failure(
            error_class=said.error,
            message=said.message or f"scripted: {said.error}",
            retryable=said.retryable,
        )
    return Replied(
        **stamp,
        node=request.node,
        attempt=request.attempt,
        token=request.token,
        status=ReplyStatus.ERROR if failure else ReplyStatus.DONE,
        verdict=said.verdict,
        result=said.result,
        failure=failure,
        is_stand_in=said is PASS_AT_ONCE,
    )
