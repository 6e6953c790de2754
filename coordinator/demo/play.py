"""The two tasks of the demonstration, played and watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest, RunId
from coordinator.core.state import RunState
from coordinator.demo.sample import GOOD_TASK, HOPELESS_TASK
from coordinator.demo.stage import Stage
from coordinator.engine import WorkflowEngine
from coordinator.ports import JournalRecord
from coordinator.wiring import Connection, load_workflow

KILLED_AT: Final = ("build#1/qa", "running")
"""The move of the first run that the coordinator is killed at."""
_LONGEST_SECONDS: Final = 50.0
ANSWER: Final = ("reject", "The tests say no three times. Not merged.")


class Narrator(Protocol):
    """Tells the person at the terminal what happens."""

    def say(self, text: str = "") -> None:
        """A line."""

    def moved(self, path: str, status: str, state: RunState) -> None:
        """A node moved."""

    def drawn(self, definition: Workflow, state: RunState) -> None:
        """This is the whole run now."""

    def settled(self) -> None:
        """The run being watched came to rest."""


class Play:
    """One demonstration on a stage."""

    def __init__(self, stage: Stage, connection: Connection, narrator: Narrator) -> None:
        self._stage = stage
        self._connection = connection
        self._desk = connection.desk
        self._narrator = narrator
        self._has_killed = False
        self._definitions: dict[Digest, Workflow] = {}

    async def wait_until_ready(self) -> None:
        """Return when a coordinator and a worker have said that they live."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        while {member.role for member in await self._desk.members()} < {"coordinator", "worker"}:
            self._stage.check()
            if time.monotonic() > deadline:
                raise TimeoutError("the processes did not come up; see the folder logs/")
            await asyncio.sleep(0.05)

    async def merge(self, engine: WorkflowEngine) -> tuple[RunId, RunState]:
        """The first task: repaired, reviewed and merged, with a kill on the way."""
        run = await self._submit(engine, GOOD_TASK)
        state = await self._watch(run, self._kill_once)
        return run, state

    async def refuse(
        self, engine: WorkflowEngine, answer: Callable[[RunId, str], None]
    ) -> tuple[RunId, RunState]:
        """The second task: no patch passes, a human says no, nothing is merged."""
        run = await self._submit(engine, HOPELESS_TASK)
        asked: set[str] = set()

        def on_move(path: str, status: str) -> None:
            if status == "waiting" and path not in asked:
                asked.add(path)
                answer(run, path)

        return run, await self._watch(run, on_move)

    async def _submit(self, engine: WorkflowEngine, task: Mapping[str, object]) -> RunId:
        run = await engine.start("project-loop", {**task, "repo": str(self._stage.project)})
        self._narrator.say(f"task {task['id']} “{task['title']}” is run {run}")
        return run

    async def _watch(self, run: RunId, on_move: Callable[[str, str], None]) -> RunState:
        after, deadline = "0-0", time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < deadline:
            self._stage.check()
            records = await self._desk.journal(run, after=after, wait_ms=200)
            after = records[-1].id if records else after
            [stored] = await self._connection.store.load([run])
            if stored is None:
                continue
            await self._show(stored.state, records, on_move)
            if not records and stored.state.record.status.is_final:
                self._narrator.settled()
                return stored.state
        raise TimeoutError(f"run {run} did not end within {_LONGEST_SECONDS:g} s; see logs/")

    async def _show(
        self,
        state: RunState,
        records: Sequence[JournalRecord],
        on_move: Callable[[str, str], None],
    ) -> None:
        definition = await self._definition(state)
        for path, status, _ in (move for record in records for move in record.entry.moves):
            if "@" not in path:
                self._narrator.moved(path, status, state)
                self._narrator.drawn(definition, state)
                on_move(path, status)

    async def _definition(self, state: RunState) -> Workflow:
        digest = Digest(state.head.digest)
        if digest not in self._definitions:
            document = await self._connection.definitions.get(digest)
            self._definitions[digest] = load_workflow(digest, document or b"")
        return self._definitions[digest]

    def _kill_once(self, path: str, status: str) -> None:
        if self._has_killed or (path, status) != KILLED_AT:
            return
        self._has_killed = True
        self._stage.kill("coordinator")
        self._narrator.say("  kill -9: the coordinator is gone, in the middle of the tests")
        pid = self._stage.start("coordinator", "daemon")
        self._narrator.say(f"  a new coordinator (process {pid}) goes on from the last commit")
