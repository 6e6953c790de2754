"""Definitions written in Python, for tests of the core that do not want YAML in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coordinator.core.concurrency import Concurrency, OnConflict
from coordinator.core.definition import (
    Ask,
    Branch,
    Channel,
    Choose,
    Compute,
    Files,
    Graph,
    Loop,
    Map,
    Node,
    OnError,
    OnErrorAction,
    Primitive,
    Retry,
    Scope,
    Wait,
    Workflow,
)
from coordinator.core.expressions import compile_expression
from coordinator.core.ids import Digest
from coordinator.core.templates import compile_value


class Step:
    """A step before it has a place."""

    def __init__(self, step_id: str, primitive: Any, **keys: Any) -> None:
        self.id = step_id
        self.primitive = primitive
        self.keys = keys


def ask(step_id: str, *after: str, **keys: Any) -> Step:
    """A persona-request to a persona of the same name."""
    asked = {
        name: keys.pop(name)
        for name in ("timeout", "deadline", "tests_required", "form", "assignees", "on_deadline")
        if name in keys
    }
    for name in ("timeout", "deadline"):
        if isinstance(asked.get(name), str):
            asked[name] = compile_value(asked[name])
    primitive = Ask(
        channel=keys.pop("channel", Channel.PERSONA),
        target=keys.pop("persona", step_id),
        params=compile_value(keys.pop("params", {})),
        files=Files(keys.pop("files", "none")),
        **asked,
    )
    return Step(step_id, primitive, after=after, **keys)


def human(step_id: str, *after: str, **keys: Any) -> Step:
    """A question to a human."""
    return ask(step_id, *after, channel=Channel.HUMAN, persona="human", **keys)


def git(step_id: str, *after: str, operation: str = "commit", **keys: Any) -> Step:
    """A git operation."""
    params = {"operation": operation}
    return ask(
        step_id, *after, channel=Channel.WORK, persona="git-operation", params=params, **keys
    )


def child(step_id: str, *after: str, of: str = "checks", **keys: Any) -> Step:
    """A run of another workflow."""
    asked = {name: keys.pop(name) for name in ("timeout", "parameters") if name in keys}
    primitive = Ask(
        channel=Channel.CHILD,
        target=of,
        params=compile_value(keys.pop("params", {})),
        child=Digest("sha256:" + "1" * 64),
        **{"timeout": None, **asked},
    )
    return Step(step_id, primitive, after=after, **keys)


def parallel(step_id: str, *after: str, steps: Sequence[Step], **keys: Any) -> Step:
    """Branches side by side."""
    own = {name: keys.pop(name) for name in ("need", "on_rest", "on_branch_error") if name in keys}
    return Step(step_id, ("scope", list(steps), own), after=after, **keys)


def repeat(
    step_id: str, *after: str, steps: Sequence[Step], until: str | None, most: int, **keys: Any
) -> Step:
    """The same steps again until a condition holds."""
    return Step(step_id, ("loop", list(steps), until, most), after=after, **keys)


def conditional(
    step_id: str,
    *after: str,
    when: str,
    then: Sequence[Step],
    otherwise: Sequence[Step] | None = None,
    **keys: Any,
) -> Step:
    """One branch or the other."""
    return Step(step_id, ("choose", when, list(then), otherwise), after=after, **keys)


def switch(
    step_id: str,
    *after: str,
    on: Any,
    cases: Mapping[str, Sequence[Step]],
    default: Sequence[Step] | None = None,
    **keys: Any,
) -> Step:
    """The branch that a value names."""
    return Step(step_id, ("switch", on, dict(cases), default), after=after, **keys)


def foreach(
    step_id: str, *after: str, items: Any, steps: Sequence[Step], as_name: str = "item", **keys: Any
) -> Step:
    """The same steps for each item."""
    own = {name: keys.pop(name) for name in ("max_concurrent", "on_branch_error") if name in keys}
    return Step(step_id, ("map", items, as_name, list(steps), own), after=after, **keys)


def compute(step_id: str, *after: str, values: Any, **keys: Any) -> Step:
    """Values for the workflow's own state."""
    return Step(step_id, Compute(values=compile_value(values)), after=after, **keys)


def wait(step_id: str, *after: str, **keys: Any) -> Step:
    """A wait for a `duration`, a moment (`until`) or a `signal`, each a template if it is text."""
    own = {
        name: compile_value(keys[name]) if isinstance(keys[name], str) else keys[name]
        for name in ("duration", "until", "timeout")
        if name in keys
    }
    left = {name: value for name, value in keys.items() if name not in (*own, "signal")}
    return Step(step_id, Wait(signal=keys.get("signal"), **own), after=after, **left)


def workflow(*steps: Step, **keys: Any) -> Workflow:
    """A whole definition."""
    known: dict[str, Node] = {}
    finally_ = keys.pop("finally_", None)
    on_failure = keys.pop("on_failure", None)
    outputs = {name: compile_value(text) for name, text in keys.pop("outputs", {}).items()}
    variables = {name: compile_value(text) for name, text in keys.pop("variables", {}).items()}
    graph = _graph("", steps, known)
    return Workflow(
        concurrency=_concurrency(**keys.pop("concurrency")) if "concurrency" in keys else None,
        id=keys.pop("name", "test"),
        name="test",
        version="1.0.0",
        digest=Digest("sha256:" + "0" * 64),
        graph=graph,
        finally_=None if finally_ is None else _graph("finally", finally_, known),
        on_failure=None if on_failure is None else _graph("on_failure", on_failure, known),
        outputs=outputs,
        variables=variables,
        nodes=known,
        **keys,
    )


def _concurrency(key: Any, limit: int = 1, on_conflict: str = "queue") -> Concurrency:
    return Concurrency(key=compile_value(key), limit=limit, on_conflict=OnConflict(on_conflict))


def _graph(path: str, steps: Sequence[Step], known: dict[str, Node]) -> Graph:
    nodes: dict[str, Node] = {}
    for index, step in enumerate(steps):
        nodes[step.id] = _node(path, index, step, known)
    for node in list(nodes.values()):
        dependents = tuple(one.id for one in nodes.values() if node.id in one.dependencies)
        nodes[node.id] = replace(node, dependents=dependents)
        known[node.path] = nodes[node.id]
    roots = tuple(node.id for node in nodes.values() if not node.dependencies)
    return Graph(path=path, nodes=nodes, roots=roots)


def _node(scope: str, index: int, step: Step, known: dict[str, Node]) -> Node:
    path = f"{scope}/{step.id}" if scope else step.id
    keys: dict[str, Any] = dict(step.keys)
    condition = keys.pop("condition", None)
    undo = keys.pop("undo", None)
    fallback = keys.pop("fallback", None)
    given = {name: compile_value(text) for name, text in keys.pop("outputs", {}).items()}
    on_error = OnError(action=OnErrorAction(keys.pop("on_error", "abort")))
    if isinstance(fallback, str):
        on_error = OnError(action=OnErrorAction.FALLBACK, persona=fallback)
    elif fallback is not None:
        graph = _graph(f"{path}/fallback", fallback, known)
        on_error = OnError(action=OnErrorAction.FALLBACK, graph=graph)
    node = Node(
        id=step.id,
        path=path,
        type=step.primitive[0] if isinstance(step.primitive, tuple) else "persona-request",
        primitive=_primitive(path, step.primitive, known),
        index=index,
        dependencies=tuple(keys.pop("after", ())),
        condition=None if condition is None else compile_expression(condition),
        on_error=on_error,
        retry=Retry(**keys.pop("retry", {})),
        undo=None if undo is None else _graph(f"{path}/undo", undo, known),
        outputs=given,
        **keys,
    )
    known[path] = node
    return node


def _primitive(path: str, raw: Any, known: dict[str, Node]) -> Primitive:
    if isinstance(raw, Ask | Compute | Wait):
        return raw
    match raw:
        case ("scope", steps, own):
            return Scope(graph=_graph(path, steps, known), **own)
        case ("loop", steps, until, most):
            condition = None if until is None else compile_expression(until)
            return Loop(graph=_graph(path, steps, known), until=condition, max_iterations=most)
        case ("choose", when, then, otherwise):
            branch = Branch(when=compile_expression(when), graph=_graph(path, then, known))
            rest = None if otherwise is None else _graph(path, otherwise, known)
            return Choose(branches=(branch,), otherwise=rest)
        case ("switch", on, cases, default):
            ways = tuple(
                Branch(case=case, graph=_graph(path, steps, known)) for case, steps in cases.items()
            )
            rest = None if default is None else _graph(path, default, known)
            return Choose(on=compile_value(on), branches=ways, otherwise=rest)
        case ("map", items, as_name, steps, own):
            graph = _graph(path, steps, known)
            return Map(graph=graph, items=compile_value(items), as_name=as_name, **own)
    raise TypeError(raw)


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value, which has to be a mapping."""
    assert isinstance(value, Mapping)
    return value
