"""What a condition compares with what, as far as its text alone tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from coordinator.core.expression_parser import everything
from coordinator.core.expressions import Expression


class Literal(NamedTuple):
    """A value that is written out."""

    value: object
    column: int


class Operator(Enum):
    """How a path is held against values."""

    IS = "=="
    IS_NOT = "!="
    IS_AMONG = "in"
    IS_NOT_AMONG = "not in"

    @property
    def is_negative(self) -> bool:
        """Whether it holds where the values differ."""
        return self in (Operator.IS_NOT, Operator.IS_NOT_AMONG)


class Comparison(NamedTuple):
    """A path that is held against values that are written out."""

    path: tuple[str, ...]
    operator: Operator
    literals: tuple[Literal, ...]


class Slip(NamedTuple):
    """A part of a condition that cannot be meant as it is written."""

    message: str
    column: int


_OPERATORS = {
    ast.Eq: Operator.IS,
    ast.NotEq: Operator.IS_NOT,
    ast.In: Operator.IS_AMONG,
    ast.NotIn: Operator.IS_NOT_AMONG,
}


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """Every comparison of a path with what is written out, in the order of the text."""
    for node in everything(expression.tree):
        found = _comparison(node)
        if found is not None:
            yield found


def slips(expression: Expression) -> Iterator[Slip]:
    """Operands that say the same twice, exclude each other, or leave nothing out."""
    for node in everything(expression.tree):
        if isinstance(node, ast.BoolOp):
            yield from _repeated(node)
            yield from _decided(node)


def is_same(one: Expression, other: Expression) -> bool:
    """Whether two conditions read alike, spaces and spellings of operators aside."""
    return ast.dump(one.tree) == ast.dump(other.tree)


def _comparison(node: ast.expr) -> Comparison | None:
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return None
    operator, left, right = _OPERATORS.get(type(node.ops[0])), node.left, node.comparators[0]
    if operator is None:
        return None
    if operator in (Operator.IS_AMONG, Operator.IS_NOT_AMONG):
        values = right.elts if isinstance(right, ast.List) else []
    else:
        values = [right]
        if isinstance(left, ast.Constant):
            left, values = right, [left]
    path = _path(left)
    literals = tuple(_literal(each) for each in values if isinstance(each, ast.Constant))
    return Comparison(path, operator, literals) if path and literals else None


def _literal(node: ast.Constant) -> Literal:
    return Literal(node.value, node.col_offset)


def _path(node: ast.expr) -> tuple[str, ...]:
    """The names that lead to a value; none where it is made in another way."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Attribute(value=inner, attr=name):
                parts.append(name)
            case ast.Subscript(value=inner, slice=ast.Constant(value=str(name))):
                parts.append(name)
            case ast.Call(
                func=ast.Attribute(value=inner, attr="get"), args=[ast.Constant(value=str(name))]
            ):
                parts.append(name)
            case ast.Name(id=name):
                return (name, *reversed(parts))
            case _:
                return ()
        node = inner


def _repeated(node: ast.BoolOp) -> Iterator[Slip]:
    seen = set()
    kinds = [_kind(each) for each in node.values]
    for kind, each in zip(kinds, node.values, strict=True):
        if kinds.count(kind) > 1:  # writing a tree out costs more than reading it did
            dumped = ast.dump(each)
            if dumped in seen:
                yield Slip("the same is asked twice", each.col_offset)
            seen.add(dumped)


def _kind(node: ast.expr) -> object:
    """The same for values that read alike; cheaper than comparing them."""
    if isinstance(node, ast.Compare):
        return (_path(node.left), *map(type, node.ops))
    return type(node)


def _decided(node: ast.BoolOp) -> Iterator[Slip]:
    """`x == a && x == b` never holds, and `x != a || x != b` always does."""
    is_and = isinstance(node.op, ast.And)
    wanted = Operator.IS if is_and else Operator.IS_NOT
    held = [each for each in map(_comparison, node.values) if each and each.operator is wanted]
    by_path: dict[tuple[str, ...], list[Literal]] = {}
    for each in held:
        by_path.setdefault(each.path, []).extend(each.literals)
    for path, literals in by_path.items():
        for first, second in pairwise(literals):
            if _differ(first.value, second.value):
                name, result = ".".join(path), "never holds" if is_and else "always holds"
                both = "cannot be both values" if is_and else "differs from one of the two values"
                yield Slip(f"{name} {both}, so this {result}", second.column)
                break


def _differ(one: object, other: object) -> bool:
    """Whether no value equals both; the language takes 1 and 1.0 for equal, 1 and true not."""
    return isinstance(one, bool) is not isinstance(other, bool) or one != other
