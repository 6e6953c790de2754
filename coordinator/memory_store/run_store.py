"""Runs and their timers in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from coordinator.child_messages import begin_fields, end_fields, stop_fields
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
from coordinator.core.definition import Channel
from coordinator.core.ids import RunId, message_id
from coordinator.core.state import Changes, RunRecord, RunState
from coordinator.memory_store import slots
from coordinator.memory_store.memory import Memory
from coordinator.messages import request_fields, timer_text
from coordinator.ports import (
    CommitResult,
    CommitStatus,
    JournalRecord,
    Question,
    StoredRun,
    Transition,
)


class MemoryRunStore:
    """`RunStore` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def load(self, runs: Sequence[RunId]) -> list[StoredRun | None]:
        """As `RunStore.load`."""
        return [self._memory.runs.get(run) for run in runs]

    async def records(self, runs: Sequence[RunId]) -> list[RunRecord | None]:
        """As `RunStore.records`."""
        found = [self._memory.runs.get(run) for run in runs]
        return [stored.state.record if stored else None for stored in found]

    async def revisions(self, runs: Sequence[RunId]) -> list[int]:
        """As `RunStore.revisions`."""
        found = [self._memory.runs.get(run) for run in runs]
        return [stored.revision if stored else 0 for stored in found]

    async def keep_blob(self, sha256: str, content: bytes) -> None:
        """As `RunStore.keep_blob`."""
        self._memory.blobs[sha256] = content

    async def blob(self, sha256: str) -> bytes | None:
        """As `RunStore.blob`."""
        return self._memory.blobs.get(sha256)

    async def commit(self, transitions: Sequence[Transition]) -> list[CommitResult]:
        """As `RunStore.commit`."""
        return [self._commit(transition) for transition in transitions]

    def _commit(self, transition: Transition) -> CommitResult:
        memory = self._memory
        stored = memory.runs.get(transition.run)
        revision = stored.revision if stored else 0
        if not all(memory.queue(d.stream).has(d.entry_id) for d in transition.inputs):
            return CommitResult(status=CommitStatus.DUPLICATE, revision=revision)
        if revision != transition.revision:
            return CommitResult(status=CommitStatus.CONFLICT, revision=revision)
        if transition.idempotency_key is not None and not revision:
            holder = memory.submissions.setdefault(transition.idempotency_key, transition.run)
            if holder != transition.run:
                return CommitResult(
                    status=CommitStatus.DUPLICATE, revision=revision, existing_run=holder
                )
        self._apply(transition, stored)
        return CommitResult(status=CommitStatus.OK, revision=revision + 1)

    def _apply(self, transition: Transition, stored: StoredRun | None) -> None:
        memory, run = self._memory, transition.run
        revision = transition.revision + 1
        before = stored.state if stored else None
        state = _changed(run, before, transition.changes)
        memory.runs[run] = StoredRun(revision=revision, state=state)
        if stored is None:
            memory.open.add(run)
        for delivery in transition.inputs:
            memory.queue(delivery.stream).settle(delivery.entry_id)
        for command in transition.commands:
            self._carry_out(transition, command)
        journal = memory.journals.setdefault(run, [])
        for number, entry in enumerate(transition.journal, len(journal) + 1):
            journal.append(JournalRecord(id=f"{number}-0", entry=entry))
        memory.changed()

    def _carry_out(self, transition: Transition, command: Command) -> None:
        memory, run = self._memory, transition.run
        match command:
            case SendRequest():
                self._send(transition, command)
            case SettleRequest():
                self._settle(run, command)
            case SetTimer(node=node, attempt=attempt, kind=kind, due_ms=due_ms):
                memory.timers[timer_text(run, node, attempt, kind)] = due_ms
            case ClearTimer(node=node, attempt=attempt, kind=kind):
                memory.timers.pop(timer_text(run, node, attempt, kind), None)
            case AskHuman(node=node):
                memory.questions[run, node] = Question(
                    run=run,
                    node=node,
                    kind=command.kind,
                    since_ms=transition.changes.record.at_ms,
                    question=command.question,
                )
            case WithdrawQuestion(node=node):
                memory.questions.pop((run, node), None)
            case ContinueLater():
                memory.add("inbox", {"run": run, "continue": "1"})
            case AcquireSlot() | ReleaseSlot():
                slots.change(memory, run, command)
            case EndRun() | ReopenRun():
                self._open_or_end(transition, command)
            case _:
                assert_never(command)

    def _open_or_end(self, transition: Transition, command: EndRun | ReopenRun) -> None:
        memory, run = self._memory, transition.run
        if isinstance(command, ReopenRun):
            memory.open.add(run)
            return
        memory.open.discard(run)
        if command.reply is not None:
            at_ms = transition.changes.record.at_ms
            memory.add("inbox", end_fields(command.reply, at_ms=at_ms))

    def _send(self, transition: Transition, command: SendRequest) -> None:
        if command.channel is Channel.CHILD:
            self._memory.add("inbox", begin_fields(command))
            return
        fields = request_fields(transition.run, transition.head, command)
        texts = {k: v.decode() if isinstance(v, bytes) else v for k, v in fields.items()}
        if command.channel is Channel.PERSONA:
            self._memory.personas.add(command.target)
        queue = queue_of(command.channel, command.target)
        entry_id = self._memory.add(queue, texts)
        self._memory.in_flight[transition.run, command.node] = (queue, entry_id)

    def _settle(self, run: RunId, command: SettleRequest) -> None:
        if command.channel is Channel.CHILD:
            if command.stop:
                self._memory.add("inbox", stop_fields(run, command))
            return
        queue, entry_id = self._memory.in_flight.pop((run, command.node), ("", ""))
        if entry_id:
            self._memory.queue(queue).settle(entry_id)
        if command.stop:
            is_work = command.channel is Channel.WORK
            target = "coordinator" if is_work else command.target
            message = message_id(run, command.node, command.attempt)
            self._memory.control.append((target, message))


def queue_of(channel: Channel, target: str) -> str:
    """The queue on which a request travels."""
    return "work" if channel is Channel.WORK else f"req:{target}"


def _changed(run: RunId, before: RunState | None, changes: Changes) -> RunState:
    head = changes.head or (before.head if before else None)
    if head is None:
        raise ValueError(f"run {run}: its first transition carries no head")
    old = before or RunState(id=run, head=head, record=changes.record)
    return RunState(
        id=run,
        head=head,
        record=changes.record,
        nodes=old.nodes.updated(changes.nodes),
        scopes=old.scopes.updated(changes.scopes),
        results=old.results.updated(changes.results),
        values=old.values.updated(changes.values),
    )


class MemoryTimers:
    """`Timers` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def fire_due(self, *, count: int = 200) -> int | None:
        """As `Timers.fire_due`."""
        memory, now = self._memory, self._memory.now_ms()
        order = sorted(memory.timers.items(), key=lambda timer: timer[1])
        for text, due_ms in order[:count]:
            if due_ms > now:
                break
            memory.add("inbox", {"timer": text})
            del memory.timers[text]
        return max(0, min(memory.timers.values()) - now) if memory.timers else None
