"""What containers of random runs made of their children, against a reference of a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core.context import result_of
from coordinator.core.definition import (
    Choose,
    Graph,
    Loop,
    Map,
    Node,
    OnBranchError,
    OnRest,
    Scope,
)
from coordinator.core.state import NodeState, NodeStatus
from coordinator.core.turn import Turn, child_path
from tests.core.story import Story
from tests.core.test_walks import _Walk, make

Children = list[tuple[str, NodeState]]


def outcome(children: Children, need: int | None = None) -> bool:
    """Whether one graph with these children has succeeded."""
    good = sum(each.has_succeeded for _, each in children)
    bad = sum(each.has_failed for _, each in children)
    cancelled = sum(each.status is NodeStatus.CANCELLED for _, each in children)
    if need is not None:
        return good >= need or good + bad + cancelled == 0
    return bad == 0


def verdict(children: Children) -> str | None:
    """The worst of the children's verdicts."""
    said = {each.verdict for _, each in children}
    return next((one for one in ("fail", "unknown", "pass") if one in said), None)


class Looker:
    """Looks at the containers of a run that has ended."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.turn = Turn(story.definition, story.run, story.events[-1])

    def children(self, graph: Graph, scope: str) -> Children:
        paths = {step: child_path(scope, step) for step in graph.nodes}
        return [(step, self.turn.node(path)) for step, path in paths.items()]

    def result(self, graph: Graph, scope: str) -> dict[str, Any]:
        return {
            step: result_of(self.turn, child_path(scope, step))
            if each.status is NodeStatus.SUCCEEDED
            else None
            for step, each in self.children(graph, scope)
        }

    def scopes(self, path: str, node: Node) -> list[tuple[str, Graph]]:
        state, primitive = self.turn.node(path), node.primitive
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
                begun = range(state.iteration)
                return [(f"{path}[{index}]", primitive.graph) for index in begun]
        return []

    def containers(self, graph: Graph, scope: str = "") -> Iterator[tuple[str, Node]]:
        for step, node in graph.nodes.items():
            path = child_path(scope, step)
            if (
                isinstance(node.primitive, Scope | Choose | Loop | Map)
                and self.turn.node(path).attempt
            ):
                yield path, node
            for inner, part in self.scopes(path, node):
                yield from self.containers(part, inner)

    def check(self, path: str, node: Node) -> None:
        """Hold the container's status, verdict and result against those of its children."""
        state, scopes = self.turn.node(path), self.scopes(path, node)
        every = [each for scope, graph in scopes for each in self.children(graph, scope)]
        good, result = self.reference(node.primitive, scopes)
        if state.status is NodeStatus.SUCCEEDED:
            assert good, f"{path} succeeded"
            assert state.verdict == verdict(every), path
            assert not scopes or result_of(self.turn, path) == result, path
        elif state.error and state.error["class"] not in ("exhausted", "gate"):
            assert not good, f"{path} failed: {state.error}"

    def reference(self, primitive: object, scopes: list[tuple[str, Graph]]) -> tuple[bool, Any]:
        """Whether it should have succeeded, and with what."""
        ends = [outcome(self.children(graph, scope)) for scope, graph in scopes]
        results = [self.result(graph, scope) for scope, graph in scopes]
        ignore = getattr(primitive, "on_branch_error", None) is OnBranchError.IGNORE
        if isinstance(primitive, Map):
            told = [result if end else None for result, end in zip(results, ends, strict=True)]
            return ignore or all(ends), told
        if isinstance(primitive, Scope) and primitive.need is not None:
            return outcome(self.children(primitive.graph, scopes[0][0]), primitive.need), results[0]
        return ignore or all(ends), results[0] if results else None

    def is_plain(self, path: str, node: Node) -> bool:
        """Whether its end followed from its children: no fallback, no human and no branch that
        it kept came after."""
        state = self.turn.node(path)
        is_over = state.status in (NodeStatus.SUCCEEDED, NodeStatus.FAILED)
        own = node.primitive
        keeps = isinstance(own, Scope) and own.need is not None and own.on_rest is OnRest.KEEP
        return is_over and node.on_error.graph is None and not state.answered and not keeps


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.booleans())
def test_containers_end_as_their_children_say(shape: int, course: int, unruly: bool) -> None:
    story = _Walk(make(shape), course, unruly=unruly).play()
    looker = Looker(story)

    for path, node in looker.containers(story.definition.graph):
        if looker.is_plain(path, node):
            looker.check(path, node)
