"""Runs in Redis: loading them, and saving a transition by one script call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from coordinator import faults
from coordinator.child_messages import begin_fields, end_fields, stop_fields
from coordinator.core.codec import record_from
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
from coordinator.core.ids import OURSELVES, RunId, message_id, run_id_for
from coordinator.core.jsontext import dump, parse
from coordinator.core.slots import replaced_by
from coordinator.core.state import RunRecord
from coordinator.messages import VERSION, request_fields, timer_text
from coordinator.ports import CommitResult, CommitStatus, SourceKind, StoredRun, Transition
from coordinator.redis_store import keys as names
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Argument, Server
from coordinator.redis_store.keys import Keys
from coordinator.redis_store.run_codec import journal_bytes, run_from, written_fields

_CHUNK: Final = 2_000
"""Arguments of one command inside a script; Lua's stack holds some 8,000."""
_CONTROL_LENGTH: Final = 1_000
_SAFE: Final = "."
"""The type of a key that the script need not look up (see `commit.lua`)."""


class RedisRunStore:
    """`RunStore` on a Redis server."""

    def __init__(self, server: Server) -> None:
        self._keys = server.keys
        self.link = server.link()

    async def load(self, runs: Sequence[RunId]) -> list[StoredRun | None]:
        """As `RunStore.load`."""
        if not runs:
            return []
        commands = [("HGETALL", self._keys.run(run)) for run in runs]
        replies = await scripting.run(self.link, *commands, is_repeatable=True)
        return [run_from(run, reply) for run, reply in zip(runs, replies, strict=True)]

    async def records(self, runs: Sequence[RunId]) -> list[RunRecord | None]:
        """As `RunStore.records`."""
        commands = [("HGET", self._keys.run(run), "record") for run in runs]
        replies = await scripting.run(self.link, *commands, is_repeatable=True)
        return [record_from(parse(reply)) if reply else None for reply in replies]

    async def revisions(self, runs: Sequence[RunId]) -> list[int]:
        """As `RunStore.revisions`."""
        commands = [("HGET", self._keys.run(run), "rev") for run in runs]
        replies = await scripting.run(self.link, *commands, is_repeatable=True)
        return [int(reply or 0) for reply in replies]

    async def keep_blob(self, sha256: str, content: bytes) -> None:
        """As `RunStore.keep_blob`."""
        await scripting.run_one(
            self.link, ("SET", self._keys.blob(sha256), content), is_repeatable=True
        )

    async def blob(self, sha256: str) -> bytes | None:
        """As `RunStore.blob`."""
        found = await scripting.run_one(
            self.link, ("GET", self._keys.blob(sha256)), is_repeatable=True
        )
        return found if isinstance(found, bytes) else None

    async def commit(self, transitions: Sequence[Transition]) -> list[CommitResult]:
        """As `RunStore.commit`."""
        if not transitions:
            return []
        faults.point("commit.before")
        # Made while they are sent: the server works on the first while we encode the last.
        commands = (_Program(self._keys, transition).command() for transition in transitions)
        replies = await scripting.run_streamed(self.link, commands)
        faults.point("commit.after")
        return [_result(reply) for reply in replies]

    async def close(self) -> None:
        """Disconnect."""
        await self.link.close()


def _result(reply: list[bytes]) -> CommitResult:
    status, revision, holder = reply
    return CommitResult(
        status=CommitStatus(status.decode()),
        revision=int(revision),
        existing_run=run_of(holder.decode()) if holder else None,
    )


def run_of(holder: str) -> RunId:
    """The run that an idempotency key stands for: it holds the run, or the task's entry."""
    return run_id_for(holder) if "-" in holder else RunId(holder)


class _Program:
    """One transition as the arguments of the commit script."""

    def __init__(self, keys: Keys, transition: Transition) -> None:
        self._of = keys
        self._transition = transition
        self._numbers: dict[str, int] = {}
        self._types: list[str] = []
        self._writes: list[Argument] = []

    def command(self) -> Sequence[Argument]:
        """The command that saves the transition."""
        transition = self._transition
        run_key = self._of.run(transition.run)
        self._key(run_key, _SAFE)
        checks = self._checks()
        self._journal()
        self._state(run_key)
        for command in transition.commands:
            self._add(command)
        script = scripting.COMMIT if transition.revision else scripting.START
        return script.on(
            list(self._numbers),
            transition.revision,
            "".join(self._types),
            *checks,
            *self._writes,
        )

    def _key(self, key: str, kind: str) -> int:
        """The number of a key; a new one if it was not used before."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers) + 1
            self._types.append(kind)
        return number

    def _checks(self) -> list[Argument]:
        transition = self._transition
        checks: list[Argument] = [len(transition.inputs)]
        for delivery in transition.inputs:
            checks += (self._key(delivery.stream, _SAFE), delivery.entry_id)
        if transition.revision or transition.idempotency_key is None:
            return [*checks, 0]
        tasks = [d.entry_id for d in transition.inputs if d.kind is SourceKind.TASK]
        number = self._key(self._of.idempotency(transition.idempotency_key), _SAFE)
        return [*checks, number, transition.run, tasks[0] if tasks else transition.run]

    def _call(self, key: str, kind: str, command: str, *arguments: Argument) -> None:
        self._writes += ("C", self._key(key, kind), command, len(arguments), *arguments)

    def _state(self, run_key: str) -> None:
        written, removed = written_fields(self._transition.changes)
        written += ("rev", str(self._transition.revision + 1))
        for start in range(0, len(written), _CHUNK):
            self._call(run_key, "h", "HSET", *written[start : start + _CHUNK])
        for start in range(0, len(removed), _CHUNK):
            self._call(run_key, "h", "HDEL", *removed[start : start + _CHUNK])
        if not self._transition.revision:
            for index in ("runs", "open"):
                self._call(self._of.named(index), "z", "ZADD", 0, self._transition.run)

    def _journal(self) -> None:
        """The first write, so that a key of the wrong type stops everything."""
        entries = [journal_bytes(entry) for entry in self._transition.journal]
        if entries:
            self._call(self._of.journal(self._transition.run), _SAFE, "RPUSH", *entries)

    def _add(self, command: Command) -> None:
        of, run = self._of, self._transition.run
        match command:
            case SendRequest():
                self._send(command)
            case SettleRequest():
                self._settle(command)
            case SetTimer(node=node, attempt=attempt, kind=kind):
                timer = timer_text(run, node, attempt, kind)
                self._call(of.named("timers"), "z", "ZADD", command.due_ms, timer)
            case ClearTimer(node=node, attempt=attempt, kind=kind):
                timer = timer_text(run, node, attempt, kind)
                self._call(of.named("timers"), "z", "ZREM", timer)
            case AskHuman():
                self._ask(command)
            case WithdrawQuestion(node=node):
                self._call(of.named("waiting-on-humans"), "h", "HDEL", f"{run}:{node}")
            case ContinueLater():
                self._tell({"run": run, "continue": "1"})
            case AcquireSlot() | ReleaseSlot():
                self._slot(command)
            case EndRun() | ReopenRun():
                self._end_or_reopen(command)
            case _:
                assert_never(command)

    def _queue(self, channel: Channel, target: str) -> str:
        is_work = channel is Channel.WORK
        return self._of.named("work") if is_work else self._of.requests(target)

    def _tell(self, fields: Mapping[str, str]) -> None:
        """Put an entry into the inbox, for this run or another one of the partition."""
        flat = [item for pair in fields.items() for item in pair]
        self._call(self._of.named("inbox"), "x", "XADD", "*", *flat)

    def _end_or_reopen(self, command: EndRun | ReopenRun) -> None:
        if isinstance(command, ReopenRun):
            self._call(self._of.named("open"), "z", "ZADD", 0, self._transition.run)
            return
        self._call(self._of.named("open"), "z", "ZREM", self._transition.run)
        if command.reply is not None:
            self._tell(end_fields(command.reply, at_ms=self._transition.changes.record.at_ms))

    def _send(self, command: SendRequest) -> None:
        transition = self._transition
        if command.channel is Channel.CHILD:
            self._tell(begin_fields(command))
            return
        if command.channel is Channel.PERSONA:
            self._call(self._of.named("personas"), "s", "SADD", command.target)
        fields = request_fields(transition.run, transition.head, command)
        flat = [item for pair in fields.items() for item in pair]
        number = self._key(self._queue(command.channel, command.target), "x")
        self._writes += ("Q", number, f"q:{command.node}", len(flat), *flat)

    def _settle(self, command: SettleRequest) -> None:
        if command.channel is Channel.CHILD:
            if command.stop:
                self._tell(stop_fields(self._transition.run, command))
            return
        is_work = command.channel is Channel.WORK
        group = names.EXECUTORS if is_work else names.WORKERS
        number = self._key(self._queue(command.channel, command.target), "x")
        self._writes += ("D", number, group, f"q:{command.node}")
        if not command.stop:
            return
        control = self._of.control(OURSELVES if is_work else command.target)
        message = message_id(self._transition.run, command.node, command.attempt)
        limit = ("MAXLEN", "~", _CONTROL_LENGTH, "*")
        fields = ("v", VERSION, "kind", "cancel", "msg_id", message)
        self._call(control, "x", "XADD", *limit, *fields)

    def _slot(self, command: AcquireSlot | ReleaseSlot) -> None:
        key = self._key(self._of.concurrency(command.key), "z")
        inbox = self._key(self._of.named("inbox"), "x")
        run = self._transition.run
        member = f"{run} {command.attempt} {command.limit}"
        if isinstance(command, ReleaseSlot):
            self._writes += ("R", key, inbox, member)
            return
        signal = dump(replaced_by(run, command.key))
        mode = command.on_conflict.value
        self._writes += ("A", key, inbox, member, command.limit, mode, signal)

    def _ask(self, command: AskHuman) -> None:
        record = self._transition.changes.record
        question = {
            "kind": command.kind,
            "attempt": command.attempt,
            "since_ms": record.at_ms,
            "question": command.question,
        }
        field = f"{self._transition.run}:{command.node}"
        self._call(self._of.named("waiting-on-humans"), "h", "HSET", field, dump(question))
