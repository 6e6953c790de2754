"""Following a run, and saying what it waits for: its own steps, and the runs that they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from coordinator.cli.live import Nothing, follow
from coordinator.cli.session import say
from coordinator.core.ids import RunId
from coordinator.core.state import NodeState, NodeStatus, RunState

if TYPE_CHECKING:
    from coordinator.cli.live import View
    from coordinator.wiring import Connection


class Attention:
    """What a run and its children wait for, each thing said once."""

    def __init__(self, connection: Connection, run: RunId, *, stops_for_humans: bool) -> None:
        self._connection = connection
        self._run = run
        self._stops = stops_for_humans
        self._states: dict[str, RunState] = {}
        self._said: set[tuple[str, str]] = set()
        self._children: dict[str, asyncio.Task[RunState]] = {}
        self._is_stuck = asyncio.Event()

    async def follow(self, view: View) -> RunState:
        """Show the run until it has ended, or nothing but a human can move it; its last state."""
        following = asyncio.ensure_future(
            follow(self._connection, self._run, view, until=self._looking(self._run))
        )
        stuck = asyncio.ensure_future(self._is_stuck.wait())
        try:
            await asyncio.wait({following, stuck}, return_when=asyncio.FIRST_COMPLETED)
            return following.result() if following.done() else self._states[self._run]
        finally:
            tasks = (following, stuck, *self._children.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _looking(self, run: str) -> Callable[[RunState], bool]:
        def look(state: RunState) -> bool:
            self._states[run] = state
            self._say(run, state)
            for child in _children(state) - self._children.keys():
                following = follow(
                    self._connection, RunId(child), Nothing(), until=self._looking(child)
                )
                self._children[child] = asyncio.ensure_future(following)
            if self._stops and self._waits(self._run):
                self._is_stuck.set()
            return self._is_stuck.is_set()

        return look

    def _waits(self, run: str) -> bool:
        state = self._states.get(run)
        if state is None:
            return False
        return waits_on_humans(state, {each for each in _children(state) if self._waits(each)})

    def _say(self, run: str, state: RunState) -> None:
        for path in sorted(questions(state)):
            said = f"waits on a human: coordinator inbox answer {run} {path} ANSWER"
            self._once(run, path, said)
        for name in sorted(signals(state)):
            self._once(run, name, f"waits for a signal: coordinator runs signal {run} {name}")
        for path in sorted(held(state)):
            self._once(run, path, f"held: coordinator runs continue {run} {path}")

    def _once(self, run: str, about: str, text: str) -> None:
        if (run, about) not in self._said:
            self._said.add((run, about))
            say(text)


def _children(state: RunState) -> set[str]:
    """The runs that its steps wait for."""
    running = (node for node in state.nodes.values() if node.status is NodeStatus.RUNNING)
    return {node.child for node in running if node.child}


def questions(state: RunState) -> set[str]:
    """Nodes that ask a human."""
    reviewed = NodeStatus.AWAITING_REVIEW
    return {p for p, node in state.nodes.items() if node.asks_a_human or node.status is reviewed}


def held(state: RunState) -> set[str]:
    """Nodes that wait to be let go."""
    return {path for path, node in state.nodes.items() if node.is_held}


def signals(state: RunState) -> set[str]:
    """The names of the signals that the run waits for."""
    return {node.awaited_signal for node in state.nodes.values()} - {""}


def waits_on_humans(state: RunState, waiting: Collection[str] = ()) -> bool:
    """Whether nothing but a human, by an answer or a signal, can move the run on; `waiting` are
    children of it of which that is so.
    """
    if state.record.running > len(waiting) or state.record.status.is_final:
        return False
    moving = (NodeStatus.BACKING_OFF, NodeStatus.RUNNING)
    asks = [n for p, n in state.nodes.items() if n.status in moving and "@" in p]
    is_timed = any(_waits_for_time(node) for node in state.nodes.values())
    is_asked = bool(questions(state) or signals(state) or held(state) or waiting)
    return is_asked and not asks and not is_timed


def _waits_for_time(node: NodeState) -> bool:
    if node.status is NodeStatus.WAITING:
        return not node.asks_a_human and not node.awaited_signal
    return node.status is NodeStatus.BACKING_OFF
