"""`coordinator graph`: the steps of a workflow and what leads from one to another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import click

from coordinator.cli.commands import Leaf, env_option
from coordinator.cli.folder import Folder
from coordinator.cli.session import Session, out
from coordinator.cli.text import json_text, one_line
from coordinator.core.definition import (
    CONTAINERS,
    Ask,
    Channel,
    Choose,
    Graph,
    Loop,
    Map,
    Node,
    Scope,
)
from coordinator.definitions.compiled import Compiled

_ARROWS: Final = {"dependency": "-->", "reference": "-.->"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One step leads to another: a named dependency, a reference, or a container to its steps."""

    start: str
    end: str
    kind: str


@click.command(cls=Leaf)
@click.argument("workflow")
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(["mermaid", "dot", "json"]),
    default="mermaid",
    help="How to print.",
)
@env_option
@click.pass_obj
def graph(session: Session, workflow: str, form: str) -> None:
    """Show the graph of WORKFLOW, a file or the name of one, before it runs.

    Dotted edges are dependencies that nobody named: a step reads another one's result.

    \b
    Example:
      coordinator graph project-loop --format dot | dot -Tsvg > loop.svg
    """
    compiled = Folder(session).workflow(workflow)
    drawn = {"json": _json, "dot": _dot, "mermaid": mermaid}[form](compiled)
    out(drawn)


def persona_of(node: Node) -> str | None:
    """Who is asked; None for containers, for the coordinator's own work, for plain humans and for
    other workflows.
    """
    asked = node.primitive
    if not isinstance(asked, Ask) or node.type == "human":
        return None
    return None if asked.channel in (Channel.WORK, Channel.CHILD) else asked.target


def workflow_of(node: Node) -> str | None:
    """The id of the workflow that the step runs, if it runs one."""
    asked = node.primitive
    if not isinstance(asked, Ask) or asked.channel is not Channel.CHILD:
        return None
    return asked.target


def edges(compiled: Compiled) -> list[Edge]:
    """Every edge, those from containers to their steps included."""
    named = _named_dependencies(json.loads(compiled.document)["workflow"])
    found = []
    for each in compiled.workflow.nodes.values():
        for other in each.dependencies:
            kind = "dependency" if other in named.get(each.id, ()) else "reference"
            found.append(Edge(start=other, end=each.id, kind=kind))
        for part in _inside(each):
            found += [Edge(start=each.id, end=child, kind=part.kind) for child in part.graph.nodes]
    return found


class _Inside(NamedTuple):
    """One list of steps inside a step."""

    kind: str
    """`contains`, `fallback` or `undo`."""
    graph: Graph
    label: str = ""
    """Of one of several branches: when it is taken."""


def _inside(node: Node) -> Iterator[_Inside]:
    primitive = node.primitive
    if isinstance(primitive, Choose):
        for branch in primitive.branches:
            when = branch.when.source if branch.when else str(branch.case)
            yield _Inside("contains", branch.graph, when)
        if primitive.otherwise is not None:
            yield _Inside("contains", primitive.otherwise, "otherwise")
    elif isinstance(primitive, Scope | Map | Loop):
        yield _Inside("contains", primitive.graph)
    for kind, inner in (("fallback", node.on_error.graph), ("undo", node.undo)):
        if inner is not None:
            yield _Inside(kind, inner)


def _named_dependencies(value: Any) -> dict[str, list[str]]:
    """Of every step in a part of the canonical document: the dependencies that were written."""
    found: dict[str, list[str]] = {}
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            if isinstance(each.get("id"), str):
                found[each["id"]] = each.get("dependencies") or []
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
    return found


def _json(compiled: Compiled) -> str:
    nodes = [
        {
            "id": node.id,
            "type": node.type,
            "persona": persona_of(node),
            "workflow": workflow_of(node),
            "path": node.path,
        }
        for node in compiled.workflow.nodes.values()
    ]
    drawn = [{"from": one.start, "to": one.end, "kind": one.kind} for one in edges(compiled)]
    return json_text({"workflow": compiled.workflow.id, "nodes": nodes, "edges": drawn})


def _label(node: Node) -> str:
    called = workflow_of(node)
    about = f"workflow {called}" if called else persona_of(node) or _about(node)
    text = f"{node.name or node.id}\n{about}" if about != node.id else node.name or node.id
    return "\n".join(one_line(part, 60) for part in text.split("\n"))


def _about(node: Node) -> str:
    primitive = node.primitive
    match primitive:
        case Choose(on=on) if on is not None:
            return f"{node.type} on {on.source}"
        case Map():
            return f"{node.type} {primitive.as_name}"
        case Loop(until=until) if until is not None:
            return f"{node.type} until {until.source}"
        case Scope(need=need) if need is not None:
            return f"{node.type}, {need} of {len(primitive.graph.nodes)}"
        case _:
            return node.type


def mermaid(compiled: Compiled) -> str:
    """The graph as a Mermaid flowchart."""
    workflow = compiled.workflow
    lines = ["flowchart TD", *_mermaid_graph(workflow.graph, 1)]
    for name, graph_ in (("on_failure", workflow.on_failure), ("finally", workflow.finally_)):
        if graph_ is not None:
            lines += _subgraph(f"p_{name}", name, _mermaid_graph(graph_, 2), 1)
    for one in edges(compiled):
        if one.kind in _ARROWS:
            lines.append(f"  {_name(one.start)} {_ARROWS[one.kind]} {_name(one.end)}")
        elif one.kind in ("fallback", "undo"):
            lines.append(f"  {_name(one.start)} -. {one.kind} .-> {_name(one.end)}")
    return "\n".join(lines)


def _mermaid_graph(graph_: Graph, depth: int) -> Iterator[str]:
    for node in graph_.nodes.values():
        parts = list(_inside(node))
        inner = [part for part in parts if part.kind == "contains"]
        name, label = _name(node.id), _label(node)
        if inner:
            yield from _subgraph(name, label, _branches(name, inner, depth + 1), depth)
        else:
            yield f"{'  ' * depth}{name}[{_mermaid_text(label)}]"
        for part in parts:
            if part.kind != "contains":
                yield from _mermaid_graph(part.graph, depth)


def _branches(name: str, inner: list[_Inside], depth: int) -> Iterator[str]:
    for number, part in enumerate(inner):
        if part.label:
            steps = _mermaid_graph(part.graph, depth + 1)
            yield from _subgraph(f"{name}_{number}", one_line(part.label, 60), steps, depth)
        else:
            yield from _mermaid_graph(part.graph, depth)


def _subgraph(name: str, label: str, lines: Iterable[str], depth: int) -> Iterator[str]:
    pad = "  " * depth
    yield f"{pad}subgraph {name}[{_mermaid_text(label)}]"
    yield from lines
    yield f"{pad}end"


def _mermaid_text(label: str) -> str:
    plain = label.replace('"', "'").replace("<", "&lt;").replace("#", "＃")
    plain = plain.replace("\n", "<br/>")
    return f'"{plain}"'


def _name(step_id: str) -> str:
    # "end" and the like are words of Mermaid.
    return f"s_{step_id.replace('-', '_')}"


def _dot(compiled: Compiled) -> str:
    lines = [f"digraph {_quoted(compiled.workflow.id)} {{", "  rankdir=TB; node [shape=box];"]
    for node in compiled.workflow.nodes.values():
        shape = " style=rounded" if isinstance(node.primitive, CONTAINERS) else ""
        lines.append(f"  {_quoted(node.id)} [label={_quoted(_label(node))}{shape}];")
    styles = {"dependency": "solid", "reference": "dotted"}
    for one in edges(compiled):
        style = styles.get(one.kind, "dashed")
        end = f'[style={style} label="{"" if one.kind in styles else one.kind}"]'
        lines.append(f"  {_quoted(one.start)} -> {_quoted(one.end)} {end};")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
