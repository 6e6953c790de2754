"""A run told event by event: what is asked, what comes back, what the run makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from coordinator.core import containers, flow, forgetting, items, phases, reopen, signals, turn
from coordinator.core.commands import (
    AcquireSlot,
    AskHuman,
    ClearTimer,
    Command,
    ContinueLater,
    EndRun,
    ReleaseSlot,
    ReopenRun,
    SendRequest,
    SetTimer,
    SettleRequest,
    WithdrawQuestion,
)
from coordinator.core.decide import Decision, decide
from coordinator.core.definition import Workflow
from coordinator.core.events import (
    AdvanceRequested,
    Answered,
    CancelRequested,
    Continued,
    ContinueRequested,
    Event,
    Failure,
    PatchRequested,
    PauseRequested,
    Replied,
    ReplyStatus,
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
from coordinator.core.ids import RunId
from coordinator.core.state import RunState

RUN = RunId("0" * 26)


class Story:
    """Feeds events to `decide` and answers with its commands in words."""

    def __init__(self, definition: Workflow, *, task: Any = None, **started: Any) -> None:
        self.definition = definition
        self.state: RunState | None = None
        self.at_ms = 1_000_000
        self.number = 0
        self.requests: dict[str, SendRequest] = {}
        self.timers: dict[tuple[str, int, str], int] = {}
        self.questions: dict[str, AskHuman] = {}
        self.asked_slot: AcquireSlot | None = None
        self.events: list[Event] = []
        self.last: Decision | None = None
        self._task = {"id": "T-1", "type": "task", "title": "a task", **(task or {})}
        self._started = started

    def starts(self) -> list[str]:
        """The task is accepted."""
        return self.happens(
            RunStarted(
                **self._stamp(),
                workflow=self.definition.id,
                digest=self.definition.digest,
                task=self._task,
                **self._started,
            )
        )

    def replies(self, path: str, *, attempt: int = 0, token: str = "", **reply: Any) -> list[str]:
        """The persona answers the request in flight (or what `attempt` and `token` claim)."""
        request = self.requests.get(path)
        status = ReplyStatus(reply.pop("status", "done"))
        if "error" in reply:
            status = ReplyStatus.ERROR
            failure = Failure(
                error_class=reply.pop("error"),
                message=reply.pop("message", "it failed"),
                retryable=reply.pop("retryable", None),
            )
            reply["failure"] = failure
        return self.happens(
            Replied(
                **self._stamp(),
                node=path,
                attempt=attempt or (request.attempt if request else 1),
                token=token or (request.token if request else "none"),
                status=status,
                **reply,
            )
        )

    def passes(self, path: str, **reply: Any) -> list[str]:
        """The persona is content."""
        return self.replies(path, verdict="pass", **reply)

    def fires(self, path: str, kind: str, attempt: int = 1) -> list[str]:
        """A timer comes due."""
        self.at_ms = max(self.at_ms, self.timers.pop((path, attempt, kind), self.at_ms))
        return self.happens(
            TimerFired(**self._stamp(), node=path, attempt=attempt, kind=TimerKind(kind))
        )

    def answers(self, path: str, answer: str, **more: Any) -> list[str]:
        """A human answers."""
        asked = self.questions.get(path)
        more.setdefault("attempt", asked.attempt if asked else 0)
        return self.happens(Answered(**self._stamp(), node=path, answer=answer, **more))

    def signals(self, name: str, by: str = "ann", **values: Any) -> list[str]:
        """Somebody sends the run a signal."""
        return self.happens(Signalled(**self._stamp(), name=name, by=by, values=values))

    def cancels(self) -> list[str]:
        """Somebody cancels the run."""
        return self.happens(CancelRequested(**self._stamp(), by="ann"))

    def terminates(self) -> list[str]:
        """Somebody terminates the run."""
        return self.happens(TerminateRequested(**self._stamp(), by="ann"))

    def pauses(self) -> list[str]:
        """Somebody pauses the run."""
        return self.happens(PauseRequested(**self._stamp(), by="ann"))

    def resumes(self) -> list[str]:
        """Somebody resumes the run."""
        return self.happens(ResumeRequested(**self._stamp(), by="ann"))

    def lets_go(self, path: str = "", **more: Any) -> list[str]:
        """Somebody lets a held node start, or continues a reviewed one."""
        return self.happens(ContinueRequested(**self._stamp(), node=path, **more))

    def retries(self, path: str = "", **more: Any) -> list[str]:
        """Somebody wants a node, or what failed of an ended run, done again."""
        return self.happens(RetryRequested(**self._stamp(), node=path, **more))

    def skips(self, path: str, **more: Any) -> list[str]:
        """Somebody leaves a node out."""
        return self.happens(SkipRequested(**self._stamp(), node=path, **more))

    def patches(self, **state: Any) -> list[str]:
        """Somebody sets values of the workflow's state."""
        return self.happens(PatchRequested(**self._stamp(), state=state, by="ann"))

    def advances(self, mode: str) -> list[str]:
        """Somebody says how the run is to advance."""
        return self.happens(AdvanceRequested(**self._stamp(), mode=mode, by="ann"))

    def is_granted(self, attempt: int = 1) -> list[str]:
        """The run has a slot of its key."""
        return self.happens(SlotGranted(**self._stamp(), attempt=attempt))

    def is_refused(self, holder: str, attempt: int = 1) -> list[str]:
        """Another run holds the key."""
        return self.happens(SlotRefused(**self._stamp(), attempt=attempt, holder=holder))

    def continues(self) -> list[str]:
        """The run's own event for what one commit could not hold."""
        return self.happens(Continued(**self._stamp()))

    def happens(self, event: Event) -> list[str]:
        """Decide; the commands in words, or what was ignored or refused."""
        decision = decide(self.definition, self.state, event)
        self.last = decision
        if decision.ignored:
            return [f"ignored: {decision.ignored}"]
        if decision.refused:
            return [f"refused: {decision.refused}"]
        self.state = decision.state
        self.events.append(event)
        for command in decision.commands:
            self._carry_out(command)
        return [word for command in decision.commands if (word := _in_words(command))]

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendRequest():
                assert command.node not in self.requests, f"{command.node} was asked twice"
                self.requests[command.node] = command
            case SettleRequest():
                self.requests.pop(command.node, None)
            case SetTimer():
                key = (command.node, command.attempt, command.kind.value)
                self.timers[key] = command.due_ms
            case ClearTimer():
                self.timers.pop((command.node, command.attempt, command.kind.value), None)
            case AskHuman():
                self.questions[command.node] = command
            case WithdrawQuestion():
                self.questions.pop(command.node, None)
            case AcquireSlot():
                self.asked_slot = command
            case ReleaseSlot():
                self.asked_slot = None
            case EndRun() | ReopenRun() | ContinueLater():
                pass

    def _stamp(self) -> dict[str, Any]:
        self.number += 1
        self.at_ms += 10
        name = f"e-{self.number}"
        return {"id": name, "run": RUN, "at_ms": self.at_ms, "seed": name}

    # What became of it

    @property
    def run(self) -> RunState:
        """The run's state."""
        assert self.state is not None
        return self.state

    @property
    def status(self) -> str:
        """The run's status."""
        return self.run.record.status.value

    def node(self, path: str) -> str:
        """The status of a node; pending when nothing has touched it."""
        state = self.run.nodes.get(path)
        return state.status.value if state else "pending"

    @property
    def nodes(self) -> dict[str, str]:
        """Every touched node's status, without the coordinator's own work."""
        return {
            path: state.status.value
            for path, state in sorted(self.run.nodes.items())
            if "@" not in path
        }


def _in_words(command: Command) -> str:
    match command:
        case SendRequest():
            return f"ask {command.node} #{command.attempt}"
        case SettleRequest(stop=True):
            return f"stop {command.node} #{command.attempt}"
        case SetTimer(kind=TimerKind.RETRY):
            return f"retry {command.node} later"
        case AskHuman():
            return f"question {command.node}"
        case ReopenRun():
            return "reopen"
        case AcquireSlot():
            return f"acquire {command.key}"
        case ReleaseSlot():
            return f"release {command.key}"
        case EndRun():
            return f"end {command.status}"
        case ContinueLater():
            return "continue later"
        case _:
            return ""


@contextmanager
def small_commits() -> Iterator[None]:
    """Commits that hold next to nothing, so that events come in the middle of all work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn, "MAX_COMMANDS", 2)
        patch.setattr(turn, "MAX_NODE_CHANGES", 5)
        for module in (containers, flow, forgetting, items, phases, reopen, signals):
            patch.setattr(module, "CHUNK", 2)
        yield
