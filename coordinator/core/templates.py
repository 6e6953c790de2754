"""Values with `{{ }}` in them: compiled once, rendered over plain data, never rendered again.

What a template may say is checked when it is compiled (`template_checks`); what it may read and
build is bounded when it is rendered (`template_environment`). A missing value is an error that
names it, unless a default, a test or a comparison reads it; a null that is there is empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import jinja2
from jinja2 import nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.parser import Parser

from coordinator.core import plain_data
from coordinator.core.plain_data import MISSING, DataError
from coordinator.core.references import Reference
from coordinator.core.template_checks import check, prepare
from coordinator.core.template_environment import (
    BUDGET,
    MAX_WORK,
    DataEnvironment,
    TemplateError,
)
from coordinator.core.template_filters import MAX_OUTPUT, bounded, is_missing
from coordinator.core.template_references import find_references

__all__ = ["Reference", "Template", "TemplateError", "Value", "compile_template", "compile_value"]

MAX_SOURCE: Final = {False: 64 * 1024, True: 256 * 1024}
"""Longest text of a step's value, and of a prompt file, in characters."""

MAX_NESTING: Final = 100

_FAILURES: Final = (
    JinjaError,
    DataError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What operations and filters raise for values that do not fit them."""

_WHOLE_PATH: Final = re.compile(
    r"[ \n]*\{\{[ \n]*([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)[ \n]*\}\}[ \n]*", re.ASCII
)
_LONGEST_PATH: Final = 200
_NO_ROOTS: Final = frozenset(
    {"true", "false", "none", "True", "False", "None", "null", "undefined", "and", "or", "not"}
    | {"in", "is", "if", "else", "loop", "self", "caller", "super", "varargs", "kwargs"}
)
"""Words that do not begin a path, or that not every template may name."""

Scope = Mapping[str, object]
Pointer = tuple[str | int, ...]

_ENVIRONMENTS: Final = {each: DataEnvironment(statements=each) for each in (False, True)}
_RESULT: Final = "_result"
"""Where a template of one expression leaves its value; no template can use the name."""


@lru_cache(maxsize=4096)
def compile_template(text: str, *, statements: bool = False) -> Template:
    """The template that `text` spells; `statements` allows `{% %}` and `{# #}`, for prompt files.

    Raises:
        TemplateError: `text` is not a template, uses something unavailable, or goes beyond a limit.
    """
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return Template(text, (), is_literal=True, is_expression=False)
    of_path = None if statements else _of_path(text)
    return of_path or _parsed(text, statements)


def _of_path(text: str) -> Template | None:
    """The template of a text that is `{{ a.b.c }}` and nothing else, as `_parsed` gives it.

    Most texts are, and reading them as Jinja does takes twenty times as long.
    """
    found = _WHOLE_PATH.fullmatch(text)
    if found is None or len(text) > _LONGEST_PATH:
        return None
    path = tuple(found[1].split("."))
    if path[0] in _NO_ROOTS:
        return None
    reads = (Reference(path, False, found.start(1) + 1),)
    return Template(text, reads, is_literal=False, is_expression=True, _path=path)


def _parsed(text: str, statements: bool) -> Template:
    if len(text) > MAX_SOURCE[statements]:
        raise TemplateError(
            f"the template has {len(text)} characters, more than {MAX_SOURCE[statements]}",
            hint="keep long texts in a prompt file or a step's result",
        )
    tree = _parse(text.replace("\r\n", "\n").replace("\r", "\n"), statements)
    check(tree, statements=statements)
    references = find_references(tree)
    expression = None if statements else _only_expression(tree)
    path = _path(expression)
    return Template(
        text,
        references,
        is_literal=False,
        is_expression=expression is not None,
        _path=path,
        _program=None if path else _program(tree, expression, statements),
    )


def _parse(text: str, statements: bool) -> nodes.Template:
    try:
        return Parser(_ENVIRONMENTS[statements], text).parse()
    except jinja2.TemplateSyntaxError as error:
        message = str(error.message).replace("end of print statement", "}}").rstrip(".")
        raise TemplateError(message, column=error.lineno, hint="correct the {{ }}") from error
    except RecursionError as error:
        raise TemplateError("the template is nested too deeply", hint="split it") from error
    except ValueError as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError("a number is too large", hint="write it as text") from error


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression that is the whole value, give or take space around it."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    found = [
        each
        for each in tree.body[0].nodes
        if not (isinstance(each, nodes.TemplateData) and not each.data.strip())
    ]
    return found[0] if len(found) == 1 and not isinstance(found[0], nodes.TemplateData) else None


def _path(node: nodes.Node | None) -> tuple[str, ...]:
    """The names of `a.b['c']`; empty for any other expression, and for the names of constants."""
    parts: list[str] = []
    while True:
        match node:
            case nodes.Getattr():
                parts.append(node.attr)
            case nodes.Getitem(arg=nodes.Const(value=str(name))) if name != "length":
                parts.append(name)
            case nodes.Name() if node.name not in ("null", "undefined"):
                return (node.name, *reversed(parts))
            case _:
                return ()
        node = node.node


def _program(
    tree: nodes.Template, expression: nodes.Expr | None, statements: bool
) -> jinja2.Template:
    environment = _ENVIRONMENTS[statements]
    if expression is not None:
        target = nodes.Name(_RESULT, "store", lineno=1)
        tree = nodes.Template([nodes.Assign(target, expression, lineno=1)], lineno=1)
    prepared = prepare(tree, statements=statements)
    prepared.set_environment(environment)
    try:
        return environment.from_string(prepared)
    except (JinjaError, SyntaxError) as error:
        # Jinja finds the misuse of `loop` only now, and Python refuses loops nested beyond 20.
        column = getattr(error, "lineno", None) if isinstance(error, JinjaError) else None
        message = str(getattr(error, "message", None) or getattr(error, "msg", error))
        raise TemplateError(message, column=column or 1, hint="simplify the loops") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A checked template. Rendering changes nothing; the same scope gives the same result."""

    source: str = field(kw_only=False)
    references: tuple[Reference, ...] = field(kw_only=False, compare=False)
    is_literal: bool = field(compare=False)
    """Whether there is nothing to render."""
    is_expression: bool
    """Whether the whole text is one `{{ }}`, which keeps the type of its value."""
    _path: tuple[str, ...] = field(default=(), compare=False, repr=False)
    _program: jinja2.Template | None = field(default=None, compare=False, repr=False)

    def render(self, scope: Scope) -> object:
        """The text, or for one whole expression its value, which shares nothing with `scope`.

        Raises:
            TemplateError: a value is missing and nothing stands in for it, is not plain data, does
                not fit the operation, or the result is longer than 1 MiB.
        """
        try:
            if self._program is not None:
                return self._run(self._program, scope)
            return self._read_path(scope) if self._path else self.source
        except _FAILURES as error:
            raise self._failure(scope, error) from error

    def _read_path(self, scope: Scope) -> object:
        value = plain_data.resolve(scope, self._path)
        if value is MISSING:
            raise DataError("a value is missing")
        return plain_data.plain(value)

    def _run(self, program: jinja2.Template, scope: Scope) -> object:
        names: dict[str, object] = {BUDGET: [MAX_WORK]}
        for root in {each.path[0] for each in self.references}:
            value = scope.get(root, MISSING)
            if value is not MISSING:
                names[root] = plain_data.admit(value)
        context = program.new_context(names)
        pieces = program.root_render_func(context)
        if self.is_expression:
            for _ in pieces:
                pass
            value = context.vars[_RESULT]
            if is_missing(value):
                str(value)
            return plain_data.plain(value)
        return _gathered(pieces)

    def _failure(self, scope: Scope, error: Exception) -> TemplateError:
        """What went wrong, with the first missing value named if there is one."""
        undefined = isinstance(error, jinja2.UndefinedError)
        for each in self.references:
            if each.guarded and not (undefined and repr(each.path[-1]) in str(error)):
                continue
            if _is_missing_at(scope, each.path):
                return TemplateError(
                    f"{each.text} is missing",
                    column=each.column,
                    hint="give it a value, or write | default(...) after it",
                )
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        column = self.references[0].column if self.references else 1
        return TemplateError(message, column=column, hint="check the values it reads")


def _is_missing_at(scope: Scope, path: tuple[str, ...]) -> bool:
    try:
        return plain_data.resolve(scope, path) is MISSING
    except DataError:
        return False


def _gathered(pieces: Iterator[str]) -> str:
    size = 0
    parts = []
    for piece in pieces:
        size += len(piece)
        if size > MAX_OUTPUT:
            raise DataError(f"the text is longer than {MAX_OUTPUT} characters")
        parts.append(piece)
    return bounded("".join(parts))


def compile_value(value: object) -> Value:
    """A JSON structure whose texts may be templates, ready to be rendered; keys stay as they are.

    Raises:
        TemplateError: a text is no valid template; `pointer` says which.
    """
    templates: list[tuple[Pointer, Template]] = []
    part = _compile_part(value, (), templates)
    return Value(value, tuple(templates), part)


def _compile_part(
    value: object, pointer: Pointer, templates: list[tuple[Pointer, Template]]
) -> object:
    """`value` itself where it holds no template; else a template, or a list or dict of parts."""
    if len(pointer) > MAX_NESTING:
        raise TemplateError(f"the value is nested deeper than {MAX_NESTING}")
    match value:
        case str():
            template = _compile_at(value, pointer)
            if template.is_literal:
                return value
            templates.append((pointer, template))
            return template
        case dict():
            before = len(templates)
            mapping = {
                key: _compile_part(each, (*pointer, _checked_key(key, pointer)), templates)
                for key, each in value.items()
            }
            return value if len(templates) == before else _Mapping(mapping)
        case list() | tuple():
            before = len(templates)
            parts = [
                _compile_part(each, (*pointer, index), templates)
                for index, each in enumerate(value)
            ]
            return value if len(templates) == before else _List(parts)
        case _:
            return value


def _compile_at(text: str, pointer: Pointer) -> Template:
    try:
        return compile_template(text)
    except TemplateError as error:
        raise TemplateError(
            error.message, column=error.column, hint=error.hint, pointer=pointer
        ) from error


def _checked_key(key: object, pointer: Pointer) -> str:
    if isinstance(key, str) and "{{" in key:
        raise TemplateError(
            f"the key {key!r:.80} cannot be a template",
            hint="write the key out and put the template into its value",
            pointer=pointer,
        )
    return str(key)


@dataclass(frozen=True, slots=True)
class _List:
    parts: list[object]


@dataclass(frozen=True, slots=True)
class _Mapping:
    parts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Value:
    """A structure with templates in it. Two of them are equal when their sources are."""

    source: object
    templates: tuple[tuple[Pointer, Template], ...] = field(compare=False)
    """Each template with the keys and indexes that lead to it."""
    _part: object = field(compare=False, repr=False)

    @property
    def references(self) -> tuple[Reference, ...]:
        """What all the templates read."""
        return tuple(each for _, template in self.templates for each in template.references)

    @property
    def is_literal(self) -> bool:
        """Whether there is nothing to render."""
        return not self.templates

    def render(self, scope: Scope) -> object:
        """The structure with every template rendered; without any, the source itself.

        Raises:
            TemplateError: as `Template.render`; `pointer` says in which text.
        """
        return self.source if not self.templates else _rendered(self._part, scope, ())


def _rendered(part: object, scope: Scope, pointer: Pointer) -> object:
    match part:
        case Template():
            try:
                return part.render(scope)
            except TemplateError as error:
                raise TemplateError(
                    error.message, column=error.column, hint=error.hint, pointer=pointer
                ) from error
        case _Mapping():
            return {
                key: _rendered(each, scope, (*pointer, key)) for key, each in part.parts.items()
            }
        case _List():
            return [
                _rendered(each, scope, (*pointer, index)) for index, each in enumerate(part.parts)
            ]
        case _:
            return part
