"""What people and programs do with a running system, on Redis: submit, signal, look."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.core import codec
from coordinator.core.ids import OURSELVES, RunId
from coordinator.core.jsontext import dump, parse
from coordinator.core.steering import signal_event
from coordinator.messages import refuse_large, short_name, task_from_fields
from coordinator.ports import (
    DeadLetter,
    JournalRecord,
    Member,
    Question,
    QueueDepth,
    RunSummary,
    SlotQueue,
)
from coordinator.redis_store import scripting
from coordinator.redis_store.bell import Bell
from coordinator.redis_store.connection import Command, Server
from coordinator.redis_store.entries import fields_of, listed, milliseconds
from coordinator.redis_store.errors import checked
from coordinator.redis_store.keys import COORDINATORS, EXECUTORS, WORKERS
from coordinator.redis_store.run_codec import journal_from
from coordinator.redis_store.run_store import run_of

MEMBER_MS = 60_000
"""How long a process counts as alive after it was last seen."""
_LONGEST_SILENCE = 2.0
"""Seconds after which a journal is looked at even if nothing was heard."""


class RedisDesk:
    """`Desk` on a Redis server."""

    def __init__(self, server: Server) -> None:
        self._keys = server.keys
        self.link = server.link()
        self._bell = Bell(server)
        self._named = {name: server.keys.named(name) for name in ("tasks", "inbox", "work", "dead")}

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
        keys = [self._named["tasks"], *([self._keys.idempotency(key)] if key else [])]
        flat = [item for pair in fields.items() for item in pair]
        # Without a key a second try would be a second task.
        reply = await scripting.run_one(
            self.link, scripting.SUBMIT.on(keys, *flat), is_repeatable=bool(key)
        )
        return run_of(reply[1].decode())

    async def signal(self, run: RunId, signal: Mapping[str, object]) -> None:
        """As `Desk.signal`.

        Raises:
            BadSignalError: it is no signal; nothing was sent.
        """
        signal_event(signal, id="", run=run, at_ms=0)
        text = dump(signal)
        refuse_large({"signal": text.decode()})
        await self.link.one("XADD", self._named["inbox"], "*", "run", run, "signal", text)

    async def runs(self, *, open_only: bool = False, limit: int = 50) -> list[RunSummary]:
        """As `Desk.runs`."""
        index = self._keys.named("open" if open_only else "runs")
        ids = await self.link.one("ZREVRANGE", index, 0, limit - 1, is_repeatable=True)
        if limit < 1 or not ids:
            return []
        commands = [("HMGET", self._keys.run(run.decode()), "rev", "head", "record") for run in ids]
        replies = await scripting.run(self.link, *commands, is_repeatable=True)
        return [
            _summary(run.decode(), *reply)
            for run, reply in zip(ids, replies, strict=True)
            if reply[1] is not None
        ]

    async def slot_queue(self, key: str) -> SlotQueue:
        """As `Desk.slot_queue`."""
        name = self._keys.concurrency(key)
        held, waiting = await self.link.call(
            ("ZRANGEBYSCORE", name, 0, 0),
            ("ZRANGEBYSCORE", name, 1, "+inf"),
            is_repeatable=True,
        )
        return SlotQueue(holders=_runs(checked(held)), waiting=_runs(checked(waiting)))

    async def open_count(self) -> int:
        """As `Desk.open_count`."""
        return int(await self.link.one("ZCARD", self._keys.named("open"), is_repeatable=True))

    async def find(self, prefix: str) -> list[RunId]:
        """As `Desk.find`."""
        if not prefix.isalnum() or not prefix.isascii():
            return []
        found = await self.link.one(
            *("ZRANGEBYLEX", self._keys.named("runs"), f"[{prefix}", f"[{prefix}~"),
            *("LIMIT", 0, 10),
            is_repeatable=True,
        )
        return [RunId(run.decode()) for run in found]

    async def journal(
        self, run: RunId, *, after: str = "0-0", wait_ms: int = 0, count: int = 500
    ) -> list[JournalRecord]:
        """As `Desk.journal`."""
        found = await self._journal(run, after, count)
        deadline = time.monotonic() + wait_ms / 1_000
        while not found and time.monotonic() < deadline:
            async with self._bell.listening(self._keys.run(run)) as heard:
                found = await self._journal(run, after, count)
                left = min(deadline - time.monotonic(), _LONGEST_SILENCE)
                if not found and left > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(heard.wait(), left)
                    found = await self._journal(run, after, count)
                    # Rung for nothing: it is broken, and must not be tried without a pause.
                    await asyncio.sleep(0 if found else 0.05)
        return found

    async def _journal(self, run: RunId, after: str, count: int) -> list[JournalRecord]:
        start = int(after.partition("-")[0])
        reply = await self.link.one(
            *("LRANGE", self._keys.journal(run), start, start + count - 1), is_repeatable=True
        )
        return [
            JournalRecord(id=f"{number}-0", entry=journal_from(text))
            for number, text in enumerate(reply, start + 1)
        ]

    async def questions(self) -> list[Question]:
        """As `Desk.questions`."""
        reply = await self.link.one(
            "HGETALL", self._keys.named("waiting-on-humans"), is_repeatable=True
        )
        found = [_question(field, parse(text)) for field, text in fields_of(reply).items()]
        return sorted(found, key=lambda question: (question.since_ms, question.run, question.node))

    async def dead_letters(self, *, limit: int = 50) -> list[DeadLetter]:
        """As `Desk.dead_letters`."""
        reply = await self.link.one(
            *("XREVRANGE", self._named["dead"], "+", "-", "COUNT", limit), is_repeatable=True
        )
        return [
            DeadLetter(
                id=entry.id,
                stream=entry.fields.get("stream", ""),
                reason=entry.fields.get("reason", ""),
                at_ms=int(entry.fields.get("at", "0")),
                entry_id=entry.fields.get("entry", ""),
                fields={k[2:]: v for k, v in entry.fields.items() if k.startswith("f:")},
            )
            for entry in listed(self._named["dead"], reply)
        ]

    async def replay(self, letter: DeadLetter) -> None:
        """As `Desk.replay`."""
        keys = [self._named["dead"], self._keys.named(letter.stream)]
        await scripting.run_one(self.link, scripting.REPLAY.on(keys, letter.id), is_repeatable=True)

    async def members(self) -> list[Member]:
        """As `Desk.members`."""
        now, reply = await scripting.run(
            self.link,
            ("TIME",),
            ("HGETALL", self._keys.named("members")),
            is_repeatable=True,
        )
        since = milliseconds(now) - MEMBER_MS
        members = [_member(name, text) for name, text in fields_of(reply).items()]
        return sorted((m for m in members if m.seen_ms >= since), key=lambda m: (m.role, m.name))

    async def depths(self) -> list[QueueDepth]:
        """As `Desk.depths`."""
        personas = await self.link.one("SMEMBERS", self._keys.named("personas"), is_repeatable=True)
        names = sorted(name.decode("utf-8", "replace") for name in personas)
        queues = [
            *((self._named[name], COORDINATORS) for name in ("tasks", "inbox")),
            (self._named["work"], EXECUTORS),
            *((self._keys.requests(name), WORKERS) for name in names),
            *((self._keys.replies(name), COORDINATORS) for name in [OURSELVES, *names]),
            (self._named["dead"], ""),
        ]
        commands: list[Command] = []
        for stream, _ in queues:
            commands += (("XLEN", stream), ("XINFO", "GROUPS", stream))
        replies = await self.link.call(*commands, is_repeatable=True)
        return [
            _depth(stream, group, replies[2 * i], replies[2 * i + 1])
            for i, (stream, group) in enumerate(queues)
        ]

    async def now_ms(self) -> int:
        """As `Desk.now_ms`."""
        return milliseconds(await self.link.one("TIME", is_repeatable=True))

    async def close(self) -> None:
        """Disconnect."""
        await self._bell.close()
        await self.link.close()


def _summary(run: str, revision: bytes, head: bytes, record: bytes) -> RunSummary:
    about, now = parse(head), codec.record_from(parse(record))
    task = about.get("task") or {}
    return RunSummary(
        id=RunId(run),
        workflow=about["workflow"],
        version=about["version"],
        title=str(task.get("title") or ""),
        status=str(now.status),
        created_ms=about["created_ms"],
        ended_ms=now.ended_ms,
        revision=int(revision),
        slot=now.slot,
    )


def _runs(members: Sequence[bytes]) -> tuple[RunId, ...]:
    return tuple(RunId(member.decode().partition(" ")[0]) for member in members)


def _question(field: str, data: Mapping[str, Any]) -> Question:
    run, _, node = field.partition(":")
    return Question(
        run=RunId(run),
        node=node,
        kind=data["kind"],
        since_ms=data["since_ms"],
        question=data["question"],
    )


def _member(name: str, text: str) -> Member:
    seen, _, rest = text.partition(" ")
    data = parse(rest)
    return Member(
        name=name,
        role=str(data.get("role", "")),
        personas=tuple(data.get("personas", ())),
        concurrency=int(data.get("concurrency", 0)),
        host=str(data.get("host", "")),
        pid=int(data.get("pid", 0)),
        seen_ms=int(seen),
    )


def _depth(stream: str, group: str, length: Any, groups: Any) -> QueueDepth:
    """Settled entries are deleted, so what is there and not pending was never delivered."""
    pending = consumers = 0
    for flat in groups if isinstance(groups, list) else ():
        info = {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
        if info[b"name"] == group.encode():
            pending, consumers = info[b"pending"], info[b"consumers"]
    there = length if isinstance(length, int) else 0
    return QueueDepth(
        name=short_name(stream),
        lag=max(0, there - pending),
        pending=pending,
        consumers=consumers,
    )
