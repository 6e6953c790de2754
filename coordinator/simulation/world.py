"""The virtual clock, and everything that happens on it: the run, its children, who answers.

Nothing here decides anything: `decide` is called in a loop, its commands are carried out by a
script of replies, and time jumps from one event to the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from coordinator.core.commands import (
    AcquireSlot,
    ClearTimer,
    Command,
    ContinueLater,
    EndRun,
    ParentReply,
    SendRequest,
    SetTimer,
    SettleRequest,
)
from coordinator.core.decide import Decision, decide
from coordinator.core.definition import Channel, Wait, Workflow
from coordinator.core.events import (
    Answered,
    CancelRequested,
    Continued,
    ContinueRequested,
    Event,
    Failure,
    Parent,
    Replied,
    ReplyStatus,
    RetryRequested,
    RunStarted,
    Signalled,
    SkipRequested,
    SlotGranted,
    TerminateRequested,
    TimerFired,
)
from coordinator.core.ids import run_id_for
from coordinator.core.state import NodeStatus, RunState
from coordinator.simulation.hands import Stamp, event_of
from coordinator.simulation.script import (
    PASS_AT_ONCE,
    Script,
    ScriptedReply,
)

MOST_EVENTS: Final = 200_000
_OF_NODES: Final = (Answered, ContinueRequested, RetryRequested, SkipRequested)
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


@dataclass(slots=True)
class Played:
    """A run on the clock."""

    id: str
    definition: Workflow
    prefix: str = ""
    """What the paths of its nodes begin with: the path of the step that it is for, and a slash."""
    state: RunState | None = None
    timers: dict[tuple[str, int, str], int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state is not None and self.state.record.status.is_final

    def waits_for(self, signal: str) -> bool:
        """Whether one of its steps waits for signals of this name."""
        asked = (node.primitive for node in self.definition.nodes.values())
        return any(isinstance(each, Wait) and each.signal == signal for each in asked)


@dataclass
class World:
    """One simulation at work."""

    definition: Workflow
    script: Script
    now_ms: int = field(init=False)
    queue: list[tuple[int, int, int, Event]] = field(default_factory=list)
    runs: dict[str, Played] = field(default_factory=dict)
    """By id; the first one is the run that is simulated."""
    children: dict[str, Played] = field(default_factory=dict)
    """The last child run of each step, by the path of the step."""
    requests: list[SimulatedRequest] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """Those of the run that is simulated."""
    refusals: list[str] = field(default_factory=list)
    started: dict[str, None] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    """How often a step of a child run was asked, in all runs of that child."""
    number: int = 0
    happened: int = 0
    ended_ms: int | None = None
    retries: int = 0
    """Retries that are still to come; one of a run that has ended lets it go on."""
    root: Played = field(init=False)

    def __post_init__(self) -> None:
        self.now_ms = self.script.start_ms
        self.root = Played(run_id_for(f"{self.now_ms}-0"), self.definition)
        self.runs[self.root.id] = self.root

    @property
    def state(self) -> RunState:
        """Where the run is now."""
        if self.root.state is None:
            raise RuntimeError("the simulation has not begun")
        return self.root.state

    @property
    def virtual_ms(self) -> int:
        """When the run ended; before that, what time it is."""
        now = self.now_ms if self.ended_ms is None else self.ended_ms
        return now - self.script.start_ms

    def begin(self, task: Mapping[str, object], params: Mapping[str, object]) -> None:
        """The task is accepted."""
        event = RunStarted(
            id="0",
            run=self.root.id,
            at_ms=self.now_ms,
            seed=f"seed {self.script.seed}",
            workflow=self.definition.id,
            digest=self.definition.digest,
            task=task,
            params=params,
            env=self.definition.env,
            advance=self.script.advance,
        )
        for signal in self.script.signals:
            stamp = self._stamp(self.script.start_ms + signal.at_ms, self.root.id)
            meant = event_of(signal, stamp)
            self.retries += isinstance(meant, RetryRequested)
            self._schedule(self.script.start_ms + signal.at_ms, 1, meant)
        self._happen(event)

    def play(self, until_ms: int | None) -> None:
        """Let happen what is to come, until all runs have ended, nothing moves, or that time."""
        while self.queue and (self.retries or not self._is_over):
            due, _, number, event = heapq.heappop(self.queue)
            if isinstance(event, TimerFired) and not self._is_due(event, number):
                continue
            if self._is_over and not isinstance(event, RetryRequested):
                continue  # nobody is there any more to whom it could happen
            if until_ms is not None and due - self.script.start_ms > until_ms:
                self.now_ms = self.script.start_ms + until_ms
                return
            if self.happened >= MOST_EVENTS:
                self.refusals.append(f"the simulation was ended after {MOST_EVENTS} events")
                return
            self.now_ms = max(self.now_ms, due)
            for meant in self._meant(event):
                self._happen(meant)

    @property
    def _is_over(self) -> bool:
        return all(run.is_over for run in self.runs.values())

    def _meant(self, event: Event) -> list[Event]:
        """The event, for the runs that it is meant for: the script knows paths, and no runs."""
        if isinstance(event, Signalled):
            hearing = [run for run in self.runs.values() if run.waits_for(event.name)]
            live = [run for run in hearing if not run.is_over]
            return [replace(event, run=run.id) for run in live or [self.root]]
        if isinstance(event, _OF_NODES) and event.run == self.root.id:
            inside = [path for path in self.children if event.node.startswith(f"{path}/")]
            if inside:
                run = self.children[max(inside, key=len)]
                return [replace(event, run=run.id, node=event.node[len(run.prefix) :])]
        return [event]

    def _happen(self, event: Event) -> None:
        run = self.runs[event.run]
        decision: Decision = decide(run.definition, run.state, event)
        run.state = decision.state
        self.happened += 1
        if decision.refused:
            self.refusals.append(decision.refused)
        elif not decision.ignored and run is self.root:
            self.events.append(event)
        for path, status, attempt in decision.moves:
            if (attempt or status in _RAN) and "@" not in path:
                self.started.setdefault(run.prefix + path)
        for command in decision.commands:
            self._carry_out(run, command)
        self.retries -= isinstance(event, RetryRequested)
        if not self.root.is_over:
            self.ended_ms = None
        elif self.ended_ms is None:
            self.ended_ms = self.now_ms

    def _carry_out(self, run: Played, command: Command) -> None:
        match command:
            case SendRequest():
                self._answer(run, command)
            case SetTimer():
                fired = TimerFired(
                    **self._stamp(command.due_ms, run.id),
                    node=command.node,
                    attempt=command.attempt,
                    kind=command.kind,
                )
                key = (command.node, command.attempt, command.kind.value)
                run.timers[key] = self._schedule(command.due_ms, 2, fired)
            case ClearTimer():
                run.timers.pop((command.node, command.attempt, command.kind.value), None)
            case ContinueLater():
                self._schedule(self.now_ms, 0, Continued(**self._stamp(self.now_ms, run.id)))
            case AcquireSlot():
                granted = SlotGranted(**self._stamp(self.now_ms, run.id), attempt=command.attempt)
                self._schedule(self.now_ms, 0, granted)
            case SettleRequest(stop=True, child=child) if child in self.runs:
                self._stop(child, at_once=command.at_once)
            case EndRun(reply=ParentReply() as reply):
                self._schedule(self.now_ms, 0, self._told(reply))
            case _:
                pass

    def _answer(self, run: Played, request: SendRequest) -> None:
        path = run.prefix + request.node
        if request.channel is Channel.CHILD and not self.script.names(path):
            self._start(run, request)
            return
        if "@" not in request.node:
            self.requests.append(
                SimulatedRequest(
                    at_ms=self.now_ms - self.script.start_ms,
                    path=path,
                    attempt=request.attempt,
                    persona=request.target,
                    payload=request.payload,
                )
            )
        said = self.script.reply(path, self._time_of_asking(run, path, request.attempt))
        if said.is_silence:
            return
        due = self.now_ms + said.after_ms
        self._schedule(due, 0, _replied(request, said, self._stamp(due, run.id)))

    def _time_of_asking(self, run: Played, path: str, attempt: int) -> int:
        """Which reply of a list counts: each run of a child goes on where the last one was."""
        if run is self.root:
            return attempt
        self.asked[path] = self.asked.get(path, 0) + 1
        return self.asked[path]

    def _start(self, run: Played, request: SendRequest) -> None:
        said: Mapping[str, Any] = request.payload
        definition = run.definition.children[said["digest"]]
        path = run.prefix + request.node
        child = Played(said["run"], definition, f"{path}/")
        self.runs[child.id] = self.children[path] = child
        stamp = self._stamp(self.now_ms, child.id)
        event = RunStarted(
            **stamp,
            workflow=definition.id,
            digest=definition.digest,
            task=said["task"],
            params=said["params"],
            env=definition.env,
            may_push=said["may_push"],
            parent=Parent(**said["parent"]),
            files=said["files"],
        )
        self._schedule(self.now_ms, 0, event)

    def _stop(self, child: str, *, at_once: bool) -> None:
        stamp = self._stamp(self.now_ms, child)
        why = "the step that it is for does not wait any more"
        if at_once:
            self._schedule(self.now_ms, 0, TerminateRequested(**stamp, reason=why))
        else:
            self._schedule(self.now_ms, 0, CancelRequested(**stamp, reason=why))

    def _told(self, reply: ParentReply) -> Replied:
        to = reply.parent
        return Replied(
            **self._stamp(self.now_ms, to.run),
            node=to.node,
            attempt=to.attempt,
            token=to.token,
            status=ReplyStatus.ERROR if reply.failure else ReplyStatus.DONE,
            verdict=reply.verdict,
            result=reply.result,
            failure=reply.failure,
            files=reply.files,
        )

    def _is_due(self, event: TimerFired, number: int) -> bool:
        timers = self.runs[event.run].timers
        key = (event.node, event.attempt, event.kind.value)
        if timers.get(key) != number:
            return False
        del timers[key]
        return True

    def _schedule(self, due_ms: int, rank: int, event: Event) -> int:
        """At the same moment replies come before signals, and those before time limits."""
        self.number += 1
        heapq.heappush(self.queue, (due_ms, rank, self.number, event))
        return self.number

    def _stamp(self, at_ms: int, run: str) -> Stamp:
        self.number += 1
        name = f"{self.script.seed}-{self.number}"
        return Stamp(id=name, run=run, at_ms=at_ms, seed=name)


def _replied(request: SendRequest, said: ScriptedReply, stamp: Stamp) -> Replied:
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
        artifacts=said.artifacts,
        is_stand_in=said is PASS_AT_ONCE,
    )
