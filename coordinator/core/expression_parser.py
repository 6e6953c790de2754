"""Conditions, read into a Python syntax tree of a few allowed node types.

The grammar, from the weakest binding to the strongest; both spellings of a row mean the same:

    or  ||
    and &&
    not                              (as in Python: `not a == b` is `not (a == b)`)
    == === != !== < <= > >= in contains, `not in`
    + -
    *
    ! - +                            (as in JavaScript: `!a == b` is `(!a) == b`)
    .name  ['key']  [0]  .get(k, d)  .includes(v)  .startsWith(s)  .endsWith(s)  len(x)

Only this module makes the nodes, so what it cannot make cannot be evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from coordinator.core.expression_tokens import ExpressionError, Token, tokenize

MAX_NODES: Final = 200
MAX_DEPTH: Final = 20

METHODS: Final = {"get": (1, 2), "includes": (1, 1), "startsWith": (1, 1), "endsWith": (1, 1)}
"""The methods a condition may call, each with how few and how many arguments it takes."""

_CONSTANTS: Final = {
    "true": True, "True": True, "false": False, "False": False,
    "null": None, "None": None, "undefined": None,
}  # fmt: skip
_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq, "===": ast.Eq, "!=": ast.NotEq, "!==": ast.NotEq, "<": ast.Lt, "<=": ast.LtE,
    ">": ast.Gt, ">=": ast.GtE, "in": ast.In, "contains": ast.In, "not": ast.NotIn,
}  # fmt: skip
_ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})
_SIGNS: Final[dict[str, type[ast.unaryop]]] = {"!": ast.Not, "-": ast.USub, "+": ast.UAdd}
_WORDS: Final = frozenset({"and", "or", "not", "in"})
_CALLS = "a condition may call len(x), .get(k, default), .includes(v), .startsWith(s), .endsWith(s)"
_WORD_CURES: Final = {
    "lambda": "functions cannot be written here",
    "for": "loops belong into a foreach step",
    "if": "use and / or instead of an inline if",
    "else": "use and / or instead of an inline if",
    "is": "use == to compare",
    "not": "put not ... into parentheses",
    "await": "a condition cannot wait",
    "yield": "a condition cannot yield",
    "import": "a condition cannot import",
    "new": "objects cannot be made here",
    "function": "functions cannot be written here",
    "typeof": "compare with a value instead",
    "instanceof": "compare with a value instead",
    "startswith": "write .startsWith(s)",
    "endswith": "write .endsWith(s)",
}

Node = TypeVar("Node", bound=ast.expr)


def parse(source: str) -> ast.expr:
    """The syntax tree of a condition; `col_offset` of each node is a column counted from 1.

    Raises:
        ExpressionError: the text is no condition, or is too long, too large or nested too deeply.
    """
    parser = _Parser(tokenize(source))
    tree = parser.whole()
    if parser.size > MAX_DEPTH and _height(tree) > MAX_DEPTH:
        raise _too_deep(tree.col_offset)
    return tree


def everything(tree: ast.expr) -> list[ast.expr]:
    """Every value in a condition's tree, the tree itself first."""
    found = [tree]
    for node in found:
        found.extend(below(node))
    return found


def below(node: ast.expr) -> Sequence[ast.expr]:
    """The values that a value is made of, in the order of the text but for `contains`."""
    inside = _INSIDE.get(type(node))
    return inside(node) if inside is not None else ()


_INSIDE: Final[Mapping[type[ast.expr], Callable[[Any], Sequence[ast.expr]]]] = {
    ast.Attribute: lambda node: (node.value,),
    ast.Subscript: lambda node: (node.value, node.slice),
    ast.Call: lambda node: (node.func, *node.args),
    ast.List: lambda node: node.elts,
    ast.UnaryOp: lambda node: (node.operand,),
    ast.BinOp: lambda node: (node.left, node.right),
    ast.BoolOp: lambda node: node.values,
    ast.Compare: lambda node: (node.left, *node.comparators),
}
"""How to go through a tree; the general way of `ast` costs more than parsing it."""


def _height(node: ast.expr) -> int:
    return 1 + max(map(_height, below(node)), default=0)


def _too_deep(column: int) -> ExpressionError:
    return ExpressionError(
        f"the condition is nested deeper than {MAX_DEPTH}",
        column=column,
        hint="move the work into a step and test its result",
    )


class _Parser:
    """Recursive descent, one method per row of the grammar; `_nested` bounds the recursion."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self.size = 0
        self._depth = 0

    def whole(self) -> ast.expr:
        tree = self._either()
        if self._token.kind != "end":
            raise self._unexpected()
        return tree

    # --- words -------------------------------------------------------------------------------

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self._is_one_of(texts)

    def _is_one_of(self, texts: Collection[str]) -> bool:
        token = self._tokens[self._at]
        return token.text in texts and token.kind in ("operator", "name")

    def _take(self) -> Token:
        token = self._token
        self._at += 1
        return token

    def _took(self, *texts: str) -> bool:
        if self._is_one_of(texts):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._took(text):
            raise self._unexpected(f"write {text!r} here")

    def _unexpected(self, otherwise: str = "") -> ExpressionError:
        token = self._token
        before = self._tokens[self._at - 1].text if self._at else ""
        hint = _WORD_CURES.get(token.text) or _WORD_CURES.get(before) or otherwise
        return ExpressionError(
            f"{token.text} is not expected here",
            column=token.column,
            hint=hint or "write an operator between two values and a value on each side of it",
        )

    def _made(self, node: Node, column: int) -> Node:
        self.size += 1
        if self.size > MAX_NODES:
            raise ExpressionError(
                f"the condition has more than {MAX_NODES} parts",
                column=column,
                hint="move the work into a step and test its result",
            )
        node.col_offset = column
        return node

    # --- grammar -----------------------------------------------------------------------------

    def _either(self) -> ast.expr:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep(self._token.column)
        values = [self._both()]
        while self._took("or", "||"):
            values.append(self._both())
        self._depth -= 1
        return self._joined(ast.Or(), values)

    def _both(self) -> ast.expr:
        values = [self._negated()]
        while self._took("and", "&&"):
            values.append(self._negated())
        return self._joined(ast.And(), values)

    def _joined(self, operator: ast.boolop, values: list[ast.expr]) -> ast.expr:
        if len(values) == 1:
            return values[0]
        return self._made(ast.BoolOp(operator, values), values[0].col_offset)

    def _negated(self) -> ast.expr:
        columns = []
        while self._is("not"):
            columns.append(self._take().column)
        node = self._compared()
        for column in reversed(columns):
            node = self._made(ast.UnaryOp(ast.Not(), node), column)
        return node

    def _compared(self) -> ast.expr:
        left = self._summed()
        operators: list[Token] = []
        values: list[ast.expr] = []
        while self._is_one_of(_COMPARISONS):
            operator = self._take()
            if operator.text == "not":
                self._expect("in")
            operators.append(operator)
            values.append(self._summed())
        if len(operators) > 1 and any(each.text not in _ORDERINGS for each in operators):
            raise ExpressionError(
                f"{operators[1].text} after {operators[0].text} has more than one reading",
                column=operators[1].column,
                hint="join two comparisons with and / &&, or use parentheses",
            )
        if not operators:
            return left
        if operators[0].text == "contains":
            left, values = values[0], [left]
        checks = [_COMPARISONS[each.text]() for each in operators]
        return self._made(ast.Compare(left, checks, values), left.col_offset)

    def _summed(self) -> ast.expr:
        node = self._multiplied()
        while self._is("+", "-"):
            operator = ast.Add() if self._take().text == "+" else ast.Sub()
            right = self._multiplied()
            node = self._made(ast.BinOp(node, operator, right), node.col_offset)
        return node

    def _multiplied(self) -> ast.expr:
        node = self._signed()
        while self._took("*"):
            node = self._made(ast.BinOp(node, ast.Mult(), self._signed()), node.col_offset)
        return node

    def _signed(self) -> ast.expr:
        signs = []
        while self._token.kind == "operator" and self._token.text in _SIGNS:
            signs.append(self._take())
        node = self._followed()
        for sign in reversed(signs):
            node = self._made(ast.UnaryOp(_SIGNS[sign.text](), node), sign.column)
        return node

    def _followed(self) -> ast.expr:
        node = self._value()
        while True:
            if self._took(".", "?."):
                node = self._subscript(node) if self._took("[") else self._member(node)
            elif self._took("["):
                node = self._subscript(node)
            elif self._is("("):
                raise self._call_refused(node)
            else:
                return node

    def _subscript(self, value: ast.expr) -> ast.expr:
        key = self._either()
        self._expect("]")
        return self._made(ast.Subscript(value, key, ast.Load()), value.col_offset)

    def _member(self, value: ast.expr) -> ast.expr:
        token = self._token
        if token.kind != "name":
            raise self._unexpected("write a name after the dot")
        self._refuse_private(token)
        self._take()
        node = self._made(ast.Attribute(value, token.text, ast.Load()), value.col_offset)
        if not self._is("("):
            return node
        if token.text not in METHODS:
            raise self._call_refused(node)
        arguments = self._arguments(token, *METHODS[token.text])
        return self._made(ast.Call(node, arguments, []), value.col_offset)

    def _arguments(self, callee: Token, fewest: int, most: int) -> list[ast.expr]:
        self._expect("(")
        values = self._listed(")")
        if not fewest <= len(values) <= most:
            wanted = str(most) if fewest == most else f"{fewest} or {most}"
            raise ExpressionError(
                f"{callee.text} takes {wanted} arguments, not {len(values)}",
                column=callee.column,
                hint=_CALLS,
            )
        return values

    def _listed(self, closing: str) -> list[ast.expr]:
        values: list[ast.expr] = []
        while not self._is(closing):
            values.append(self._either())
            if not self._took(","):
                break
        self._expect(closing)
        return values

    def _value(self) -> ast.expr:
        token = self._token
        if token.kind in ("text", "number"):
            self._take()
            return self._made(ast.Constant(token.value), token.column)
        if token.kind == "name" and token.text not in _WORDS:
            return self._named(self._take())
        if self._took("("):
            node = self._either()
            self._expect(")")
            return node
        if self._took("["):
            return self._made(ast.List(self._listed("]"), ast.Load()), token.column)
        raise self._unexpected()

    def _named(self, token: Token) -> ast.expr:
        if token.text in _CONSTANTS:
            return self._made(ast.Constant(_CONSTANTS[token.text]), token.column)
        self._refuse_private(token)
        name = self._made(ast.Name(token.text, ast.Load()), token.column)
        if token.text == "len" and self._is("("):
            return self._made(ast.Call(name, self._arguments(token, 1, 1), []), token.column)
        return name

    def _refuse_private(self, token: Token) -> None:
        if token.text.startswith("_"):
            raise ExpressionError(
                f"the name {token.text!r} starts with _",
                column=token.column,
                hint=f"read a key of that name with ['{token.text}']",
            )

    def _call_refused(self, callee: ast.expr) -> ExpressionError:
        name = str(getattr(callee, "attr", None) or getattr(callee, "id", "this"))
        return ExpressionError(
            f"{name}(...) cannot be called",
            column=self._tokens[self._at - 1].column,
            hint=_WORD_CURES.get(name, _CALLS),
        )
