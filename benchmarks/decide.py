"""Events per second through `decide` on one core, by the shape and size of the run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from coordinator.core.commands import ContinueLater, SendRequest
from coordinator.core.decide import decide
from coordinator.core.definition import Ask, Channel, Graph, Map, Node, Scope, Workflow
from coordinator.core.events import Continued, Replied, ReplyStatus, RunStarted
from coordinator.core.ids import Digest, RunId
from coordinator.core.templates import compile_value

RUN: Final = RunId("0" * 26)
_EVENTS: Final = 10_000
_ROUNDS: Final = 3
_PARAMS: Final = compile_value({"n": 1})


def _name(number: int) -> str:
    return f"n{number:05}"


def _ask(path: str, *after: str, then: tuple[str, ...] = ()) -> Node:
    name = path.rpartition("/")[2]
    asked = Ask(channel=Channel.PERSONA, target="p", params=_PARAMS)
    return Node(
        id=name, path=path, type="persona-request", primitive=asked, dependencies=after,
        dependents=then,
    )  # fmt: skip


def _workflow(graph: Graph, more: dict[str, Node]) -> Workflow:
    return Workflow(
        id="bench", name="bench", version="1.0.0", digest=Digest("sha256:" + "0" * 64),
        graph=graph, nodes={**graph.nodes, **more}, max_steps=1_000_000,
    )  # fmt: skip


def chain(length: int) -> Workflow:
    """So many steps, one after the other."""
    last = length - 1
    nodes = {
        _name(at): _ask(
            _name(at),
            *([_name(at - 1)] if at else []),
            then=(_name(at + 1),) if at < last else (),
        )
        for at in range(length)
    }
    return _workflow(Graph(path="", nodes=nodes, roots=(_name(0),)), {})


def fan(width: int) -> Workflow:
    """One step, so many side by side, and one that waits for all."""
    middle = tuple(_name(at) for at in range(width))
    nodes = {
        "first": _ask("first", then=middle),
        **{name: _ask(name, "first", then=("last",)) for name in middle},
        "last": _ask("last", *middle),
    }
    return _workflow(Graph(path="", nodes=nodes, roots=("first",)), {})


def nested(depth: int) -> Workflow:
    """One step inside so many containers."""
    known: dict[str, Node] = {}

    def made(scope: str, left: int) -> Graph:
        name = f"d{left}"
        path = f"{scope}/{name}" if scope else name
        if left:
            inner = Scope(graph=made(path, left - 1))
            node = Node(id=name, path=path, type="parallel", primitive=inner)
        else:
            node = _ask(path)
        known[path] = node
        return Graph(path=scope, nodes={name: node}, roots=(name,))

    return _workflow(made("", depth), known)


def mapped(items: int) -> Workflow:
    """The same two steps for so many items, ten at a time."""
    inner = {
        "a": _ask("each/a", then=("b",)),
        "b": _ask("each/b", "a"),
    }
    graph = Graph(path="each", nodes=inner, roots=("a",))
    each = Map(graph=graph, items=compile_value(list(range(items))), max_concurrent=10)
    node = Node(id="each", path="each", type="foreach", primitive=each)
    known = {one.path: one for one in inner.values()}
    return _workflow(Graph(path="", nodes={"each": node}, roots=("each",)), known)


def started() -> RunStarted:
    """The event that begins a run."""
    return RunStarted(
        id="tasks:1-0", run=RUN, at_ms=1, seed="s", workflow="bench", digest="d",
        task={"id": "T-1", "title": "a task"},
    )  # fmt: skip


def reply_to(request: SendRequest, number: int) -> Replied:
    """The event that a passing reply is."""
    return Replied(
        id=f"res:p:{number}-0", run=RUN, at_ms=number, seed="s", node=request.node,
        attempt=request.attempt, token=request.token, status=ReplyStatus.DONE,
        verdict="pass", result={"answer": 42}, sender="p",
    )  # fmt: skip


def play(definition: Workflow) -> int:
    """Run the definition to its end, every request answered in turn; how many events that took."""
    event: RunStarted | Replied | Continued = started()
    state, count = None, 0
    waiting: deque[SendRequest | ContinueLater] = deque()
    while True:
        count += 1
        decision = decide(definition, state, event)
        state = decision.state
        for command in decision.commands:
            if isinstance(command, SendRequest | ContinueLater):
                waiting.append(command)
        if not waiting:
            return count
        following = waiting.popleft()
        if isinstance(following, ContinueLater):
            event = Continued(id=f"inbox:{count}-0", run=RUN, at_ms=count, seed="s")
        else:
            event = reply_to(following, count)


def rate(make: Callable[[], Workflow]) -> float:
    """Events per second of processor time: the best of some rounds."""
    definition = make()
    best = 0.0
    for _ in range(_ROUNDS):
        events, began = 0, time.process_time()
        while events < _EVENTS:
            events += play(definition)
        best = max(best, events / (time.process_time() - began))
    return best


SHAPES: Final[dict[str, Callable[[], Workflow]]] = {
    "chain of 10": lambda: chain(10),
    "chain of 1,000": lambda: chain(1_000),
    "chain of 10,000": lambda: chain(10_000),
    "1,000 side by side": lambda: fan(1_000),
    "10 containers deep": lambda: nested(10),
    "foreach of 100": lambda: mapped(100),
    "foreach of 10,000": lambda: mapped(10_000),
}


def main() -> None:
    """Print the table."""
    print(f"{'shape':20} {'events/s':>10} {'µs/event':>10}")
    for name, make in SHAPES.items():
        found = rate(make)
        print(f"{name:20} {found:>10,.0f} {1e6 / found:>10.1f}")
