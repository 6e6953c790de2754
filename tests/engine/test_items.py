"""A foreach on real servers: lazily, in order, with everything taken off the queue."""

from __future__ import annotations

from typing import Any

from coordinator.core.report import rows
from coordinator.ports import Request
from tests.contracts.worlds import RedisWorld
from tests.engine.rig import Rig, facts

MANY = """
name: many
version: "1.0.0"
params: {count: {type: list}}
steps:
  - id: each
    type: foreach
    items: "{{ params.count }}"
    as: number
    max_concurrent: 5
    steps:
      - {id: square, persona: counter, params: {n: "{{ number }}"}}
outputs: {squares: "{{ steps.each.result }}"}
"""


async def test_at_most_max_concurrent_requests_are_in_redis_at_a_time(real: RedisWorld) -> None:
    lengths: list[int] = []
    link, queue = real.link, real.server.keys.requests("counter")

    async def answer(request: Request) -> dict[str, Any]:
        lengths.append(int(await link.one("XLEN", queue)))
        number = request.payload["params"]["n"]
        return {"result": number * number}

    async with Rig(real, coordinators=2) as rig:
        workflows = await rig.activate(MANY)
        rig.serve("counter", answer=answer)
        numbers = list(range(200))
        done = await rig.engine.execute("many", params={"count": numbers}, timeout=60)

        assert done.status == "succeeded"
        assert done.outputs["squares"] == [{"square": number * number} for number in numbers]
        assert max(lengths) == 5
        assert int(await link.one("XLEN", queue)) == 0
        assert len(rows(workflows["many"], done.state)) == 201
        assert facts(await rig.replayed(workflows["many"], done.run)) == facts(done.state)
