"""Conditions: parsed once, evaluated many times over plain data.

`task.type === 'bug' && !steps.qa.result.flaky` is read by `expression_parser` into a checked tree
and evaluated by simpleeval. The evaluator below keeps simpleeval's walk over operators and lists
and replaces whatever could reach a Python object: names come from the scope alone, a dot reads a
key and never an attribute, calls go to four methods and `len` written here, operators to the strict
ones of `plain_data`. simpleeval's default functions, names, operators and attribute access are
never set up; its search of every value for forbidden functions, which would read a whole run state
for each dot, is replaced by the check that each value is plain data.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final

from simpleeval import EvalWithCompoundTypes

from coordinator.core import plain_data
from coordinator.core.expression_parser import below, parse
from coordinator.core.expression_tokens import ExpressionError
from coordinator.core.plain_data import MISSING, DataError
from coordinator.core.references import Reference

__all__ = ["Expression", "ExpressionError", "Reference", "compile_expression"]

Scope = Mapping[str, object]

_PLAIN_DATA_HINT = "conditions read plain data only"


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """The condition that `source` spells, ready to be evaluated; one `{{ }}` may surround it.

    Raises:
        ExpressionError: `source` is not a condition, or goes beyond a limit.
    """
    tree = parse(source)
    references = tuple(sorted(set(_references(tree)), key=lambda each: (each.column, each.path)))
    roots = frozenset(each.path[0] for each in references)
    return Expression(source, references, roots, tree)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked condition. Two of them are equal when their texts are.

    Evaluating never changes anything, always gives the same value for the same scope, and takes
    work bounded by the size of the text and of the values it compares. A name or key that is not
    there is null, at any depth, so every reference counts as guarded.
    """

    source: str
    references: tuple[Reference, ...] = field(compare=False)
    roots: frozenset[str] = field(compare=False)
    tree: ast.expr = field(compare=False, repr=False)
    """The checked tree, for those who look at conditions before they run."""

    def evaluate(self, scope: Scope) -> object:
        """The value, as JSON data that shares nothing with `scope`.

        Raises:
            ExpressionError: a value in `scope` is not plain data, or too large to be worked on.
        """
        try:
            return plain_data.plain(_Evaluator(scope).run(self.tree))
        except DataError as error:
            raise ExpressionError(str(error), hint=_PLAIN_DATA_HINT) from error

    def truth(self, scope: Scope) -> bool:
        """Whether the value counts as true: not null, false, zero or empty.

        Raises:
            ExpressionError: as `evaluate`.
        """
        try:
            return bool(_Evaluator(scope).run(self.tree))
        except DataError as error:
            raise ExpressionError(str(error), hint=_PLAIN_DATA_HINT) from error

    def operands(self, scope: Scope) -> dict[str, object]:
        """The value of every reference by its dotted text, in the text's order; null if missing.

        Raises:
            ExpressionError: as `evaluate`.
        """
        try:
            return {each.text: _operand(scope, each.path) for each in self.references}
        except DataError as error:
            raise ExpressionError(str(error), hint=_PLAIN_DATA_HINT) from error


def _operand(scope: Scope, path: tuple[str, ...]) -> object:
    value = plain_data.resolve(scope, path)
    return None if value is MISSING else plain_data.plain(value)


def _references(node: ast.expr) -> list[Reference]:
    """What `node` reads, each path as far as it is written out."""
    found: list[Reference] = []
    parts: list[str] = []
    rest: ast.expr = node
    while True:
        match rest:
            case ast.Attribute(value=value, attr=name):
                parts.append(name)
            case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
                parts.append(name)
            case ast.Call(
                func=ast.Attribute(value=value, attr="get"),
                args=[ast.Constant(value=str(name)), *others],
            ):
                parts.append(name)
                found.extend(each for other in others for each in _references(other))
            case ast.Subscript(value=value, slice=key):
                parts.clear()
                found.extend(_references(key))
            case ast.Call(func=ast.Attribute(value=value), args=others):
                parts.clear()
                found.extend(each for other in others for each in _references(other))
            case _:
                break
        rest = value
    if isinstance(rest, ast.Name):
        return [Reference((rest.id, *reversed(parts)), True, rest.col_offset), *found]
    return [*_inner_references(rest), *found]


def _inner_references(node: ast.expr) -> list[Reference]:
    if isinstance(node, ast.Call):
        return [each for argument in node.args for each in _references(argument)]
    return [each for child in below(node) for each in _references(child)]


def _get(value: object, key: object, default: object = None) -> object:
    found = plain_data.item(value, key) if isinstance(value, Mapping) else MISSING
    return default if found is MISSING else found


def _starts_with(value: object, start: object) -> bool:
    return isinstance(value, str) and isinstance(start, str) and value.startswith(start)


def _ends_with(value: object, end: object) -> bool:
    return isinstance(value, str) and isinstance(end, str) and value.endswith(end)


_METHODS: Final[Mapping[str, Callable[..., object]]] = {
    "get": _get,
    "includes": lambda value, element: plain_data.is_in(element, value),
    "startsWith": _starts_with,
    "endsWith": _ends_with,
}
_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., object]]] = {
    ast.Eq: plain_data.equal,
    ast.NotEq: plain_data.not_equal,
    ast.Lt: plain_data.less,
    ast.LtE: plain_data.less_or_equal,
    ast.Gt: plain_data.greater,
    ast.GtE: plain_data.greater_or_equal,
    ast.In: plain_data.is_in,
    ast.NotIn: plain_data.is_not_in,
    ast.Not: lambda value: not value,
    ast.USub: plain_data.negative,
    ast.UAdd: plain_data.positive,
    ast.Add: plain_data.add,
    ast.Sub: plain_data.subtract,
    ast.Mult: plain_data.multiply,
}


class _Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval ships no types
    """simpleeval over one scope, with every door of it closed that leads to Python objects.

    The handlers are a table of the class: simpleeval binds its own to each instance, which costs
    more than evaluating a condition. A node type that is not in the table cannot be evaluated.
    """

    operators = _OPERATORS
    functions: ClassVar[dict[str, Any]] = {}
    allowed_attrs: ClassVar[dict[type, Any]] = {}

    def __init__(self, names: Scope) -> None:
        self.names = names

    def __del__(self) -> None:
        """Nothing to give back: the parent empties a table this class does not have."""

    def run(self, tree: ast.expr) -> object:
        return _HANDLERS[type(tree)](self, tree)

    _eval = run

    def _eval_name(self, node: ast.Name) -> object:
        return plain_data.admit(self.names.get(node.id))

    def _eval_attribute(self, node: ast.Attribute) -> object:
        found = plain_data.member(_HANDLERS[type(node.value)](self, node.value), node.attr)
        return None if found is MISSING else found

    def _eval_subscript(self, node: ast.Subscript) -> object:
        found = plain_data.item(self.run(node.value), self.run(node.slice))
        return None if found is MISSING else found

    def _eval_call(self, node: ast.Call) -> object:
        arguments = [self.run(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute):
            return _METHODS[node.func.attr](self.run(node.func.value), *arguments)
        return plain_data.length(*arguments)


_HANDLERS: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    ast.Constant: lambda _, node: node.value,
    ast.Name: _Evaluator._eval_name,
    ast.Attribute: _Evaluator._eval_attribute,
    ast.Subscript: _Evaluator._eval_subscript,
    ast.Call: _Evaluator._eval_call,
    ast.List: _Evaluator._eval_list,
    ast.UnaryOp: _Evaluator._eval_unaryop,
    ast.BinOp: _Evaluator._eval_binop,
    ast.BoolOp: _Evaluator._eval_boolop,
    ast.Compare: _Evaluator._eval_compare,
}
