"""Where things are in a run: the path that a name means, the graph that a container runs, the item
or iteration that a path is inside of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from coordinator.core.definition import (
    Ask,
    Choose,
    Compute,
    Graph,
    Loop,
    Map,
    Node,
    Primitive,
    Scope,
    Wait,
    Workflow,
)
from coordinator.core.ids import static_path, underscored
from coordinator.core.state import NodeState, RunHead, RunRecord

ITEMS: Final = "@items"
"""What the key of a map's list of items ends with, among the results."""
_ITEM: Final = re.compile(r"\[(\d+)\]")
_NUMBER: Final = re.compile(r"(\d+)")
_BARE: Final = re.compile(r"[^\[\]#]+")
_NUMBERED: Final = {
    Loop: re.compile(r"[^\[\]#]+#[1-9]\d*"),
    Map: re.compile(r"[^\[\]#]+\[(?:0|[1-9]\d*)\]"),
}
ASIDE: Final = frozenset({"fallback", "undo"})
"""Parts of a path that follow a container's own, not an iteration's or an item's."""

OUTPUTS: Final = "@outputs"
"""What follows the path of a node where its rendered outputs are kept, among the results."""


class RunReader(Protocol):
    """What a view needs of a run: a turn has it, and so has anything that holds a state."""

    @property
    def definition(self) -> Workflow:
        """What the run runs."""

    @property
    def head(self) -> RunHead:
        """What was written when it began."""

    @property
    def record(self) -> RunRecord:
        """Its changing part."""

    def find(self, path: str) -> NodeState | None:
        """The node's state, if it has one."""

    def result(self, path: str) -> object:
        """What the node returned."""

    def value(self, name: str) -> object:
        """A value of the workflow's own state."""

    def value_names(self) -> frozenset[str]:
        """Names of the workflow's own state."""


def container_graph(run: RunReader, path: str, node: Node) -> Graph | None:
    """The graph that the container at `path` runs; of a choice the one of the branch taken."""
    primitive = node.primitive
    match primitive:
        case Scope() | Loop() | Map():
            return primitive.graph
        case Choose():
            state = run.find(path)
            taken = state.branch if state else -1
            if 0 <= taken < len(primitive.branches):
                return primitive.branches[taken].graph
            return primitive.otherwise
        case Ask() | Compute() | Wait():
            return None


def graphs_inside(
    path: str, primitive: Primitive, known: NodeState | None
) -> Iterator[tuple[str, Graph]]:
    """The scopes that a container at `path` has had, and what runs in each."""
    begun = known.iteration if known else 0
    match primitive:
        case Loop():
            for iteration in range(1, begun + 1):
                yield f"{path}#{iteration}", primitive.graph
        case Map():
            for item in range(begun):
                yield f"{path}[{item}]", primitive.graph
        case Choose():
            yield from ((path, branch.graph) for branch in primitive.branches)
            if primitive.otherwise:
                yield path, primitive.otherwise
        case Scope():
            yield path, primitive.graph
        case Ask() | Compute() | Wait():
            pass


def inside_of(run: RunReader, path: str) -> str:
    """The scope that the container at `path` runs in now; a map's own counts its items."""
    node, state = run.definition.node(path), run.find(path)
    if node is not None and isinstance(node.primitive, Loop):
        return f"{path}#{state.iteration if state else 0}"
    return path


def locate(run: RunReader, name: str, reader_path: str) -> str | None:
    """The path in the run of the step that `name` means to a reader at `reader_path`.

    Inside an iteration or item that is its own step; from outside a loop that of the last
    iteration. From outside a map there is none: only its list can be read.
    """
    named = run.definition.names.get(name) or run.definition.names.get(underscored(name))
    if named is None:
        return None
    if not named.is_repeated:
        return named.path
    return _locate_repeated(run, named.path.split("/"), reader_path.split("/"))


def _locate_repeated(run: RunReader, target: list[str], reader: list[str]) -> str | None:
    taken: list[str] = []
    shared = True
    for depth, (segment, following) in enumerate(pairwise(target)):
        mine = reader[depth] if shared and depth < len(reader) else ""
        shared = static_path(mine) == segment
        here = _segment(run, "/".join([*taken, segment]), mine if shared else segment, following)
        if here is None:
            return None
        taken.append(here)
    return "/".join([*taken, target[-1]])


def _segment(run: RunReader, path: str, mine: str, following: str) -> str | None:
    """The last part of `path` with its iteration or item: the reader's own (`mine`), else of a loop
    the last one; None of a map, into which nobody can read from outside.
    """
    node, segment = run.definition.node(path), path.rpartition("/")[2]
    primitive = node.primitive if node else None
    if following in ASIDE or not isinstance(primitive, Loop | Map):
        return segment
    if mine != segment:
        return mine
    state = run.find(path)
    is_loop = isinstance(primitive, Loop)
    return f"{segment}#{state.iteration if state else 0}" if is_loop else None


def is_place(definition: Workflow, path: str) -> bool:
    """Whether a run can have a node at `path`: what is in a loop or a map is numbered, and nothing
    else is.
    """
    taken = ""
    for segment, following in pairwise(path.split("/")):
        bare = static_path(segment)
        taken = f"{taken}/{bare}" if taken else bare
        node = definition.nodes.get(taken)
        primitive = node.primitive if node and following not in ASIDE else None
        wanted = _NUMBERED.get(type(primitive), _BARE)
        if not wanted.fullmatch(segment):
            return False
    last = path.rpartition("/")[2]
    return _BARE.fullmatch(last) is not None and definition.node(path) is not None


def in_order(paths: Iterable[str]) -> list[str]:
    """The paths in an order that depends on nothing else; stores give nodes back in any."""
    return sorted(paths, key=_by_numbers)


def _by_numbers(path: str) -> list[str | int]:
    parts = _NUMBER.split(path)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]


def iteration_of(path: str) -> int:
    """The innermost iteration that a path is in, from 1; 1 where it is in none."""
    at = path.rfind("#")
    return int(path[at + 1 :].partition("/")[0]) if at >= 0 else 1


class Around(NamedTuple):
    """The item that a path is inside of."""

    item: object
    number: int
    """Its `index`, from 0."""


def item_around(run: RunReader, path: str, name: str = "") -> Around | None:
    """The innermost item that `path` is inside of; with `name`, of a map that calls it that."""
    for mark in reversed(list(_ITEM.finditer(path))):
        owner = path[: mark.start()]
        node = run.definition.node(owner)
        if node is None or not isinstance(node.primitive, Map):
            continue
        items = run.result(owner + ITEMS)
        index = int(mark[1])
        if name in ("", node.primitive.as_name) and isinstance(items, list | tuple):
            return Around(items[index], index)
    return None


def item_scopes(run: RunReader, path: str) -> Iterator[str]:
    """The scopes of the items of the map at `path` that have begun, in item order."""
    state = run.find(path)
    return (f"{path}[{index}]" for index in range(state.iteration if state else 0))
