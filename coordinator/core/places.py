"""Where things are in a run: the path that a name means, the graph that a container runs, the item
or iteration that a path is inside of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from coordinator.core.definition import (
    Ask,
    Choose,
    Compute,
    Graph,
    Loop,
    Map,
    Node,
    Scope,
    Wait,
    Workflow,
)
from coordinator.core.ids import static_path, underscored
from coordinator.core.state import NodeState, RunHead, RunRecord

ITEMS: Final = "@items"
"""What the key of a map's list of items ends with, among the results."""
_ITEM: Final = re.compile(r"\[(\d+)\]")


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
    for depth, segment in enumerate(target[:-1]):
        shared = shared and depth < len(reader) and static_path(reader[depth]) == segment
        if shared:
            taken.append(reader[depth])
            continue
        path = "/".join([*taken, segment])
        node, state = run.definition.node(path), run.find(path)
        primitive = node.primitive if node else None
        if isinstance(primitive, Map):
            return None
        is_loop = isinstance(primitive, Loop)
        taken.append(f"{segment}#{state.iteration if state else 0}" if is_loop else segment)
    return "/".join([*taken, target[-1]])


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
