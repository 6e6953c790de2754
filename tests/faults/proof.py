"""What must be true after a run, whatever was killed on the way."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from coordinator import wiring
from coordinator.core.decide import decide
from coordinator.core.ids import Digest, RunId
from coordinator.core.state import RunState
from coordinator.engine import WorkflowEngine
from coordinator.engine.engine import RunResult
from coordinator.gitx.process import GitPlace, run_git
from coordinator.ports import StoreUnavailableError
from coordinator.wiring import Connection, load_definition_file, load_workflow
from tests.engine.rig import facts
from tests.faults.content import COMMITS
from tests.faults.system import System


class Spectator:
    """Submits tasks to a system and looks at what became of them."""

    def __init__(self, system: System, connection: Connection) -> None:
        self.system = system
        self.connection = connection
        self.desk = connection.desk
        self.engine = WorkflowEngine(
            connection.store, connection.desk, connection.definitions, load_definition_file
        )

    async def submit(self, workflow: str = "fix", title: str = "Mend it") -> RunId:
        """Put a task on the queue."""
        task = {"title": title, "type": "task", "repo": str(self.system.project)}
        return await self.engine.start(workflow, task)

    async def ended(self, run: RunId, *, seconds: float = 40) -> RunResult:
        """How the run ended; a server that is away for a while does not matter."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return await self.engine.wait(run, timeout=deadline - time.monotonic())
            except StoreUnavailableError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)

    async def state(self, run: RunId) -> RunState | None:
        """The run as last committed."""
        [stored] = await self.connection.store.load([run])
        return stored.state if stored else None

    async def say(self, *command: str | int) -> Any:
        """The server's answer to a command."""
        return await self.connection.store.link.one(*command)

    def key(self, name: str) -> str:
        """The full name of a key."""
        return self.connection.server.keys.named(name)

    async def leftovers(self) -> dict[str, object]:
        """What is left of runs that have ended, and should not be."""
        found: dict[str, object] = {}
        for raw in sorted(await self.say("KEYS", self.key("*"))):
            key = raw.decode()
            name = key.removeprefix(self.key(""))
            kind = (await self.say("TYPE", key)).decode()
            if kind == "stream" and not name.startswith("ctl:"):
                left = await self.say("XLEN", key), await self._pending(key)
                found |= {name: left} if any(left) else {}
            elif name in ("timers", "open") or name.startswith("key:"):
                found[name] = await self.say("ZRANGE", key, 0, -1)
            elif name == "waiting-on-humans":
                found[name] = await self.say("HKEYS", key)
            elif name.startswith("run:") and kind == "hash":
                in_flight = [f for f in await self.say("HKEYS", key) if f.startswith(b"q:")]
                found |= {name: in_flight} if in_flight else {}
        return found

    async def leftovers_of_runs(self) -> dict[str, object]:
        """The same without the dead letters, which are for people."""
        return {name: left for name, left in (await self.leftovers()).items() if name != "dead"}

    async def asked(self, lines: int) -> list[str]:
        """What personas were asked, once they were asked so often."""
        effects = self.system.effects
        await eventually(
            lambda: len(effects.read_text().splitlines()) >= lines, about=f"request {lines}"
        )
        return effects.read_text().splitlines()

    async def _pending(self, stream: str) -> int:
        groups = await self.say("XINFO", "GROUPS", stream)
        return sum(dict(zip(g[::2], g[1::2], strict=True))[b"pending"] for g in groups)

    async def replayed(self, run: RunId) -> RunState:
        """The state that the run's journal gives when it is decided again."""
        stored = await self.state(run)
        assert stored is not None
        digest = Digest(stored.head.digest)
        document = await self.connection.definitions.get(digest)
        assert document is not None
        workflow = load_workflow(digest, document)
        state: RunState | None = None
        for record in await self.desk.journal(run, count=10_000):
            state = decide(workflow, state, record.entry.event).state
        assert state is not None
        return state

    async def prove(self, run: RunId, *, nodes: tuple[str, ...] = COMMITS) -> RunResult:
        """Wait for the run's end and check that it ended as if nothing had happened."""
        ended = await self.ended(run)
        assert ended.succeeded, f"{ended.status} {ended.error}\n{self.system.logs()}"
        await eventually_none(self.leftovers_of_runs)
        assert facts(await self.replayed(run)) == facts(ended.state)
        attempts = {path: node.attempt for path, node in ended.state.nodes.items()}
        assert {path for path, attempt in attempts.items() if attempt > 1} <= {"probe"}
        assert commits(self.system, run) == dict.fromkeys(sorted(nodes), 1)
        assert refs(self.system) == ["refs/heads/main"]
        return ended


@asynccontextmanager
async def watching(system: System) -> AsyncIterator[Spectator]:
    """A spectator of the system; its processes' logs are shown when the test fails."""
    try:
        async with wiring.connect(system.settings()) as connection:
            yield Spectator(system, connection)
    except BaseException:
        print(system.logs())
        raise


def commits(system: System, run: str) -> dict[str, int]:
    """The nodes that have commits of the run on the remote's main branch, and how many."""
    shown = "--format=%(trailers:key=Run-Id,valueonly,separator=%x20) "
    shown += "%(trailers:key=Node,valueonly,separator=%x20)"
    lines = _git(system, "log", shown, "main").splitlines()
    words = [line.split() for line in lines]
    return dict(sorted(Counter(pair[1] for pair in words if pair and pair[0] == run).items()))


def refs(system: System) -> list[str]:
    """Every ref of the project's remote."""
    return _git(system, "for-each-ref", "--format=%(refname)").splitlines()


def on_main(system: System, name: str) -> str:
    """What a file holds on the remote's main branch."""
    return _git(system, "show", f"main:{name}")


def _git(system: System, *arguments: str) -> str:
    return run_git(list(arguments), GitPlace(git_dir=system.project)).text


async def eventually(
    fact: Callable[[], Awaitable[Any] | Any], *, seconds: float = 20, about: str = "it"
) -> Any:
    """What `fact` gives once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        found = await found if isinstance(found, Awaitable) else found
        if found:
            return found
        assert time.monotonic() < deadline, f"{about} did not come true in {seconds:g} s"
        await asyncio.sleep(0.01)


async def eventually_none(
    look: Callable[[], Awaitable[Mapping[str, object]]], *, seconds: float = 15
) -> None:
    """Return when `look` finds nothing."""
    deadline = time.monotonic() + seconds
    while found := await look():
        assert time.monotonic() < deadline, f"still there: {found}"
        await asyncio.sleep(0.05)
