"""Runs in people's hands through the real loops, on every store."""

from __future__ import annotations

import pytest

from coordinator.core.ids import RunId
from coordinator.engine.engine import RunNotAcceptedError
from tests.contracts.worlds import World
from tests.engine.rig import Rig, facts

FLOW = """
name: flow
version: 1.0.0
steps:
  - {id: plan, type: persona-request, persona: planner}
  - id: block
    type: parallel
    dependencies: [plan]
    steps:
      - {id: code, type: persona-request, persona: reviewer}
      - {id: tests, type: persona-request, persona: builder}
  - {id: end, type: persona-request, persona: planner, dependencies: [block]}
finally:
  - {id: report, type: persona-request, persona: planner}
"""


async def test_a_failed_run_goes_on_in_another_round_and_its_journal_gives_its_state(
    world: World,
) -> None:
    async with Rig(world) as rig:
        workflow = (await rig.activate(FLOW))["flow"]
        said = iter([{"error": "refused"}, {"verdict": "pass"}])
        rig.serve("planner", "reviewer")
        rig.serve("builder", answer=lambda _: next(said))
        run = await rig.engine.start("flow", {"title": "x"})
        assert (await rig.engine.wait(run, timeout=20)).status == "failed"
        assert await world.desk().runs(open_only=True) == []

        await rig.engine.signal(run, "retry", by="ann")
        ended = await rig.engine.wait(run, timeout=20, round=2)

        assert (ended.status, ended.state.record.round) == ("succeeded", 2)
        asked = [path for path, _ in rig.asked]
        assert (asked.count("plan"), asked.count("finally/report")) == (1, 2)
        assert ("block/tests", 2) in rig.asked
        assert await world.desk().runs(open_only=True) == []
        assert facts(await rig.replayed(workflow, run)) == facts(ended.state)


async def test_a_run_that_was_started_to_advance_by_hand_waits_for_its_people(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(FLOW)
        rig.serve("planner", "reviewer", "builder")
        run = await rig.engine.start("flow", {"title": "x"}, advance="manual")
        await _held(rig, run)
        assert rig.asked == []

        await rig.engine.signal(run, "advance", mode="auto")

        assert (await rig.engine.wait(run, timeout=20)).succeeded


async def test_a_task_that_advances_in_no_known_way_is_refused(world: World) -> None:
    async with Rig(world) as rig:
        await rig.activate(FLOW)
        run = await rig.engine.start("flow", {"title": "x"}, advance="sideways")
        with pytest.raises(RunNotAcceptedError, match="'advance' is auto or manual"):
            await rig.engine.wait(run, timeout=20)


async def _held(rig: Rig, run: RunId) -> None:
    after = "0-0"
    while True:
        for record in await rig.world.desk().journal(run, after=after, wait_ms=1_000):
            after = record.id
            if ("plan", "ready", 0) in record.entry.moves:
                return
