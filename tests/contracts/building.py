"""Small values for the contract tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.core.commands import Command, SendRequest, SetTimer, SettleRequest
from coordinator.core.definition import Channel
from coordinator.core.events import CancelRequested, RunStarted, TimerKind
from coordinator.core.ids import RunId, run_id_for
from coordinator.core.state import (
    Changes,
    NodeState,
    NodeStatus,
    Phase,
    RunHead,
    RunRecord,
    RunStatus,
    ScopeState,
)
from coordinator.ports import Delivery, JournalEntry, Transition

RUN = run_id_for("1700000000000-0")
OTHER = run_id_for("1700000000001-0")
THIRD = run_id_for("1700000000002-0")


def head(**more: object) -> RunHead:
    values: dict[str, Any] = {
        "workflow": "ship",
        "version": "1.0.0",
        "digest": "sha256:" + "0" * 64,
        "revision": None,
        "task": {"id": "t1", "title": "A täsk"},
        "params": {},
        "variables": {},
        "env": {},
        "created_ms": 1_700_000_000_000,
        "seed": "s",
        "may_push": True,
    }
    return RunHead(**{**values, **more})


def record(**more: object) -> RunRecord:
    values: dict[str, Any] = {"status": RunStatus.RUNNING, "phase": Phase.MAIN, "at_ms": 1_000}
    return RunRecord(**{**values, **more})


def running(attempt: int = 1) -> NodeState:
    return NodeState(status=NodeStatus.RUNNING, attempt=attempt, started_ms=1_000)


def first(
    run: RunId = RUN,
    *,
    commands: Sequence[Command] = (),
    inputs: Sequence[Delivery] = (),
    nodes: Mapping[str, NodeState] | None = None,
    key: str | None = None,
    about: RunHead | None = None,
) -> Transition:
    """The transition that makes a run."""
    event = RunStarted(id="tasks:1-0", run=run, at_ms=1_000, workflow="ship", digest="d", task={})
    about = about or head()
    return Transition(
        run=run,
        revision=0,
        head=about,
        changes=Changes(
            head=about,
            record=record(),
            nodes=nodes if nodes is not None else {"plan": running()},
            scopes={"": ScopeState(unsettled=1)},
            results={},
            values={},
        ),
        commands=tuple(commands),
        journal=(JournalEntry(event=event, moves=(("plan", "running", 1),)),),
        inputs=tuple(inputs),
        idempotency_key=key,
    )


def later(
    run: RunId = RUN,
    *,
    revision: int = 1,
    commands: Sequence[Command] = (),
    inputs: Sequence[Delivery] = (),
    nodes: Mapping[str, NodeState | None] | None = None,
    results: Mapping[str, object | None] | None = None,
    values: Mapping[str, object | None] | None = None,
    record: RunRecord | None = None,
) -> Transition:
    """A transition of a run that exists."""
    event = CancelRequested(id=f"inbox:{revision}-0", run=run, at_ms=2_000, by="me")
    return Transition(
        run=run,
        revision=revision,
        head=head(),
        changes=Changes(
            head=None,
            record=record or RunRecord(status=RunStatus.RUNNING, at_ms=2_000),
            nodes=nodes or {},
            scopes={},
            results=results or {},
            values=values or {},
        ),
        commands=tuple(commands),
        journal=(JournalEntry(event=event),),
        inputs=tuple(inputs),
    )


def ask(
    node: str = "plan", attempt: int = 1, target: str = "qa", channel: Channel = Channel.PERSONA
) -> SendRequest:
    return SendRequest(
        channel=channel,
        target=target,
        node=node,
        attempt=attempt,
        token=f"token-{node}-{attempt}",
        payload={"task": {"title": "A täsk"}, "empty": [], "big": 2**53, "none": None, "f": 1.5},
        deadline_ms=1_700_000_999_999,
    )


def settle(node: str = "plan", attempt: int = 1, *, stop: bool = False) -> SettleRequest:
    return SettleRequest(
        channel=Channel.PERSONA, target="qa", node=node, attempt=attempt, stop=stop
    )


def timer(node: str = "plan", due_ms: int = 1) -> SetTimer:
    return SetTimer(node=node, attempt=1, kind=TimerKind.TIMEOUT, due_ms=due_ms)
