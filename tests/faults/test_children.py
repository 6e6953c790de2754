"""A run and the child that it waits for outlive every daemon that worked on them."""

from __future__ import annotations

from collections import Counter

import pytest

from coordinator.core.ids import RunId
from coordinator.engine.engine import RunResult
from tests.engine.rig import facts
from tests.faults.proof import Spectator, eventually, watching
from tests.faults.system import KILLED, System


async def test_a_daemon_killed_while_a_child_runs_takes_neither_run_with_it(
    system: System,
) -> None:
    async with watching(system) as spectator:
        first = system.daemon("first")
        system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("outer")
        await spectator.asked(2)

        first.kill()
        system.go.touch()
        system.daemon("second")

        await _prove_both(spectator, run)


@pytest.mark.parametrize(
    "place",
    ["commit.after:4", "commit.before:5", "intake.after:2", "commit.before:9", "commit.after:10"],
)
async def test_killed_between_a_run_and_its_child_and_started_again(
    system: System, place: str
) -> None:
    system.go.touch()
    async with watching(system) as spectator:
        daemon = system.daemon(fault=f"{place}:kill")
        system.worker()
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit("outer")
        assert daemon.wait(40) == KILLED
        system.daemon()

        await _prove_both(spectator, run)


async def _prove_both(spectator: Spectator, run: RunId) -> RunResult:
    """Both runs ended as if nothing had happened, there is one child, and each was asked once."""
    ended = await spectator.prove(run, nodes=("merge",))
    assert ended.outputs == {"last": "pass"}
    child = await spectator.engine.wait(RunId(ended.state.nodes["below"].child), timeout=20)
    assert child.succeeded
    assert facts(await spectator.replayed(child.run)) == facts(child.state)
    assert {one.id for one in await spectator.desk.runs()} == {run, child.run}
    asked = Counter(spectator.system.effects.read_text().splitlines())
    assert set(asked) == {f"{run} begin 1", f"{child.run} work 1", f"{child.run} more 1"}
    assert await spectator.desk.dead_letters() == []
    return ended
