"""Submitting, signalling and looking, and who is alive and active, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from coordinator.core.ids import Digest, RunId, run_id_for
from coordinator.core.jsontext import dump_text, parse
from coordinator.core.steering import signal_event
from coordinator.memory_store.memory import Memory
from coordinator.messages import refuse_large, task_from_fields
from coordinator.ports import (
    ActiveBundle,
    DeadLetter,
    JournalRecord,
    Member,
    Question,
    QueueDepth,
    RunSummary,
    SlotQueue,
    StoredRun,
)

_MEMBER_MS = 60_000


class MemoryDesk:
    """`Desk` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def submit(
        self, fields: Mapping[str, str], *, idempotency_key: str | None = None
    ) -> RunId:
        """As `Desk.submit`.

        Raises:
            BadMessageError: these fields are no task; nothing was sent.
            TooLargeError: a field is too long; nothing was sent.
        """
        if idempotency_key is not None:
            fields = {**fields, "idempotency_key": idempotency_key}
        refuse_large(fields)
        key = task_from_fields(fields).idempotency_key
        if key and key in self._memory.submissions:
            return self._memory.submissions[key]
        run = run_id_for(self._memory.add("tasks", fields))
        if key:
            self._memory.submissions[key] = run
        return run

    async def signal(self, run: RunId, signal: Mapping[str, object]) -> None:
        """As `Desk.signal`.

        Raises:
            BadSignalError: it is no signal; nothing was sent.
        """
        signal_event(signal, id="", run=run, at_ms=0)
        self._memory.add("inbox", {"run": run, "signal": dump_text(signal)})

    async def runs(self, *, open_only: bool = False, limit: int = 50) -> list[RunSummary]:
        """As `Desk.runs`."""
        ids = self._memory.open if open_only else self._memory.runs
        newest = sorted(ids, reverse=True)[:limit]
        return [_summary(run, self._memory.runs[run]) for run in newest]

    async def slot_queue(self, key: str) -> SlotQueue:
        """As `Desk.slot_queue`."""
        known = self._memory.keys.get(key, [])
        return SlotQueue(
            holders=tuple(slot.run for slot in known if slot.is_held),
            waiting=tuple(slot.run for slot in known if not slot.is_held),
        )

    async def open_count(self) -> int:
        """As `Desk.open_count`."""
        return len(self._memory.open)

    async def find(self, prefix: str) -> list[RunId]:
        """As `Desk.find`."""
        if not prefix.isalnum():
            return []
        return sorted(run for run in self._memory.runs if run.startswith(prefix))[:10]

    async def journal(
        self, run: RunId, *, after: str = "0-0", wait_ms: int = 0, count: int = 500
    ) -> list[JournalRecord]:
        """As `Desk.journal`."""

        def look() -> list[JournalRecord]:
            records = self._memory.journals.get(run, [])
            return [record for record in records if _order(record.id) > _order(after)][:count]

        return await self._memory.wait_for(look, wait_ms=wait_ms)

    async def questions(self) -> list[Question]:
        """As `Desk.questions`."""
        found = self._memory.questions.values()
        return sorted(found, key=lambda question: (question.since_ms, question.run, question.node))

    async def dead_letters(self, *, limit: int = 50) -> list[DeadLetter]:
        """As `Desk.dead_letters`."""
        return self._memory.dead[::-1][:limit]

    async def replay(self, letter: DeadLetter) -> None:
        """As `Desk.replay`."""
        if letter in self._memory.dead:
            self._memory.dead.remove(letter)
            self._memory.add(letter.stream, letter.fields)

    async def members(self) -> list[Member]:
        """As `Desk.members`."""
        since = self._memory.now_ms() - _MEMBER_MS
        alive = [member for member in self._memory.members.values() if member.seen_ms >= since]
        return sorted(alive, key=lambda member: (member.role, member.name))

    async def depths(self) -> list[QueueDepth]:
        """As `Desk.depths`."""
        memory = self._memory
        personas = sorted(memory.personas)
        names = ["tasks", "inbox", "work", *(f"req:{name}" for name in personas)]
        names += [f"res:{name}" for name in ("coordinator", *personas)]
        found = [memory.queue(name) for name in names]
        depths = [
            QueueDepth(
                name=queue.name,
                lag=len(queue.waiting),
                pending=len(queue.owned),
                consumers=len({owned.consumer for owned in queue.owned.values()}),
            )
            for queue in found
        ]
        return [*depths, QueueDepth(name="dead", lag=len(memory.dead), pending=0, consumers=0)]

    async def now_ms(self) -> int:
        """As `Desk.now_ms`."""
        return self._memory.now_ms()


class MemoryRegistry:
    """`Registry` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def announce(self, member: Member) -> None:
        """As `Registry.announce`."""
        self._memory.members[member.name] = replace(member, seen_ms=self._memory.now_ms())

    async def leave(self, name: str) -> None:
        """As `Registry.leave`."""
        self._memory.members.pop(name, None)


class MemoryDefinitionStore:
    """`DefinitionStore` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def put(self, documents: Mapping[Digest, bytes]) -> None:
        """As `DefinitionStore.put`."""
        self._memory.definitions.update(documents)

    async def get(self, digest: Digest) -> bytes | None:
        """As `DefinitionStore.get`."""
        return self._memory.definitions.get(digest)

    async def active(self) -> list[ActiveBundle]:
        """As `DefinitionStore.active`."""
        return [bundle for _, bundle in sorted(self._memory.active.items())]

    async def activate(self, bundle: ActiveBundle, *, replaces: str | None) -> bool:
        """As `DefinitionStore.activate`."""
        now = self._memory.active.get(bundle.bundle)
        if (now.revision if now else None) != replaces:
            return False
        self._memory.active[bundle.bundle] = bundle
        return True

    async def put_status(self, bundle: str, status: Mapping[str, object]) -> None:
        """As `DefinitionStore.put_status`."""
        self._memory.statuses[bundle] = parse(dump_text(status))

    async def get_status(self, bundle: str) -> Mapping[str, object] | None:
        """As `DefinitionStore.get_status`."""
        return self._memory.statuses.get(bundle)


def _order(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second or 0)


def _summary(run: RunId, stored: StoredRun) -> RunSummary:
    head, record = stored.state.head, stored.state.record
    return RunSummary(
        id=run,
        workflow=head.workflow,
        version=head.version,
        title=str(head.task.get("title") or ""),
        status=str(record.status),
        created_ms=head.created_ms,
        ended_ms=record.ended_ms,
        revision=stored.revision,
        slot=record.slot,
    )
