"""Tasks that come before there are definitions."""

from __future__ import annotations

from tests.contracts.worlds import World
from tests.engine.rig import Rig
from tests.engine.test_engine import CHAIN


async def test_a_task_begins_soon_after_the_first_definitions_and_not_a_lease_later(
    world: World,
) -> None:
    async with Rig(world) as rig:
        rig.serve("planner", "reviewer", "builder", answer=lambda _: {"result": {"n": 1}})
        run = await rig.engine.start("chain", {}, params={"who": "a"})
        while "task_waits_for_definitions" not in rig.log.names():
            await world.desk().journal(run, wait_ms=20)
        await rig.activate(CHAIN)

        ended = await rig.engine.wait(run, timeout=3)  # the lease has five seconds

        assert ended.succeeded
        assert rig.log.names().count("task_waits_for_definitions") == 1


async def test_all_tasks_that_wait_are_begun_once(world: World) -> None:
    async with Rig(world, coordinators=2) as rig:
        rig.serve("planner", "reviewer", "builder", answer=lambda _: {"result": {"n": 1}})
        runs = [await rig.engine.start("chain", {}, params={"who": str(n)}) for n in range(50)]
        while rig.log.names().count("task_waits_for_definitions") < len(runs):
            await world.desk().journal(runs[0], wait_ms=20)
        await rig.activate(CHAIN)

        ended = [await rig.engine.wait(run, timeout=20) for run in runs]

        assert {one.status for one in ended} == {"succeeded"}
        assert len(await world.desk().runs(limit=1_000)) == len(runs)
