"""SIGTERM: what is taken is finished or handed back; a second one ends at once."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.faults.proof import eventually, watching
from tests.faults.system import WORKER_LEASE_SECONDS, System, processes_within


async def test_a_worker_told_to_stop_finishes_what_is_quick(system: System) -> None:
    async with watching(system) as spectator:
        system.daemon()
        worker = system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)

        worker.signal(signal.SIGTERM)
        await eventually(lambda: "draining" in worker.said())
        system.go.touch()

        assert worker.wait(10) == 0
        await spectator.prove(run, nodes=("merge",))
    assert len(system.effects.read_text().splitlines()) == 1


async def test_a_worker_told_twice_hands_its_work_back_at_once(system: System) -> None:
    async with watching(system) as spectator:
        system.daemon()
        worker = system.worker("first")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)
        worker.signal(signal.SIGTERM)
        await eventually(lambda: "draining" in worker.said())
        system.worker("second")
        await eventually(lambda: "worker_started" in (system.folder / "second/log").read_text())

        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        assert worker.wait(5) == 0
        assert not processes_within(worker.folder)
        assert await spectator.asked(2) == [f"{run} work 1"] * 2

        # No lease has to run out: it was handed back, and is looked for every third of a lease.
        assert time.monotonic() - began < WORKER_LEASE_SECONDS
        system.go.touch()
        ended = await spectator.prove(run, nodes=("merge",))
    assert ended.state.nodes["work"].attempt == 1


async def test_a_worker_that_cannot_finish_gives_up_within_its_drain_time(system: System) -> None:
    async with watching(system) as spectator:
        system.daemon()
        worker = system.worker("first")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("wait")
        await spectator.asked(1)

        worker.signal(signal.SIGTERM)
        assert worker.wait(10) == 0

        system.worker("second")
        system.go.touch()
        await spectator.prove(run, nodes=("merge",))


async def test_a_daemon_told_to_stop_during_a_run_leaves_it_to_others(system: System) -> None:
    async with watching(system) as spectator:
        daemon = system.daemon("first")
        system.worker()
        await eventually(spectator.connection.definitions.active)
        runs = [await spectator.submit(title=f"Mend {number}") for number in range(3)]
        await spectator.asked(5)

        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
        assert "first" not in [member.name for member in await spectator.desk.members()]
        system.daemon("second")

        for run in runs:
            await spectator.prove(run)


async def test_processes_without_work_stop_at_once(system: System) -> None:
    async with watching(system) as spectator:
        processes = [system.daemon(), system.worker()]
        await eventually(spectator.connection.definitions.active)
        await eventually(lambda: all("_started" in process.said() for process in processes))

        began = time.monotonic()
        for process in processes:
            process.signal(signal.SIGTERM)

        assert [process.wait(10) for process in processes] == [0, 0]
        assert time.monotonic() - began < 4
        assert await spectator.desk.members() == []


@pytest.mark.parametrize("times", [1, 2])
async def test_a_daemon_does_not_wait_for_a_push_that_hangs(system: System, times: int) -> None:
    """Ten seconds after the first signal, at once after the second; another daemon has the work."""
    pushing = hold_pushes(system)
    async with watching(system) as spectator:
        daemon = system.daemon("first")
        system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit()
        await eventually(pushing.exists)

        began = time.monotonic()
        for _ in range(times):
            daemon.signal(signal.SIGTERM)
            await eventually(lambda: "draining" in daemon.said())
        assert daemon.wait(12) == 0
        assert time.monotonic() - began < (10 if times == 1 else 2)

        system.daemon("second")
        system.go.touch()
        await spectator.prove(run)


def hold_pushes(system: System) -> Path:
    """Let every push to the project hang until told to go on; the file that says that one does."""
    pushing = system.folder / "pushing"
    hook = system.project / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f'#!/bin/sh\ncat >/dev/null\ntouch "{pushing}"\n'
        f'while [ ! -e "{system.go}" ] && [ -e "{system.project}" ]; do sleep 0.02; done\n'
    )
    hook.chmod(0o755)
    return pushing
