"""From checked steps to the graphs of a compiled workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.core.definition import (
    DEFAULT_TIMEOUT_MS,
    Ask,
    Channel,
    Graph,
    Limits,
    Node,
    OnError,
    OnErrorAction,
    Retry,
)
from coordinator.core.lowering import Addressee, Called, Mark, Parts, StepKeyError
from coordinator.core.templates import Value, compile_value
from coordinator.definitions.called import Workflows, called_of
from coordinator.definitions.check import Checked, fields_of, mark_of
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.errors import join_of, retry_of
from coordinator.definitions.persona import Persona
from coordinator.definitions.personas import Personas, addressee_of
from coordinator.definitions.report import Reporter
from coordinator.definitions.step import Step, StepList


@dataclass(slots=True)
class Builder:
    """Puts the graphs of one file together, innermost first."""

    report: Reporter
    personas: Personas
    defaults: Checked
    nodes: dict[str, Node] = field(default_factory=dict)
    """Every node built so far, by static path."""
    used: set[str] = field(default_factory=set)
    """Names of the personas that the file asks."""
    workflows: Workflows = field(default_factory=Workflows)
    called: dict[str, Compiled] = field(default_factory=dict)
    """The workflows that the file runs, by id."""

    def graph(self, steps: StepList) -> Graph:
        """The graph of a list whose edges are known."""
        dependents: dict[str, list[str]] = {each: [] for each in steps.steps}
        for step in steps.steps.values():
            for other in step.edges:
                dependents[other].append(step.id)
        nodes = {}
        for step in steps.steps.values():
            node = self._node(step, tuple(dependents[step.id]))
            if node is not None:
                nodes[step.id] = node
        roots = tuple(step.id for step in steps.steps.values() if not step.edges)
        return Graph(path=steps.path, nodes=nodes, roots=roots)

    def _node(self, step: Step, dependents: tuple[str, ...]) -> Node | None:
        graphs = {key: self.graph(inner) for key, inner in step.lists.items()}
        primitive = self._lower(step, graphs)
        if primitive is None:
            return None
        common = step.common
        node = Node(
            id=step.id,
            path=step.path,
            type=step.type.name if step.type else "",
            primitive=primitive,
            index=step.index,
            name=common["name"] or "",
            dependencies=tuple(step.edges),
            dependents=dependents,
            join=join_of(common),
            condition=None if step.chooses else step.conditions.get("condition"),
            gate=common["gate"],
            required=bool(common["required"]),
            review=bool(common["review"]),
            retry=self._retry(step, primitive),
            on_error=self._on_error(step, graphs),
            undo=graphs.get("undo"),
            description=common["description"] or "",
            outputs={key: compile_value(each) for key, each in (common["outputs"] or {}).items()},
            result_schema=step.result_schema,
        )
        self.nodes[node.path] = node
        return node

    def _lower(self, step: Step, graphs: Mapping[str, Graph]) -> Any:
        if step.type is None:
            return None
        own = {key: self._own(step, key, graphs) for key in step.own.values}
        given = self._given_timeout(step)
        default = self.defaults["timeout"] or DEFAULT_TIMEOUT_MS
        parts = Parts(
            id=step.path,
            type=step.type.name,
            own=own,
            params=step.common["params"] or {},
            timeout=default if given is None else given,
            given_timeout=given,
            limits=limits_of(step.common["git"]),
            addressee=self._addressee(step) if step.type.asks_persona else None,
            called=self._called(step) if step.type.runs_workflow else None,
        )
        try:
            return step.type.lower(parts)
        except StepKeyError as error:
            self.report.value("WF022", step.origin(error.key), str(error))
            return None

    def _own(self, step: Step, key: str, graphs: Mapping[str, Graph]) -> Any:
        value = step.own.values[key]
        about = fields_of(step.type.keys).get(key) if step.type else None
        mark = mark_of(about) if about else None
        if mark is Mark.CASES:
            return self._cases(step, key, graphs)
        if mark in (Mark.DURATION_TEMPLATE, Mark.MOMENT_TEMPLATE) and isinstance(value, str):
            return compile_value(value)
        return graphs.get(key, step.conditions.get(key, value))

    def _cases(self, step: Step, key: str, graphs: Mapping[str, Graph]) -> dict[str, Graph]:
        lists = ((name, each) for name, each in step.lists.items() if each.key == key)
        return {str(each.case): graphs[name] for name, each in lists}

    def _given_timeout(self, step: Step) -> Value | int | None:
        own = step.common["timeout"]
        if own is not None:
            return compile_value(own) if isinstance(own, str) else int(own)
        persona = self._persona(step.common["persona"]) if self._asks(step) else None
        return None if persona is None else persona.timeout_ms

    def _asks(self, step: Step) -> bool:
        return step.type is not None and step.type.asks_persona

    def _addressee(self, step: Step) -> Addressee:
        name = str(step.common["persona"] or step.id)
        persona = self._persona(name)
        if persona is None:
            return Addressee(name=name)
        self.used.add(persona.name)
        return addressee_of(persona)

    def _called(self, step: Step) -> Called | None:
        found = self.workflows.find(step.own["workflow"])
        if found is None:
            return None
        self.called[found.workflow.id] = found
        return called_of(found)

    def _persona(self, name: object) -> Persona | None:
        return self.personas.find(name) if isinstance(name, str) else None

    def _retry(self, step: Step, primitive: object) -> Retry:
        is_work = isinstance(primitive, Ask) and primitive.channel is not Channel.HUMAN
        return retry_of(step.common, self.defaults["retry"] if is_work else None)

    def _on_error(self, step: Step, graphs: Mapping[str, Graph]) -> OnError:
        said = step.common["on_error"]
        if isinstance(said, Mapping):
            graph = graphs.get("fallback")
            if graph is not None:
                return OnError(action=OnErrorAction.FALLBACK, graph=graph)
            name = str(said["fallback"])
            persona = self._persona(name)
            if persona is not None:
                self.used.add(persona.name)
            return OnError(action=OnErrorAction.FALLBACK, persona=persona.name if persona else name)
        if said in (None, "retry"):
            return OnError()
        return OnError(action=OnErrorAction(said))


def limits_of(git: Checked | None) -> Limits:
    """What a `git:` key allows."""
    if git is None:
        return Limits()
    branches, paths = git["branches"], git["paths"]
    return Limits(
        branches=None if branches is None else tuple(branches),
        paths=None if paths is None else tuple(paths),
        push=git["push"],
    )
