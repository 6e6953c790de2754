"""What has to be true of a run after every decision, whatever happened to it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from coordinator.core.definition import CONTAINERS, Ask, Channel, Graph, Join, Map, Node
from coordinator.core.kept import is_of_phase
from coordinator.core.places import inside_of
from coordinator.core.state import NodeState, NodeStatus, Phase, RunState, ScopeState
from coordinator.core.turn import LAND, PHASE_SCOPES, Turn, child_path, owner_of, parent_scope
from tests.core.story import Story

_S = NodeStatus
_IN_FLIGHT: Final = (_S.READY, _S.RUNNING, _S.WAITING, _S.BACKING_OFF, _S.AWAITING_REVIEW)
_WAITS: Final = (_S.WAITING, _S.AWAITING_REVIEW, _S.BACKING_OFF)


class Audit:
    """One look at a run and at what its commands have made of the world."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.run: RunState = story.run
        self.turn = Turn(story.definition, story.run, story.events[-1])
        self.nodes = dict(self.run.nodes.items())
        self.scopes = dict(self.run.scopes.items())

    def check(self) -> None:
        """All of it; what only holds between the parts of a long work, where there is no more."""
        self._world()
        if self.run.record.agenda:
            return
        for scope in self.scopes:
            self._scope(scope)
        for path, state in self.nodes.items():
            if "@" not in path and state.status in _IN_FLIGHT:
                self._in_flight(path, state)
        if not self.run.record.status.is_final and not self.run.record.paused_ms:
            is_queued = self.story.asked_slot is not None and not self.run.record.granted_ms
            goes_on = self.story.requests or self.run.record.waiting or is_queued
            assert goes_on, f"stuck: {self.story.nodes}"

    # What is outside belongs to a node that wants it

    def _world(self) -> None:
        story, record = self.story, self.run.record
        requests = {path: state.attempt for path, state in self.nodes.items() if self._asks(path)}
        asked = {path: request.attempt for path, request in story.requests.items()}
        assert asked == requests, "requests in flight"
        questions = {
            path: state.attempt
            for path, state in self.nodes.items()
            if state.asks_a_human or state.status is _S.AWAITING_REVIEW
        }
        open_ = {path: question.attempt for path, question in story.questions.items()}
        assert open_ == questions, "questions in the inbox"
        waiting = sum(one.status in _WAITS or one.is_held for one in self.nodes.values())
        assert (record.running, record.waiting) == (len(requests), waiting), "counts"
        is_open = not record.status.is_final
        assert is_open or story.asked_slot is None, "a slot that is held"
        undone = [s for p, s in self.scopes.items() if p.endswith("/undo")]
        assert sum(bool(one.unsettled or one.kept) for one in undone) <= 1, "undo goes one by one"
        for path, attempt, kind in story.timers:
            self._timer(path, attempt, kind)
        for path, state in self.nodes.items():
            self._is_remembered(path, state)

    def _asks(self, path: str) -> bool:
        state = self.nodes[path]
        is_ask = isinstance(self.turn.define(path).primitive, Ask)
        return is_ask and state.status is _S.RUNNING and not state.is_handed_on

    def _timer(self, path: str, attempt: int, kind: str) -> None:
        if kind == "run_timeout":
            assert not self.run.record.status.is_final
            return
        state = self.nodes[path]
        assert state.attempt == attempt, f"an old timer of {path}: {kind}"
        wanted = {
            "retry": state.status is _S.BACKING_OFF,
            "deadline": state.asks_a_human and not state.is_escalated,
            "wait": state.status is _S.WAITING and not state.asks_a_human,
            "timeout": self._asks(path) or bool(state.awaited_signal and not state.asks_a_human),
        }
        assert wanted[kind], f"nobody wants the timer {kind} of {path}, which is {state.status}"

    def _is_remembered(self, path: str, state: NodeState) -> None:
        """Something will come for every node that is in flight."""
        timers = self.story.timers
        if state.status is _S.BACKING_OFF:
            assert (path, state.attempt, "retry") in timers, path
        elif self._asks(path):
            is_child = self.turn.define(path).primitive.channel is Channel.CHILD  # type: ignore[union-attr] # it asks
            assert is_child or (path, state.attempt, "timeout") in timers, path
        elif state.status is _S.WAITING and not state.asks_a_human:
            name = state.awaited_signal
            if name:
                assert path in self._listeners(name), f"{path} would not hear {name}"
            else:
                assert (path, state.attempt, "wait") in timers, path

    def _listeners(self, name: str) -> set[str]:
        entry = self.run.results.get(f"@signal/{name}")
        assert isinstance(entry, dict)
        return {*entry["waiting"], *(path for one in entry["going"] for path in one["nodes"])}

    # Counts are what a recount gives

    def _scope(self, scope: str) -> None:
        tally, graph = self.scopes[scope], self.turn.graph(scope)
        below = [each for each in self.scopes if self._keeps(scope, each)]
        assert tally.kept == len(below), f"{scope!r} counts what it keeps wrongly: {below}"
        assert graph is not None, f"{scope!r} runs nothing"
        if self._is_of_items(scope):
            self._items(scope, tally)
            return
        states = {step: self._node(child_path(scope, step)) for step in graph.nodes}
        self._tally(scope, tally, list(states.values()))
        if self._is_live(scope):
            for step, state in states.items():
                if state.status is _S.PENDING:
                    self._pending(scope, graph, graph.nodes[step], state)

    def _node(self, path: str) -> NodeState:
        return self.nodes.get(path) or NodeState()

    def _keeps(self, scope: str, kept: str) -> bool:
        """Whether the kept scope is inside of a step of this one."""
        if self._is_of_items(scope):
            return False
        inside = f"{scope}/" if scope else ""
        if not self.scopes[kept].is_kept or kept == scope or not kept.startswith(inside):
            return False
        first, *rest = kept[len(inside) :].split("/")
        is_other = first in ("finally", "on_failure") if not scope else first == "fallback"
        return not is_other and "undo" not in (first, *rest)

    def _is_of_items(self, scope: str) -> bool:
        if scope in PHASE_SCOPES or owner_of(scope) != scope:
            return False
        return isinstance(self.turn.define(scope).primitive, Map)

    def _tally(self, scope: str, tally: ScopeState, states: list[NodeState]) -> None:
        settled = [state for state in states if state.status.is_settled]
        verdicts = Counter(state.verdict for state in settled)
        counted = ScopeState(
            unsettled=len(states) - len(settled),
            succeeded=sum(state.has_succeeded for state in settled),
            failed=sum(state.has_failed for state in settled),
            skipped=sum(state.status is _S.SKIPPED for state in settled),
            cancelled=sum(state.status is _S.CANCELLED for state in settled),
            passes=verdicts["pass"],
            fails=verdicts["fail"],
            unknowns=verdicts["unknown"],
        )
        assert counted[:8] == tally[:8], f"{scope!r} counts its steps wrongly"

    def _items(self, scope: str, tally: ScopeState) -> None:
        state = self.nodes[scope]
        under_way = state.iteration - tally.succeeded - tally.failed - tally.cancelled
        if state.status is _S.RUNNING and not state.is_handed_on:
            assert under_way - tally.left >= 0, f"{scope} counts its items wrongly"
            open_ = [
                index for index in range(state.iteration) if self._is_open(f"{scope}[{index}]")
            ]
            assert len(open_) == under_way, f"{scope} counts its items wrongly"
            most = self.turn.define(scope).primitive.max_concurrent  # type: ignore[union-attr] # a map
            assert under_way - tally.left <= most, f"{scope} runs too many items"

    def _is_open(self, scope: str) -> bool:
        tally = self.scopes.get(scope)
        return tally is not None and tally.unsettled > 0

    def _is_live(self, scope: str) -> bool:
        """Whether steps of the scope may start now."""
        record = self.run.record
        if record.status.is_final:
            return False
        if is_of_phase(scope):
            return record.phase.value == (scope.rpartition("/")[2] or Phase.MAIN)
        if "#" in scope[len(owner_of(scope)) :] and scope != inside_of(self.turn, owner_of(scope)):
            return False
        owner = self.nodes[owner_of(scope)]
        is_left = scope.endswith("]") and self.scopes[owner_of(scope)].left > 0
        return owner.status is _S.RUNNING and not owner.goes_on and not is_left

    def _pending(self, scope: str, graph: Graph, node: Node, state: NodeState) -> None:
        path = child_path(scope, node.id)
        after = [self._node(child_path(scope, step)) for step in node.dependencies]
        left = sum(not each.status.is_settled for each in after)
        assert left, f"{path} was forgotten: all that it depends on has settled"
        if left < len(after):
            assert state.unsettled == left, f"{path} counts its dependencies wrongly"

    # What is in flight may be

    def _in_flight(self, path: str, state: NodeState) -> None:
        scope, node = parent_scope(path), self.turn.define(path)
        tally = self.scopes.get(scope)
        assert tally is not None, f"{path} is {state.status}, and its scope is not open"
        assert not self._is_over(scope), f"{path} is {state.status} inside of what is over"
        if tally.is_closed and not self._survives(scope, node):
            assert state.is_cancelling, f"{path} is {state.status} in a closed scope"
        if state.status is _S.RUNNING:
            self._goes_on(path, node, state)

    def _survives(self, scope: str, node: Node) -> bool:
        joins = (Join.ALL_SETTLED, Join.ANY_FAILED)
        return scope == "" and self.run.record.outcome == "failed" and node.join in joins

    def _is_over(self, scope: str) -> bool:
        """Whether the container of the scope, or one around it, has ended and keeps nothing."""
        if scope in PHASE_SCOPES or scope.endswith("/undo"):
            return self.run.record.status.is_final
        if self.scopes[scope].is_kept or self.scopes[scope].kept:
            return False
        return self.nodes[owner_of(scope)].status is not _S.RUNNING

    def _goes_on(self, path: str, node: Node, state: NodeState) -> None:
        """A node that runs is asked, has its patch landing, or has steps that are not over."""
        if self._asks(path):
            return
        is_patched = self.run.results.get(f"{path}@patch") is not None
        if isinstance(node.primitive, Ask) and is_patched:
            first = self.scopes[parent_scope(path)].patchers[0]
            assert first != path or self.nodes[path + LAND].status in _IN_FLIGHT, path
            return
        inside = f"{path}/fallback" if state.is_handed_on else inside_of(self.turn, path)
        assert isinstance(node.primitive, CONTAINERS) or state.is_handed_on, path
        assert self._is_open(inside), f"{path} runs, and nothing in it does"


def check_end(story: Story) -> None:
    """Nothing is left of a run that has ended."""
    record = story.run.record
    assert not story.requests, f"left in flight: {list(story.requests)}"
    assert not story.questions, f"left in the inbox: {list(story.questions)}"
    assert not story.timers, f"left in the timers: {list(story.timers)}"
    assert (record.running, record.waiting, record.agenda) == (0, 0, ())
    assert story.asked_slot is None, "the run has ended and holds a slot of its key"
    for scope, tally in story.run.scopes.items():
        assert (tally.kept, tally.is_kept) == (0, False), f"{scope} keeps something at the end"
        assert not tally.patchers, f"{scope} waits for patches at the end"
    for path, state in story.run.nodes.items():
        left = state.status is _S.PENDING and (state.spent or "@" in path or record.round > 1)
        assert state.status.is_settled or left, f"{path} is {state.status} at the end"
    for path in story.run.results:
        assert not path.endswith("@patch"), f"{path} is left at the end"
