"""What anybody with a credential can put on the streams harms no run; neither does a flush."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from tests.faults.proof import Spectator, eventually, eventually_none, watching
from tests.faults.system import System

_GARBAGE: tuple[tuple[str, Mapping[str, str | bytes]], ...] = (
    ("tasks", {"x": "y"}),
    ("tasks", {"task": "{not json"}),
    ("tasks", {"task": b"\xff\xfe\x00"}),
    ("tasks", {"task": "{}", "workflow": "no-such-workflow"}),
    ("inbox", {"x": "y"}),
    ("inbox", {"timer": "[1]"}),
    ("inbox", {"run": "nonsense", "signal": "{}"}),
    ("res:planner", {"v": "1", "msg_id": "nonsense", "token": "t", "status": "done"}),
    ("res:coordinator", {"v": "1", "status": "done"}),
    ("req:planner", {"x": "y"}),
    ("work", {"v": "1", "payload": "["}),
)


async def _add(spectator: Spectator, stream: str, fields: Mapping[str, str | bytes]) -> None:
    flat = [item for pair in fields.items() for item in pair]
    await spectator.say("XADD", spectator.key(stream), "*", *flat)  # type: ignore[arg-type]  # bytes too


async def _request(spectator: Spectator) -> dict[str, str]:
    """The request that the patient persona works on."""
    [[_, flat]] = await spectator.say("XRANGE", spectator.key("req:patient"), "-", "+")
    return {flat[at].decode(): flat[at + 1].decode() for at in range(0, len(flat), 2)}


async def test_garbage_and_repeated_messages_during_a_run_change_nothing(system: System) -> None:
    async with watching(system) as spectator:
        daemon, worker = system.daemon(), system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)
        for stream, fields in _GARBAGE:
            await _add(spectator, stream, fields)
        request = await _request(spectator)
        forged = {"v": "1", "msg_id": request["msg_id"], "status": "done", "result": "{}"}
        for _ in range(20):
            await _add(spectator, "res:patient", {**forged, "token": "guessed"})
            await _add(spectator, "inbox", {"timer": f'["{run}","work",0,"timeout"]'})
        system.go.touch()
        ended = await spectator.ended(run)
        for _ in range(20):
            await _add(spectator, "res:patient", {**forged, "token": request["token"]})
        other = await spectator.submit()

        await spectator.prove(other)
        assert ended.succeeded
        assert await spectator.say("XLEN", spectator.key("dead")) == len(_GARBAGE)
        assert all(letter.reason for letter in await spectator.desk.dead_letters())
        assert daemon.is_running
        assert worker.is_running


async def test_the_same_submission_twenty_times_is_one_run(system: System) -> None:
    async with watching(system) as spectator:
        system.worker()
        task = {"title": "Once", "type": "task", "repo": str(system.project)}
        runs = {
            await spectator.engine.start("fix", task, idempotency_key="once") for _ in range(20)
        }
        # As a producer would send it that knows nothing of us.
        for _ in range(5):
            await _add(
                spectator,
                "tasks",
                {"task": '{"title": "Once"}', "workflow": "fix", "idempotency_key": "once"},
            )
        system.daemon("a")
        system.daemon("b")

        assert len(runs) == 1
        await spectator.prove(runs.pop())
        assert len(await spectator.desk.runs()) == 1


@pytest.mark.parametrize("when", ["idle", "at work"])
async def test_after_a_flush_there_is_no_spinning_and_new_tasks_work(
    system: System, when: str
) -> None:
    async with watching(system) as spectator:
        daemon, worker = system.daemon(), system.worker()
        await eventually(spectator.connection.definitions.active)
        if when == "idle":
            await spectator.prove(await spectator.submit())
        else:
            await spectator.submit("wait")
            await spectator.asked(1)
        lines, began = _lines(system), time.monotonic()

        await spectator.say("FLUSHALL")
        await eventually(spectator.connection.definitions.active)
        system.go.touch()
        run = await spectator.submit(title="After the flood")
        await spectator.ended(run)

        said, seconds = _lines(system) - lines, time.monotonic() - began
        assert said < 40 + 10 * seconds, system.logs()
        assert daemon.is_running
        assert worker.is_running
        if when == "idle":
            await spectator.prove(run)
        else:
            # The lost run's ref is all that is left of it; what its persona answers is refused.
            await eventually_none(spectator.leftovers_of_runs)


def _lines(system: System) -> int:
    return len(system.logs(most=100_000).splitlines())
