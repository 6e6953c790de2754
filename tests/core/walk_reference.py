"""What a run that has ended should have become, by a reference of a few lines for each rule."""

from __future__ import annotations

from typing import Any

from coordinator.core.context import result_of
from coordinator.core.definition import (
    CONTAINERS,
    Choose,
    Graph,
    Join,
    Loop,
    Map,
    Node,
    OnBranchError,
    OnRest,
    Scope,
)
from coordinator.core.state import NodeState, NodeStatus, RunStatus
from coordinator.core.turn import Turn, child_path, owner_of, parent_scope
from tests.core.story import Story

_S = NodeStatus
Children = list[tuple[str, NodeState]]
Places = list[tuple[str, Graph]]


def join_holds(join: Join, after: list[NodeState]) -> bool:
    """The table of joins."""
    good = [s.status is _S.SUCCEEDED or s.is_tolerated for s in after]
    bad = [
        s.status is _S.CANCELLED or (s.status is _S.FAILED and not s.is_tolerated) for s in after
    ]
    match join:
        case Join.NONE_FAILED:
            return not any(bad) and (any(good) or not after)
        case Join.ALL_SUCCEEDED:
            return all(good)
        case Join.ANY_SUCCEEDED:
            return any(good)
        case Join.ANY_FAILED:
            return any(s.status is _S.FAILED for s in after)
        case Join.ALL_SETTLED:
            return True


def outcome(children: Children, need: int | None = None) -> bool:
    """Whether one graph with these children has succeeded."""
    good = sum(each.has_succeeded for _, each in children)
    bad = sum(each.has_failed for _, each in children)
    cancelled = sum(each.status is _S.CANCELLED for _, each in children)
    if need is not None:
        return good >= need or good + bad + cancelled == 0
    return bad == 0


def verdict(children: Children) -> str | None:
    """The worst of the children's verdicts."""
    said = {each.verdict for _, each in children}
    return next((one for one in ("fail", "unknown", "pass") if one in said), None)


class Reference:
    """Holds a run that has ended against the rules."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.run = story.run
        self.turn = Turn(story.definition, story.run, story.events[-1])

    def check(self) -> None:
        """Every scope that is left, every container, what was undone, and the run's own end."""
        for scope in self.run.scopes:
            graph = self.turn.graph(scope)
            is_first = self.run.record.round == 1  # what succeeded stays, whatever joins say now
            if graph is not None and is_first and not self._is_of_items(scope):
                self._joins(scope, graph)
        for path, state in self.run.nodes.items():
            node = None if "@" in path else self.turn.define(path)
            if node is not None and isinstance(node.primitive, CONTAINERS):
                self._container(path, node, state)
            if node is not None and node.undo is not None:
                self._undone(path, state)
        self._end()

    def _is_of_items(self, scope: str) -> bool:
        is_own = scope != "" and owner_of(scope) == scope and scope not in ("finally", "on_failure")
        return is_own and isinstance(self.turn.define(scope).primitive, Map)

    # Joins

    def _joins(self, scope: str, graph: Graph) -> None:
        tally = self.run.scopes[scope]
        for node in graph.nodes.values():
            path = child_path(scope, node.id)
            here = self.turn.node(path)
            after = [self.turn.node(child_path(scope, step)) for step in node.dependencies]
            if not all(one.status.is_settled for one in (here, *after)):
                continue  # a round that ended before it got here
            holds = join_holds(node.join, after)
            if here.attempt > here.spent:
                assert holds, f"{path} ran against its join {node.join}"
            elif holds and not tally.is_closed and not self._is_left_out(node, here):
                assert here.status in (_S.FAILED, _S.SUCCEEDED), f"{path} did not run"

    @staticmethod
    def _is_left_out(node: Node, state: NodeState) -> bool:
        by_hand = isinstance(state.detail, dict) and "skipped_by" in state.detail
        return node.condition is not None or by_hand or bool(state.spent)

    # Containers

    def _container(self, path: str, node: Node, state: NodeState) -> None:
        if not self._is_plain(path, node, state):
            return
        places = self.places(path, node, state)
        every = [each for scope, graph in places for each in self.children(graph, scope)]
        good, result = self._expected(node.primitive, places)
        if state.status is _S.SUCCEEDED:
            assert good, f"{path} succeeded"
            assert state.verdict == verdict(every), path
            assert not places or result_of(self.turn, path) == result, path
        elif state.error and state.error.get("node"):
            assert not good, f"{path} failed: {state.error}"

    def _is_plain(self, path: str, node: Node, state: NodeState) -> bool:
        """Whether its end followed from its children: no fallback, no human and no branch that it
        kept came after."""
        own = node.primitive
        is_over = state.status in (_S.SUCCEEDED, _S.FAILED) and state.attempt > state.spent
        keeps = isinstance(own, Scope) and own.need is not None and own.on_rest is OnRest.KEEP
        has_fallback = self.turn.scope(f"{path}/fallback") is not None
        return is_over and not has_fallback and not state.answered and not keeps

    def children(self, graph: Graph, scope: str) -> Children:
        """The states of the steps of one scope."""
        return [(step, self.turn.node(child_path(scope, step))) for step in graph.nodes]

    def places(self, path: str, node: Node, state: NodeState) -> Places:
        """The scopes that the container's end depends on."""
        primitive = node.primitive
        match primitive:
            case Scope():
                return [(path, primitive.graph)]
            case Choose():
                ways = [*(branch.graph for branch in primitive.branches), primitive.otherwise]
                taken = ways[state.branch] if state.branch >= 0 else None
                return [(path, taken)] if taken else []
            case Loop():
                return [(f"{path}#{state.iteration}", primitive.graph)]
            case Map():
                return [(f"{path}[{index}]", primitive.graph) for index in range(state.iteration)]
        return []

    def _expected(self, primitive: object, places: Places) -> tuple[bool, Any]:
        """Whether it should have succeeded, and with what."""
        ends = [outcome(self.children(graph, scope)) for scope, graph in places]
        results = [self._result(graph, scope) for scope, graph in places]
        ignore = getattr(primitive, "on_branch_error", None) is OnBranchError.IGNORE
        if isinstance(primitive, Map):
            told = [result if end else None for result, end in zip(results, ends, strict=True)]
            return ignore or all(ends), told
        if isinstance(primitive, Scope) and primitive.need is not None:
            return outcome(self.children(*places[0][::-1]), primitive.need), results[0]
        return ignore or all(ends), results[0] if results else None

    def _result(self, graph: Graph, scope: str) -> dict[str, Any]:
        return {
            step: result_of(self.turn, child_path(scope, step))
            if each.status is _S.SUCCEEDED
            else None
            for step, each in self.children(graph, scope)
        }

    # The end

    def _undone(self, path: str, state: NodeState) -> None:
        scopes = path.split("/")
        if scopes[0] in ("finally", "on_failure") or "undo" in scopes:
            return
        record = self.run.record
        was_let_go = self.story.definition.concurrency is None or record.granted_ms > 0
        ended = record.outcome in ("failed", "cancelled") and was_let_go
        if ended and state.status in (_S.SUCCEEDED, _S.FAILED) and self._is_told(path):
            assert self.turn.scope(f"{path}/undo") is not None, f"{path} was not undone"

    def _is_told(self, path: str) -> bool:
        """Whether the node is of the round that ended, and not of one before that forgot it."""
        scope = parent_scope(path)
        return scope == "" or self.turn.scope(scope) is not None

    def _end(self) -> None:
        record, definition = self.run.record, self.story.definition
        tally = self.turn.scope("")
        if record.status in (RunStatus.SUCCEEDED, RunStatus.STOPPED) and tally is not None:
            assert not tally.failed, "the run did not fail, and a step did"
        if tally is None or record.outcome == "terminated" or record.round > 1:
            return
        if definition.finally_ is not None:
            assert self.turn.scope("finally") is not None, "finally did not run"
        has_failed = record.outcome == "failed" and definition.on_failure is not None
        assert (self.turn.scope("on_failure") is not None) is has_failed, "on_failure"
