"""One source and one store, for tests that commit and look what becomes active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from coordinator.definitions import Bundle, compile_bundle, load_document
from coordinator.gitops import GitOrigin, Origin, Source, Sync, SyncStatus, sync_once
from coordinator.memory_store import Memory, MemoryDefinitionStore
from coordinator.ports import ActiveBundle, DefinitionStore
from steps.registry import step_types
from tests.gitx.gitrepos import Project

TYPES = step_types([])
compile_files = partial(compile_bundle, step_types=TYPES)

WORKER = "{name: worker, kind: command, command: [make]}"
SHIP = """
name: ship
version: "1.0.0"
match: {types: [task], when: "task.repo != null"}
steps:
  - {id: build, type: persona-request, persona: worker}
"""
BROKEN = SHIP.replace("persona: worker", "persona: wroker")
GOOD = {"workflows/ship.yml": SHIP, "personas/worker.yaml": WORKER, "README.md": "hello"}


@dataclass
class Log:
    """Remembers what was said."""

    said: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def info(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.said]


class Synced:
    """A daemon that looks when it is told to."""

    def __init__(self, origin: Origin, definitions: DefinitionStore | None = None) -> None:
        self.log = Log()
        self.definitions = definitions or MemoryDefinitionStore(Memory())
        self.sync = Sync(
            origin=origin, definitions=self.definitions, compile=compile_files, log=self.log
        )
        self.status: SyncStatus | None = None
        self.compiled: list[str] = []

    @classmethod
    def of(
        cls, project: Project, state: str = "state", definitions: DefinitionStore | None = None,
        ref: str = "main",
    ) -> Synced:  # fmt: skip
        return cls(origin_of(project, state, ref), definitions)

    async def looks(self) -> SyncStatus:
        def compile_noted(files: Mapping[str, bytes]) -> Bundle:
            self.compiled.append(",".join(files))
            return compile_files(files)

        self.status = await sync_once(replace(self.sync, compile=compile_noted), self.status)
        return self.status

    async def active(self) -> ActiveBundle:
        [bundle] = await self.definitions.active()
        return bundle

    async def stored(self, workflow: str = "ship") -> str:
        """The version of a workflow that new runs get, read back and checked."""
        digest = (await self.active()).digests[workflow]
        document = await self.definitions.get(digest)
        assert document is not None
        return load_document(digest, document, step_types=TYPES)[0].version


def origin_of(project: Project, state: str = "state", ref: str = "main") -> GitOrigin:
    return GitOrigin(Source(url=str(project.remote), ref=ref), Path(project.folder / state))


def version(number: str) -> str:
    return SHIP.replace("1.0.0", number)


def codes(status: SyncStatus) -> list[str]:
    return [fault.rule for fault in status.faults]
