"""What the other tests of this folder compare with."""

from __future__ import annotations

from collections import Counter

from tests.faults.proof import watching
from tests.faults.system import System


async def test_a_run_that_nobody_disturbs_asks_everybody_once(system: System) -> None:
    async with watching(system) as spectator:
        run = await spectator.submit()
        system.daemon()
        system.worker()

        await spectator.prove(run)

    asked = Counter(system.effects.read_text().splitlines())
    nodes = [
        "plan 1",
        "probe 1",
        "probe 2",
        "one 1",
        "two 1",
        "reviews/style 1",
        "reviews/safety 1",
    ]
    assert asked == Counter(f"{run} {node}" for node in nodes)
