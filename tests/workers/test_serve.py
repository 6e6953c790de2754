"""The worker's loop: concurrency, life signs, take-over, cancellation, shutdown."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.ports import StoreUnavailableError
from coordinator.workers.providers import Asked, Personas
from coordinator.workers.providers.command import CommandProvider
from coordinator.workers.replies import Answer
from coordinator.workers.serve import Worker, WorkerSettings

from .conftest import Queue, eventually, is_running, persona, request, script


class Gate:
    """A provider whose answers wait until the test lets them through."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.most = 0
        self.open = asyncio.Event()
        self.stopped: list[str] = []

    async def answer(self, asked: Asked) -> Answer:
        name = asked.request.node
        self.running.append(name)
        self.most = max(self.most, len(self.running))
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.append(name)
            raise
        finally:
            self.running.remove(name)
        return Answer(verdict="pass", result={"node": name})


@asynccontextmanager
async def serving(
    queue: Queue, provider: Any, command: tuple[str, ...] = ("tool",), **settings: Any
) -> AsyncIterator[Worker]:
    async def persona_of(digest: str, name: str) -> Persona | None:
        return persona(*command) if name == "tool" else None

    made = Personas({PersonaKind.COMMAND: provider}, persona_of).answer
    known = {"name": "w1", "poll_ms": 50, "lease_seconds": 0.3, "drain_seconds": 10, **settings}
    worker = Worker(queue, made, WorkerSettings(**known))
    task = asyncio.create_task(worker.serve())
    try:
        yield worker
    finally:
        if not task.done():
            worker.stop()
            worker.stop()
        async with asyncio.timeout(20):
            await task


async def test_an_answer_carries_the_request_s_identity(queue: Queue) -> None:
    gate = Gate()
    gate.open.set()
    async with serving(queue, gate):
        await queue.put(request(1))
        await queue.until(lambda: len(queue.replies) == 1)
    reply = queue.replies[0]
    assert (reply.msg_id, reply.token, reply.worker) == ("run:step1:1", "t0ken", "w1")
    assert (reply.verdict, reply.result) == ("pass", {"node": "step1"})


async def test_a_worker_takes_only_what_it_has_hands_for(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate, concurrency=2):
        await queue.put(*(request(n) for n in range(1, 6)))
        await eventually(lambda: len(gate.running) == 2)
        assert len(queue.waiting) == 3
        gate.open.set()
        await queue.until(lambda: len(queue.replies) == 5)
    assert gate.most == 2


async def test_more_than_was_asked_for_waits_its_turn(queue: Queue) -> None:
    queue.is_generous = True
    gate = Gate()
    async with serving(queue, gate, concurrency=2):
        await queue.put(*(request(n) for n in range(1, 6)))
        await queue.until(lambda: len(queue.kept) == 5)
        await queue.cancel("run:step5:1")
        await queue.until(lambda: len(queue.replies) == 1)
        gate.open.set()
        await queue.until(lambda: len(queue.replies) == 5)
    assert gate.most == 2
    assert queue.replies[0].failure is not None


async def test_what_has_not_begun_is_handed_back_when_stopping(queue: Queue) -> None:
    queue.is_generous = True
    gate = Gate()
    async with serving(queue, gate, concurrency=1) as worker:
        await queue.put(*(request(n) for n in range(1, 4)))
        await eventually(lambda: worker.busy == 3 and gate.running == ["step1"])
        worker.stop()
        gate.open.set()
        await eventually(lambda: queue.is_closed)
    assert [reply.msg_id for reply in queue.replies] == ["run:step1:1"]
    assert [r.node for r in queue.handed_back] == ["step2", "step3"]


async def test_life_is_shown_for_long_work_so_that_nobody_takes_it_over(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate, concurrency=2):
        await queue.put(request(1))
        await queue.until(lambda: queue.kept.get("run:step1:1", 0) >= 5)
        assert gate.running == ["step1"]
        gate.open.set()
        await queue.until(lambda: len(queue.replies) == 1)
    assert len(queue.replies) == 1


async def test_requests_of_a_dead_sibling_are_taken_over(queue: Queue) -> None:
    gate = Gate()
    gate.open.set()
    queue.pending["1-0"] = (request(1), 0.0)
    async with serving(queue, gate):
        await queue.until(lambda: len(queue.replies) == 1)
    assert queue.replies[0].token == "t0ken"


@pytest.mark.parametrize(("deliveries", "runs"), [(5, True), (6, False)])
async def test_after_five_deliveries_a_request_is_not_tried_again(
    queue: Queue, deliveries: int, runs: bool
) -> None:
    gate = Gate()
    gate.open.set()
    async with serving(queue, gate):
        await queue.put(dataclasses.replace(request(1), deliveries=deliveries))
        await queue.until(lambda: len(queue.replies) == 1)
    failure = queue.replies[0].failure
    assert (failure is None) is runs
    if failure is not None:
        assert failure.error_class == "transport"
        assert "delivered 6 times" in failure.message


async def test_a_persona_that_the_definition_lacks_is_refused(queue: Queue) -> None:
    async with serving(queue, Gate()):
        await queue.put(dataclasses.replace(request(1), target="stranger"))
        await queue.until(lambda: len(queue.replies) == 1)
    failure = queue.replies[0].failure
    assert failure is not None
    assert failure.error_class == "refused"
    assert "'stranger'" in failure.message


async def test_a_bug_in_a_provider_costs_one_attempt_and_not_the_worker(queue: Queue) -> None:
    class Broken:
        async def answer(self, asked: Asked) -> Answer:
            if asked.request.node == "step1":
                raise KeyError("oops")
            return Answer(verdict="pass")

    async with serving(queue, Broken()):
        await queue.put(request(1), request(2))
        await queue.until(lambda: len(queue.replies) == 2)
    by_id = {reply.msg_id: reply for reply in queue.replies}
    failure = by_id["run:step1:1"].failure
    assert failure is not None
    assert "KeyError" in failure.message
    assert by_id["run:step2:1"].verdict == "pass"


HANG = "import os, time; open({path!r}, 'w').write(str(os.getpid())); time.sleep(600)"


def pid_in(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


async def test_cancelling_stops_the_child_and_says_so(
    queue: Queue, provider: CommandProvider, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    async with serving(queue, provider, script(HANG.format(path=str(noted)))):
        await queue.put(request(1), request(2))
        await eventually(lambda: pid_in(noted) > 0)
        await queue.cancel("run:step1:1")
        await queue.until(lambda: len(queue.replies) == 1)
        failure = queue.replies[0].failure
        assert failure is not None
        assert (queue.replies[0].msg_id, failure.error_class) == ("run:step1:1", "cancelled")
        await queue.cancel("run:step2:1")
        await queue.until(lambda: len(queue.replies) == 2)
    assert not is_running(pid_in(noted))


async def test_a_request_cancelled_before_it_was_taken_never_starts(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate, concurrency=1):
        await queue.put(request(1), request(2))
        await eventually(lambda: gate.running == ["step1"])
        await queue.cancel("run:step2:1")
        await eventually(lambda: not queue.cancelled)
        gate.open.set()
        await queue.until(lambda: len(queue.replies) == 2)
    assert queue.replies[1].failure is not None
    assert queue.replies[1].failure.error_class == "cancelled"


async def test_stopping_lets_what_runs_end(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate, concurrency=1) as worker:
        await queue.put(request(1), request(2))
        await eventually(lambda: gate.running == ["step1"])
        worker.stop()
        gate.open.set()
        await eventually(lambda: queue.is_closed)
    assert [reply.msg_id for reply in queue.replies] == ["run:step1:1"]
    assert [r.node for r in queue.waiting] == ["step2"]
    assert not queue.handed_back


async def test_what_does_not_end_in_time_is_stopped_and_handed_back(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate, drain_seconds=0.2) as worker:
        await queue.put(request(1))
        await eventually(lambda: gate.running == ["step1"])
        worker.stop()
        await eventually(lambda: queue.is_closed)
    assert gate.stopped == ["step1"]
    assert [r.node for r in queue.handed_back] == ["step1"]
    assert not queue.replies


async def test_the_second_stop_is_at_once(
    queue: Queue, provider: CommandProvider, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN)\n" + HANG.format(path=str(noted))
    async with serving(queue, provider, script(stubborn), drain_seconds=600) as worker:
        await queue.put(request(1))
        await eventually(lambda: pid_in(noted) > 0)
        worker.stop()
        worker.stop()
        await eventually(lambda: queue.is_closed, seconds=5)
    await eventually(lambda: not is_running(pid_in(noted)))
    assert [r.node for r in queue.handed_back] == ["step1"]


async def test_an_outage_of_the_store_loses_nothing(queue: Queue) -> None:
    gate = Gate()
    async with serving(queue, gate):
        await queue.put(request(1))
        await eventually(lambda: gate.running == ["step1"])
        queue.is_down = True
        gate.open.set()
        await eventually(lambda: not gate.running)
        queue.is_down = False
        await queue.until(lambda: len(queue.replies) == 1)
    assert queue.replies[0].verdict == "pass"


async def test_a_persona_is_looked_up_again_after_an_outage(queue: Queue) -> None:
    outages: list[Callable[[], None]] = [lambda: None]

    async def persona_of(digest: str, name: str) -> Persona | None:
        if outages:
            outages.pop()
            raise StoreUnavailableError("it is down")
        return persona("tool")

    gate = Gate()
    gate.open.set()
    settings = WorkerSettings(name="w1", poll_ms=50)
    worker = Worker(queue, Personas({PersonaKind.COMMAND: gate}, persona_of).answer, settings)
    task = asyncio.create_task(worker.serve())
    await queue.put(request(1))
    await queue.until(lambda: len(queue.replies) == 1)
    worker.stop()
    await task
    assert queue.replies[0].verdict == "pass"
