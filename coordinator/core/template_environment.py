"""Jinja, reduced to reading plain data.

The sandbox is the immutable one, without loader, globals or extensions, and with our filters and
tests alone. Where the sandbox asks "is this attribute safe?", the environment below never looks at
attributes at all: a dot and a subscript read data through `plain_data`. Operators are intercepted,
so none of them can format or repeat a text. Nothing is callable.

The names that start with a space are ours: a template cannot spell them, so only `template_checks`
can put them into one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

from jinja2 import TemplateSyntaxError, pass_context
from jinja2.exceptions import SecurityError
from jinja2.lexer import Lexer
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from coordinator.core import plain_data
from coordinator.core.plain_data import MISSING, DataError
from coordinator.core.references import SourceError
from coordinator.core.template_filters import (
    FILTERS,
    MAX_OUTPUT,
    MissingValue,
    is_missing,
    items,
    joined,
    to_text,
)
from coordinator.core.template_tests import COMPARISONS, TESTS, null_if_missing

BUDGET: Final = " budget"
"""Where a rendering finds the one-item list that says how much work it has left."""

MAX_WORK: Final = 100_000
"""Turns of loops, and operations in prompt files, that one rendering may take."""

MAX_BRACKETS: Final = 20

_LOOP: Final = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"}
)
_ARITHMETIC: Final[dict[str, Callable[[object, object], object]]] = {
    "+": plain_data.add,
    "-": plain_data.subtract,
    "*": plain_data.multiply,
    "/": plain_data.arithmetic(operator.truediv),
    "//": plain_data.arithmetic(operator.floordiv),
    "%": plain_data.arithmetic(operator.mod),
}


class TemplateError(SourceError):
    """A template cannot be read, or cannot be rendered with the values it was given.

    `pointer` holds the keys and indexes that lead to its text inside a larger value.
    """

    def __init__(
        self,
        message: str,
        *,
        column: int = 1,
        hint: str = "",
        pointer: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(message, column=column, hint=hint)
        self.pointer = pointer


class _ColumnLexer(Lexer):
    """Jinja's lexer with columns of the whole text where Jinja counts lines.

    Every node of the syntax tree then says in `lineno` at which column it begins.
    """

    def __init__(self, environment: DataEnvironment) -> None:
        super().__init__(environment)
        self._statements = environment.statements

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        end = 0
        brackets = 0
        try:
            for _, token, value in super().tokeniter(source, name, filename, state):
                start = max(source.find(value, end), end)
                if token == "operator":  # noqa: S105  # a token of the lexer, no secret
                    brackets += (value in "([{") - (value in ")]}")
                self._check(token, brackets, start + 1)
                yield start + 1, token, value
                end = start + len(value)
        except TemplateSyntaxError as error:
            raise TemplateError(
                str(error.message), column=end + 1, hint="close what was opened before it"
            ) from error

    def _check(self, token: str, brackets: int, column: int) -> None:
        if brackets > MAX_BRACKETS:
            raise TemplateError(
                f"more than {MAX_BRACKETS} brackets inside each other",
                column=column,
                hint="move the work into a step",
            )
        if not self._statements and token in ("block_begin", "comment_begin", "raw_begin"):
            raise TemplateError(
                "statements and comments are available in prompt files only",
                column=column,
                hint="use {{ a if b else c }}, or write {{ '{%' }} where the characters are meant",
            )


class DataEnvironment(ImmutableSandboxedEnvironment):
    """The environment of step values, or with `statements` that of prompt files."""

    intercepted_binops = frozenset(_ARITHMETIC)
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, *, statements: bool) -> None:
        super().__init__(
            undefined=MissingValue,
            finalize=to_text,
            keep_trailing_newline=True,
            trim_blocks=statements,
            lstrip_blocks=statements,
            optimized=False,
            cache_size=0,
            autoescape=False,
        )
        self.statements = statements
        self.globals.clear()
        self.filters = {**FILTERS, **_OPERATIONS}
        self.tests = dict(TESTS)
        self._lexer = _ColumnLexer(self)

    @property
    def lexer(self) -> Lexer:
        return self._lexer

    def getattr(self, obj: Any, attribute: str) -> Any:
        if is_missing(obj):
            return self.undefined(name=f"{obj._undefined_name}.{attribute}")
        if isinstance(obj, LoopContext):
            if attribute in _LOOP:
                return getattr(obj, attribute)
            return self.undefined(name=f"loop.{attribute}")
        found = plain_data.member(obj, attribute)
        return self.undefined(name=attribute) if found is MISSING else found

    def getitem(self, obj: Any, argument: Any) -> Any:
        if is_missing(obj):
            return self.undefined(name=f"{obj._undefined_name}[...]")
        found = plain_data.item(obj, argument)
        return self.undefined(name=f"[{argument!r:.80}]") if found is MISSING else found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for operand in (left, right):
            if is_missing(operand):
                operand._fail_with_undefined_error()
        if operator == "+":
            both = _both(left, right)
            if both is not None:
                return both
        found = _ARITHMETIC[operator](left, right)
        if found is None:
            raise DataError(f"{_kind(left)} {operator} {_kind(right)} gives no number")
        return found

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if is_missing(arg):
            arg._fail_with_undefined_error()
        found = plain_data.negative(arg) if operator == "-" else plain_data.positive(arg)
        if found is None:
            raise DataError(f"{operator} takes a number, not {_kind(arg)}")
        return found

    def call(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SecurityError("a template calls nothing")


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _both(left: object, right: object) -> object:
    """Two texts or two lists, one after the other; None for anything else."""
    if isinstance(left, str) and isinstance(right, str):
        return joined([left, right])
    if plain_data.is_list(left) and plain_data.is_list(right):
        if len(left) + len(right) > MAX_OUTPUT:
            raise DataError(f"the list is longer than {MAX_OUTPUT} items")
        return [*left, *right]
    return None


def _get(value: object, key: object, *default_value: object) -> object:
    if is_missing(value) and not default_value:
        return value
    found = plain_data.item(value, key) if isinstance(value, Mapping) else MISSING
    if found is not MISSING:
        return found
    return default_value[0] if default_value else None


def _compare(values: list[object], *names: str) -> bool:
    pairs = zip(names, values, values[1:], strict=False)
    return all(COMPARISONS[name](left, right) for name, left, right in pairs)


@pass_context
def _counted(context: Context, value: object) -> object:
    """`value`, after taking one operation and its size from what the rendering has left."""
    budget = context.parent[BUDGET]
    budget[0] -= plain_data.weight(value, most=budget[0] + 1)
    if budget[0] < 0:
        raise DataError(f"the loops take more than {MAX_WORK} turns and operations")
    return value


def _loop_items(value: object) -> list[object]:
    if is_missing(value):
        str(value)
    return items(value)


_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    " get": _get,
    " compare": _compare,
    " concat": joined,
    " items": _loop_items,
    " null": null_if_missing,
    " counted": _counted,
}
"""What `template_checks` puts into the place of calls, comparisons, `~` and loops."""
