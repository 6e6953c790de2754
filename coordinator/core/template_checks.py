"""Which templates are accepted, and what Jinja is given in their place.

A syntax tree passes when every node is of an allowed kind and its size is bounded. Then what Jinja
would do in an unsafe or unbounded way, or differently from conditions, becomes a call of one of the
environment's own operations: comparisons are strict and read missing as null, `~` and loops are
bounded, `.get` reads data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from coordinator.core import plain_data
from coordinator.core.template_environment import TemplateError
from coordinator.core.template_filters import FILTERS
from coordinator.core.template_tests import TESTS

MAX_NODES: Final = {False: 1_000, True: 5_000}
"""Most nodes of a step's value, and of a prompt file."""

MAX_DEPTH: Final = 30

_EXPRESSIONS: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List,
    nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.And,
    nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv,
    nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip
_STATEMENTS: Final = (nodes.For, nodes.If, nodes.Assign)
_NO_NAMES: Final = frozenset({"self", "caller", "super", "varargs", "kwargs"})
_CURES: Final = {
    nodes.Pow: "only + - * / // and % on numbers are available",
    nodes.Call: "only .get(key, default) can be called; filters are written x | name",
    nodes.Include: "write the text into this file",
    nodes.Import: "write the text into this file",
    nodes.FromImport: "write the text into this file",
    nodes.Extends: "write the text into this file",
    nodes.Macro: "write the text where it is used, or loop over a list",
    nodes.AssignBlock: "write {% set name = value %}",
    nodes.NSRef: "set works on plain names",
}
_OTHERWISE: Final = "write names, operators and filters; more work belongs into a step"


def check(tree: nodes.Template, *, statements: bool) -> None:
    """Accept `tree`, or say what in it is not available.

    Raises:
        TemplateError: a node is not allowed, or the tree is too large or too deep.
    """
    size = 0
    pending: list[tuple[nodes.Node, int]] = [(tree, 1)]
    allowed = _EXPRESSIONS + _STATEMENTS if statements else _EXPRESSIONS
    while pending:
        node, depth = pending.pop()
        size += 1
        if size > MAX_NODES[statements]:
            raise _refused(node, f"the template has more than {MAX_NODES[statements]} parts")
        if depth > MAX_DEPTH:
            raise _refused(node, f"the template is nested deeper than {MAX_DEPTH}")
        if type(node) not in allowed:
            name = type(node).__name__.lower()
            raise _refused(node, f"{name} is not available in a template")
        _CHECKS.get(type(node), _accept)(node)
        pending.extend((child, depth + 1) for child in node.iter_child_nodes())


def _refused(node: nodes.Node, message: str, hint: str = "") -> TemplateError:
    return TemplateError(
        message, column=node.lineno or 1, hint=hint or _CURES.get(type(node), _OTHERWISE)
    )


def _accept(node: nodes.Node) -> None:
    """Nothing more to ask of this kind of node."""


def _check_name(node: nodes.Name) -> None:
    _check_private(node, node.name)
    if node.name in _NO_NAMES:
        raise _refused(node, f"the name {node.name!r} is not available in a template")


def _check_private(node: nodes.Node, name: str) -> None:
    if name.startswith("_"):
        raise _refused(node, f"the name {name!r} starts with _", f"read such a key with ['{name}']")


def _check_constant(node: nodes.Const) -> None:
    if plain_data.is_number(node.value) and plain_data.number(node.value) is None:
        raise _refused(node, "a number is too large", "write it as text")


def _check_filter(node: nodes.Filter) -> None:
    if node.node is None or node.name not in FILTERS:
        raise _refused(
            node, f"there is no filter {node.name!r}", f"there are {', '.join(sorted(FILTERS))}"
        )
    _check_arguments(node, FILTERS[node.name])


def _check_test(node: nodes.Test) -> None:
    if node.name not in TESTS:
        known = ", ".join(sorted(name for name in TESTS if name.isalpha()))
        raise _refused(node, f"there is no test {node.name!r}", f"there are {known}")
    _check_arguments(node, TESTS[node.name])


def _check_arguments(node: nodes.Filter | nodes.Test, function: Callable[..., Any]) -> None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _refused(node, f"{node.name} takes no * arguments", "write each argument")
    try:
        named = {cast(nodes.Keyword, each).key: None for each in node.kwargs}
        _signature(function).bind(None, *node.args, **named)
    except TypeError as error:
        raise _refused(node, f"{node.name}: {error}", "correct its arguments") from error


@lru_cache(maxsize=256)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _check_call(node: nodes.Call) -> None:
    if not _is_get(node) or not 1 <= len(node.args) <= 2 or _has_more_arguments(node):
        callee = node.node
        name = getattr(callee, "attr", None) or getattr(callee, "name", None) or "this"
        raise _refused(callee, f"{name}(...) cannot be called like this", _CURES[nodes.Call])


def _is_get(node: nodes.Call) -> bool:
    return isinstance(node.node, nodes.Getattr) and node.node.attr == "get"


def _has_more_arguments(node: nodes.Call) -> bool:
    return bool(node.kwargs) or node.dyn_args is not None or node.dyn_kwargs is not None


def _check_loop(node: nodes.For) -> None:
    if node.recursive:
        raise _refused(node, "recursive loops are not available", "write the inner loop out")


_CHECKS: Final[Mapping[type[nodes.Node], Callable[[Any], None]]] = {
    nodes.Name: _check_name,
    nodes.Getattr: lambda node: _check_private(node, node.attr),
    nodes.Const: _check_constant,
    nodes.Filter: _check_filter,
    nodes.Test: _check_test,
    nodes.Call: _check_call,
    nodes.For: _check_loop,
}


def prepare(tree: nodes.Template, *, statements: bool) -> nodes.Template:
    """The checked `tree` with the environment's own operations in it, ready to be compiled."""
    # Without loops the size of the template bounds the work; counting is for prompt files.
    transformer = _Counting() if statements else _Prepared()
    return cast(nodes.Template, transformer.visit(tree))


def _operation(
    name: str, value: nodes.Expr, *arguments: nodes.Expr, column: int = 1
) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), [], None, None, lineno=column)


class _Prepared(NodeTransformer):
    """Puts operations in the place of what Jinja does differently; one method per kind of node."""

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        if node.name in ("null", "undefined") and node.ctx == "load":
            return nodes.Const(None, lineno=node.lineno)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:
        self.generic_visit(node)
        value = cast(nodes.Getattr, node.node).node
        return _operation(" get", value, *node.args, column=node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:
        self.generic_visit(node)
        values = [node.expr, *(each.expr for each in node.ops)]
        names = [nodes.Const(each.op, lineno=node.lineno) for each in node.ops]
        listed = nodes.List(values, lineno=node.lineno)
        return _operation(" compare", listed, *names, column=node.lineno)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        listed = nodes.List(node.nodes, lineno=node.lineno)
        return _operation(" concat", listed, column=node.lineno)

    def visit_And(self, node: nodes.And) -> nodes.Expr:
        # `x and x.y` is null where x is missing, as in a condition.
        self.generic_visit(node)
        node.left = _operation(" null", node.left, column=node.lineno)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Expr:
        self.generic_visit(node)
        if node.expr2 is None:
            node.expr2 = nodes.Const(None, lineno=node.lineno)
        return node


class _Counting(_Prepared):
    """Counts the turns of loops and the size of what is worked on."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        column = node.lineno
        node.iter = _operation(" items", cast(nodes.Expr, node.iter), column=column)
        if node.test is not None:
            counted = _operation(" counted", nodes.Const(True, lineno=column), column=column)
            node.test = nodes.And(counted, cast(nodes.Expr, node.test), lineno=column)
        empty = nodes.Const("", lineno=column)
        turn = nodes.Output([_operation(" counted", empty, column=column)], lineno=column)
        node.body = [turn, *node.body]
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Expr:
        self.generic_visit(node)
        node.node = _operation(" counted", cast(nodes.Expr, node.node), column=node.lineno)
        return _operation(" counted", node, column=node.lineno)

    def visit_Test(self, node: nodes.Test) -> nodes.Expr:
        self.generic_visit(node)
        node.node = _operation(" counted", node.node, column=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        return _operation(" counted", super().visit_Concat(node), column=node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:
        column = node.lineno
        node.expr = _operation(" counted", node.expr, column=column)
        for each in node.ops:
            each.expr = _operation(" counted", each.expr, column=column)
        return super().visit_Compare(node)

    def visit_Add(self, node: nodes.Add) -> nodes.Expr:
        self.generic_visit(node)
        return _operation(" counted", node, column=node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        return _operation(" counted", node, column=node.lineno)
