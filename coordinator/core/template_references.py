"""What a template reads, and which of it may be missing without harm.

A read is guarded when a default stands in for it, when it is only tested or compared, or when it is
made where something of the same subject has been tested: a branch of an `if`, the right side of
`and` and `or`. The subject of `steps.qa.result`, `state.qa_status` and `qa.output` is `qa`, so a
test of a step's outcome guards the reads of its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from jinja2 import nodes

from coordinator.core.references import Reference

_LENIENT_TESTS: Final = frozenset({"divisibleby", "odd", "even"})
_NOTHING: Final[frozenset[str]] = frozenset()


def find_references(tree: nodes.Template) -> tuple[Reference, ...]:
    """Every read of the scope in a checked template, in the order of the text."""
    reader = _Reader()
    reader.read_body(tree.body, _NOTHING, set())
    return tuple(sorted(set(reader.found), key=lambda each: (each.column, each.path)))


def subject(path: tuple[str, ...]) -> str:
    """What a path is about: the step behind it, or else its first name."""
    names = path[1:] if path[0] == "context" and len(path) > 1 else path
    name = names[0]
    if len(names) > 1 and name == "steps":
        name = names[1]
    elif len(names) > 1 and name == "state":
        name = names[1].removesuffix("_status").removesuffix("_result")
    return name.replace("-", "_")


def _is_get(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Getattr)
        and node.node.attr == "get"
    )


class _Part(NamedTuple):
    """One part of a path: what it reads from, the name it reads (None where that is not written
    out), the other expressions in it, and whether a default stands in for it."""

    before: nodes.Node
    name: str | None
    others: list[nodes.Expr]
    has_default: bool


def _parts(node: nodes.Node) -> Iterator[_Part]:
    """The parts of a path, from the last to the first."""
    while True:
        match node:
            case nodes.Getattr():
                yield _Part(node.node, node.attr, [], False)
                node = node.node
            case nodes.Getitem(arg=nodes.Const(value=str(key))):
                yield _Part(node.node, key, [], False)
                node = node.node
            case nodes.Getitem():
                yield _Part(node.node, None, [node.arg], False)
                node = node.node
            case nodes.Call(node=nodes.Getattr() as called) if _is_get(node):
                first = node.args[0]
                read = first.value if isinstance(first, nodes.Const) else None
                name = read if isinstance(read, str) else None
                yield _Part(called.node, name, node.args, len(node.args) > 1)
                node = called.node
            case _:
                return


class _Reader:
    """Collects references. `guarded`: may this value be missing; `known`: subjects tested so far;
    `bound`: names that the template itself has set."""

    def __init__(self) -> None:
        self.found: list[Reference] = []

    def read_body(self, body: Iterable[nodes.Node], known: frozenset[str], bound: set[str]) -> None:
        for node in body:
            match node:
                case nodes.Output():
                    for each in node.nodes:
                        self._read(each, False, known, bound)
                case nodes.Assign():
                    self._read(node.node, False, known, bound)
                    bound.update(_targets(node.target))
                case nodes.If():
                    self._read_if(node, known, bound)
                case nodes.For():
                    self._read_loop(node, known, bound)

    def _read_if(self, node: nodes.If, known: frozenset[str], bound: set[str]) -> None:
        for branch in (node, *node.elif_):
            known = known | self._tested(branch.test, known, bound)
            self.read_body(branch.body, known, bound)
        self.read_body(node.else_, known, bound)

    def _read_loop(self, node: nodes.For, known: frozenset[str], bound: set[str]) -> None:
        before = len(self.found)
        self._read(node.iter, False, known, bound)
        inside = known | self._subjects_since(before)
        names = bound | _targets(node.target) | {"loop"}
        if node.test is not None:
            inside = inside | self._tested(node.test, inside, names)
        self.read_body(node.body, inside, set(names))
        self.read_body(node.else_, known, bound)

    def _tested(self, node: nodes.Node, known: frozenset[str], bound: set[str]) -> frozenset[str]:
        """Read a test; the subjects it asks about."""
        before = len(self.found)
        self._read(node, True, known, bound)
        return self._subjects_since(before)

    def _subjects_since(self, before: int) -> frozenset[str]:
        return frozenset(subject(each.path) for each in self.found[before:])

    def _read(
        self, node: nodes.Node, guarded: bool, known: frozenset[str], bound: set[str]
    ) -> None:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem() | nodes.Call():
                self._read_path(node, guarded, known, bound)
            case nodes.And() | nodes.Or():
                inside = known | self._tested(node.left, known, bound)
                self._read(node.right, guarded, inside, bound)
            case nodes.CondExpr():
                inside = known | self._tested(node.test, known, bound)
                self._read(node.expr1, guarded, inside, bound)
                if node.expr2 is not None:
                    self._read(node.expr2, guarded, inside, bound)
            case nodes.Filter(node=value) if value is not None:
                self._read(value, guarded or node.name == "default", known, bound)
                self._read_all([*node.args, *node.kwargs], False, known, bound)
            case nodes.Test():
                self._read(node.node, True, known, bound)
                self._read_all([*node.args, *node.kwargs], True, known, bound)
            case nodes.Compare() | nodes.Operand() | nodes.Not():
                self._read_all(node.iter_child_nodes(), True, known, bound)
            case _:
                self._read_all(node.iter_child_nodes(), False, known, bound)

    def _read_all(
        self, several: Iterable[nodes.Node], guarded: bool, known: frozenset[str], bound: set[str]
    ) -> None:
        for node in several:
            self._read(node, guarded, known, bound)

    def _read_path(
        self, node: nodes.Node, guarded: bool, known: frozenset[str], bound: set[str]
    ) -> None:
        parts: list[str] = []
        for before, name, others, has_default in _parts(node):
            node = before
            guarded = guarded or has_default
            parts = [*parts, name] if name is not None else []
            self._read_all(others, False, known, bound)
        if not isinstance(node, nodes.Name):
            self._read(node, guarded, known, bound)
        elif node.name not in bound and node.name not in ("null", "undefined"):
            path = (node.name, *reversed(parts))
            self.found.append(Reference(path, guarded or subject(path) in known, node.lineno))


def _targets(node: nodes.Node) -> set[str]:
    return (
        {node.name}
        if isinstance(node, nodes.Name)
        else {each.name for each in node.find_all(nodes.Name)}
    )
