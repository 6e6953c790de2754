"""Runs that go one at a time do so whichever daemon dies, and all of them go."""

from __future__ import annotations

import pytest

from tests.engine.rig import facts
from tests.faults.proof import eventually, eventually_none, watching
from tests.faults.system import KILLED, System


@pytest.mark.parametrize(
    "place",
    ["commit.before:2", "commit.after:2", "commit.before:5", "commit.after:6", "commit.after:9"],
)
async def test_killed_while_runs_wait_for_each_other_and_started_again(
    system: System, place: str
) -> None:
    async with watching(system) as spectator:
        daemon = system.daemon(fault=f"{place}:kill")
        await eventually(spectator.connection.definitions.active)
        runs = [await spectator.submit("alone") for _ in range(3)]
        system.worker()
        assert daemon.wait(40) == KILLED
        system.daemon()

        ended = [await spectator.ended(run) for run in runs]

        assert [one.status for one in ended] == ["succeeded"] * 3
        await eventually_none(spectator.leftovers)
        for one in ended:
            assert facts(await spectator.replayed(one.run)) == facts(one.state)
    asked = system.effects.read_text().splitlines()
    order = [asked[at].split()[0] for at in range(0, 6, 2)]
    assert sorted(order) == sorted(runs)
    assert asked == [f"{run} {node} 1" for run in order for node in ("come", "go")]
