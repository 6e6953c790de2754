"""What a transition costs on a Redis server, and events per second through one coordinator."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.decide import RUN, chain, reply_to, started
from coordinator.bus import start_bus
from coordinator.core.commands import SendRequest
from coordinator.core.decide import Decision, decide
from coordinator.core.definition import Workflow
from coordinator.core.events import ReplyStatus
from coordinator.core.state import Changes, RunState
from coordinator.engine.catalogue import Catalogue
from coordinator.engine.intake import Intake
from coordinator.engine.observe import Silent
from coordinator.engine.settler import Settler
from coordinator.messages import event_from_delivery, reply_fields
from coordinator.ports import Delivery, JournalEntry, Reply, Request, Transition
from coordinator.redis_store import (
    RedisDesk,
    RedisEventSource,
    RedisRequestQueue,
    RedisRunStore,
    Server,
)
from coordinator.redis_store.connection import Command

_CALLS: Final = re.compile(rb"cmdstat_([a-z|]+):calls=(\d+)")
_OURS: Final = (b"config|resetstat", b"info", b"script|load", b"evalsha")
_LEFT: Final = 6
"""Steps of the chain that are not done yet when measuring begins."""
_MEASURED: Final = 4
_RUNS, _STEPS = 300, 10


def _moved_on(definition: Workflow, done: int) -> tuple[RunState, SendRequest]:
    """A run of a chain after so many replies, and the request that is out."""
    decision = decide(definition, None, started())
    for number in range(1, done + 1):
        decision = decide(definition, decision.state, reply_to(_request(decision), number))
    return decision.state, _request(decision)


def _request(decision: Decision) -> SendRequest:
    return next(one for one in decision.commands if isinstance(one, SendRequest))


def _whole(state: RunState, request: SendRequest) -> Transition:
    changes = Changes(
        head=state.head,
        record=state.record,
        nodes=dict(state.nodes),
        scopes=dict(state.scopes),
        results=dict(state.results),
        values={},
    )
    return Transition(
        run=RUN, revision=0, head=state.head, changes=changes, commands=(request,), journal=()
    )


async def cost_of_a_step(server: Server, nodes: int) -> dict[str, float]:
    """Commands inside the server and bytes sent, of one reply applied and the next step asked."""
    store, source = RedisRunStore(server), RedisEventSource(server, consumer="c")
    queue = RedisRequestQueue(server, targets=["p"], consumer="w")
    link, definition = server.link(), chain(nodes)
    state, request = _moved_on(definition, nodes - _LEFT)
    await link.one("FLUSHALL")
    await store.commit([_whole(state, request)])
    calls = sent = 0
    for revision in range(1, _MEASURED + 2):
        delivery = await _answered(source, queue)
        decision = decide(definition, state, event_from_delivery(delivery))
        state, before = decision.state, store.link.bytes_sent
        await link.one("CONFIG", "RESETSTAT")
        await store.commit([_transition(decision, delivery, revision)])
        if revision > 1:  # the first one also tells the server the script
            sent += store.link.bytes_sent - before
            stats = dict(_CALLS.findall(await link.one("INFO", "commandstats")))
            calls += sum(int(found) for name, found in stats.items() if name not in _OURS)
    for part in (store, source, queue, link):
        await part.close()
    return {"commands": calls / _MEASURED, "bytes": sent / _MEASURED}


async def _answered(source: RedisEventSource, queue: RedisRequestQueue) -> Delivery:
    """The delivery of a reply to the request that is out."""
    while not (taken := await queue.take(wait_ms=1_000, count=1)):
        pass
    await queue.reply(taken[0], _passing(taken[0]))
    while not (read := await source.read(wait_ms=1_000)):
        pass
    return read[0]


def _passing(request: Request) -> Reply:
    return Reply(
        msg_id=request.msg_id, token=request.token, status=ReplyStatus.DONE, verdict="pass"
    )


def _transition(decision: Decision, delivery: Delivery, revision: int) -> Transition:
    if decision.changes is None:
        raise RuntimeError(f"the reply was not applied: {decision.ignored or decision.refused}")
    event = event_from_delivery(delivery)
    return Transition(
        run=RUN,
        revision=revision,
        head=decision.state.head,
        changes=decision.changes,
        commands=decision.commands,
        journal=(JournalEntry(event=event, moves=decision.moves),),
        inputs=(delivery,),
    )


class _OneDefinition:
    """A definition store that has one document, whatever it is asked for."""

    async def get(self, digest: str) -> bytes:
        return b"{}"

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


class _Quiet:
    """A log for nobody."""

    def info(self, event: str, **fields: object) -> None:
        """Nothing is said."""

    warning = info

    def exception(self, event: str, **fields: object) -> None:
        """A bug stops the measurement."""
        raise RuntimeError(f"{event}: {fields}")


def _checked(_: Workflow, params: Mapping[str, object]) -> tuple[Mapping[str, object], list[str]]:
    return params, []


def _sent(server: Server, request: Request) -> Command:
    """The command that answers; all of a batch in one write, as a fast worker would."""
    fields = reply_fields(_passing(request), at_ms=1)
    flat = [item for pair in fields.items() for item in pair]
    return ("XADD", server.keys.replies(request.target), "*", *flat)


async def events_per_second(server: Server) -> tuple[float, float]:
    """Tasks and replies applied per second, while a worker in this process answers at once; and
    the microseconds of this process's processor time that each took.
    """
    definition, link = chain(_STEPS), server.link()
    await link.one("FLUSHALL")
    store, source = RedisRunStore(server), RedisEventSource(server, consumer="c")
    definitions: Any = _OneDefinition()
    intake = Intake(Catalogue(definitions, lambda _digest, _document: definition), _checked)
    settler = Settler(store, source, intake, telemetry=Silent(), log=_Quiet())
    queue, desk = RedisRequestQueue(server, targets=["p"], consumer="w"), RedisDesk(server)
    for _ in range(_RUNS):
        await desk.submit({"task": "{}", "workflow": "bench", "digest": definition.digest})

    async def work() -> None:
        for _ in iter(int, 1):
            requests = await queue.take(wait_ms=1_000, count=200)
            if requests:
                await link.call(*(_sent(server, one) for one in requests))

    worker, began, events = asyncio.create_task(work()), time.perf_counter(), 0
    busy = time.process_time()
    while events < _RUNS * (_STEPS + 1):
        deliveries = await source.read(wait_ms=1_000, count=200)
        await settler.settle(deliveries)
        events += len(deliveries)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    for part in (store, source, queue, desk, link):
        await part.close()
    return events / seconds, 1e6 * busy / events


async def _measure(url: str) -> None:
    server = Server(url)
    print(f"{'nodes in the run':20} {'commands/transition':>20} {'bytes sent/transition':>22}")
    for nodes in (10, 10_000):
        cost = await cost_of_a_step(server, nodes)
        print(f"{nodes:<20,} {cost['commands']:>20.1f} {cost['bytes']:>22,.1f}")
    rate, busy = await events_per_second(server)
    print(f"one coordinator and its worker in one process: {rate:,.0f} events/s,")
    print(f"{busy:,.0f} µs of its processor time for each")


def main() -> None:
    """Print the tables, measured on a server of our own."""
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    bus = start_bus(folder)
    try:
        asyncio.run(_measure(bus.url))
    finally:
        bus.stop()
        shutil.rmtree(folder, ignore_errors=True)
