"""Runs that wait for times and signals, through the real loops, on every store."""

from __future__ import annotations

import pytest

from coordinator.core.ids import RunId
from coordinator.core.state import NodeStatus
from tests.contracts.worlds import World
from tests.engine.rig import Rig, facts

WAITS = """
name: waits
version: 1.0.0
steps:
  - {id: early, type: wait, signal: early, dependencies: [work]}
  - {id: work, type: persona-request, persona: worker}
  - {id: pause, type: wait, for: 50ms, dependencies: [early]}
  - {id: past, type: wait, until: 2001-09-09T01:46:40Z, dependencies: [pause]}
  - {id: go, type: wait, signal: go, timeout: 1h, dependencies: [past]}
  - id: note
    type: set
    dependencies: [go]
    values: {by: "{{ steps.early.by }}", n: "{{ steps.go.values.n }}"}
outputs: {by: "{{ state.by }}", n: "{{ state.n }}"}
"""


async def _comes_to(rig: Rig, run: RunId, path: str, status: NodeStatus) -> None:
    """Return as soon as the node is there."""
    after = "0-0"
    while True:
        for record in await rig.world.desk().journal(run, after=after, wait_ms=1_000):
            after = record.id
            if any(move[:2] == (path, status) for move in record.entry.moves):
                return


@pytest.mark.parametrize("coordinators", [1, 3])
async def test_a_run_waits_for_signals_sent_before_and_after_and_for_a_time(
    world: World, coordinators: int
) -> None:
    async with Rig(world, coordinators=coordinators) as rig:
        workflows = await rig.activate(WAITS)
        run = await rig.engine.start("waits", {"title": "x"})
        await rig.engine.signal(run, "signal", name="early", by="ann")
        rig.serve("worker")
        await _comes_to(rig, run, "go", NodeStatus.WAITING)
        await rig.engine.signal(run, "signal", name="go", by="bob", values={"n": 7})

        ended = await rig.engine.wait(run, timeout=20)

        assert (ended.status, ended.outputs) == ("succeeded", {"by": "ann", "n": 7})
        waited = ended.state.results["pause"]
        assert isinstance(waited, dict)
        assert waited["waited_seconds"] >= 0.05
        assert facts(await rig.replayed(workflows["waits"], run)) == facts(ended.state)
        assert await world.desk().questions() == []
        assert await world.desk().dead_letters() == []


async def test_a_signal_that_nothing_waits_for_goes_to_the_dead_letters(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(WAITS)
        run = await rig.engine.start("waits", {"title": "x"})
        await rig.engine.signal(run, "signal", name="gone")
        await rig.engine.signal(run, "signal", name="early")
        await rig.engine.signal(run, "signal", name="go", values={"n": 0})
        rig.serve("worker")

        ended = await rig.engine.wait(run, timeout=20)

        assert ended.status == "succeeded"
        [letter] = await world.desk().dead_letters()
        assert letter.reason.startswith("no step waits for a signal 'gone'")
