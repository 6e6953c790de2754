"""Whoever dies has heirs: siblings in other folders that share nothing with it."""

from __future__ import annotations

import signal

import pytest

from coordinator.core.ids import RunId
from coordinator.core.state import NodeState, NodeStatus
from tests.faults.content import NAP_MS
from tests.faults.proof import Spectator, eventually, watching
from tests.faults.system import (
    KILLED,
    WORKER_LEASE_SECONDS,
    Process,
    System,
    processes_within,
)


async def test_a_sibling_takes_over_the_attempt_of_a_worker_killed_at_work(system: System) -> None:
    async with watching(system) as spectator:
        system.daemon()
        first = system.worker("first")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)
        system.worker("second")

        first.kill()

        assert await spectator.asked(2) == [f"{run} work 1"] * 2
        stream = spectator.key("req:patient")
        [pending] = await spectator.say("XPENDING", stream, "workers", "-", "+", 10)
        assert pending[1] == b"second-worker"
        assert pending[3] >= 2, "a busy machine may make the first look dead before it is"
        assert not processes_within(first.folder), "its persona lives on"
        system.go.touch()
        ended = await spectator.prove(run, nodes=("merge",))
    assert ended.state.nodes["work"].attempt == 1


async def test_a_time_and_a_signal_that_come_while_no_daemon_lives_are_not_lost(
    system: System,
) -> None:
    async with watching(system) as spectator:
        first = system.daemon("first")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("pause")
        nap = await eventually(lambda: _waiting(spectator, run, "nap"))
        first.kill()

        await eventually(lambda: _is_past(spectator, nap.started_ms + NAP_MS))
        second = system.daemon("second")
        await eventually(lambda: _waiting(spectator, run, "go"))
        second.kill()

        await spectator.engine.signal(run, "signal", name="go", by="ann")
        system.daemon("third")
        ended = await spectator.prove(run, nodes=())
    assert ended.outputs == {"by": "ann"}


async def _waiting(spectator: Spectator, run: RunId, path: str) -> NodeState | None:
    state = await spectator.state(run)
    node = state.nodes.get(path) if state else None
    return node if node and node.status is NodeStatus.WAITING else None


async def _is_past(spectator: Spectator, milliseconds: int) -> bool:
    return await spectator.desk.now_ms() >= milliseconds


@pytest.mark.parametrize("point", ["git.before_push", "git.after_push"])
async def test_of_two_daemons_one_finishes_what_the_other_died_of(
    system: System, point: str
) -> None:
    async with watching(system) as spectator:
        doomed = system.daemon("doomed", fault=f"{point}:3:kill")
        heir = system.daemon("heir")
        system.worker()
        await eventually(spectator.connection.definitions.active)

        runs = await _until_dead(spectator, doomed)

        for run in runs:
            await spectator.prove(run)
        assert heir.is_running


async def _until_dead(spectator: Spectator, doomed: Process) -> list[str]:
    """The runs it took to kill it: who does which work is a matter of chance."""
    runs = []
    while doomed.is_running:
        assert len(runs) < 20
        runs.append(await spectator.submit(title=f"Mend {len(runs)}"))

        async def is_time(last: int = len(runs) * 7 - 3) -> bool:
            asked = spectator.system.effects.read_text().splitlines()
            return not doomed.is_running or len(asked) >= last

        await eventually(is_time)
    assert doomed.wait(1) == KILLED
    return runs


async def test_a_worker_that_was_stopped_for_long_does_no_harm_when_it_goes_on(
    system: System,
) -> None:
    async with watching(system) as spectator:
        system.daemon()
        first = system.worker("first")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)
        first.signal(signal.SIGSTOP)
        system.worker("second")
        await spectator.asked(2)
        system.go.touch()
        ended = await spectator.ended(run)
        first.signal(signal.SIGCONT)

        await spectator.prove(run, nodes=("merge",))
        assert ended.state.nodes["work"].attempt == 1
        first.signal(signal.SIGTERM)
        assert first.wait(10) == 0


async def test_what_was_answered_while_no_coordinator_lives_is_not_asked_again(
    system: System,
) -> None:
    async with watching(system) as spectator:
        daemon = system.daemon()
        worker = system.worker("first")
        system.worker("second")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)
        daemon.kill()
        system.go.touch()
        await eventually(lambda: "request_answered" in system.logs())
        answered = await spectator.desk.now_ms()

        async def is_long_ago() -> bool:
            return await spectator.desk.now_ms() > answered + 2_100 * WORKER_LEASE_SECONDS

        await eventually(is_long_ago)
        system.daemon()

        await spectator.prove(run, nodes=("merge",))
        assert worker.is_running
    assert system.effects.read_text().splitlines() == [f"{run} work 1"]


async def test_a_daemon_that_was_stopped_for_longer_than_its_lease_does_no_harm_when_it_goes_on(
    system: System,
) -> None:
    async with watching(system) as spectator:
        first = system.daemon("first")
        system.worker()
        await eventually(spectator.connection.definitions.active)
        runs = [await spectator.submit(title=f"Mend {number}") for number in range(3)]
        await spectator.asked(6)
        first.signal(signal.SIGSTOP)
        system.daemon("second")
        for run in runs:
            await spectator.ended(run)
        first.signal(signal.SIGCONT)
        runs.append(await spectator.submit(title="Mend one more"))

        for run in runs:
            await spectator.prove(run)
        first.signal(signal.SIGTERM)
        assert first.wait(10) == 0
