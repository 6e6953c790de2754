"""The words of a condition, whichever of JavaScript's and Python's habits it was written in."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from coordinator.core.references import SourceError

MAX_SOURCE: Final = 2_000


class ExpressionError(SourceError):
    """A condition cannot be read, or was given something that is not plain data."""


class Token(NamedTuple):
    """One word; `kind` is "name", "text", "number", "operator" or "end"."""

    kind: str
    text: str
    value: str | int | float | None
    column: int


_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?!\w))
  | (?P<name>[^\W\d]\w*)
  | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<refused>\*\*|\.\.|=>|:=|\?\?|<<|>>|//|/\*|\+\+|[-+*/%&|^]=)
  | (?P<operator>===|!==|==|!=|<=|>=|&&|\|\||\?\.|[-+*!<>()\[\].,])
    """,
    re.VERBOSE | re.DOTALL,
)

_CURES: Final = {
    "=": "use == to compare",
    "=>": "functions cannot be written here",
    ":=": "a condition cannot assign; use == to compare",
    "**": "only + - * on numbers are available",
    "*=": "a condition cannot assign; use == to compare",
    "+=": "a condition cannot assign; use == to compare",
    "-=": "a condition cannot assign; use == to compare",
    "++": "a condition cannot change anything; write + 1",
    "/": "only + - * on numbers are available",
    "//": "only + - * on numbers are available, and comments belong into YAML",
    "%": "only + - * on numbers are available",
    "..": "write one dot between names",
    "??": "use .get('key', default) or ||",
    "?": "use && and || instead of ? :",
    "|": "filters belong into templates; use || for or, len(x) or .get('key', default)",
    "&": "use && for and",
    "^": "bit operators are not available",
    "~": "use ! or not",
    "`": "write text in '...' or \"...\"",
    "{": "mappings cannot be written here; one {{ }} may stand around the whole condition",
    "}": "one {{ }} may stand around the whole condition, and nothing outside it",
    "#": "comments belong into YAML",
    "'": "close the text with '",
    '"': 'close the text with "',
}

_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL
)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": "",
    "\\": "\\", "'": "'", '"': '"', "/": "/",
}  # fmt: skip


def tokenize(source: str) -> list[Token]:
    """The tokens of a condition without the one `{{ }}` that may surround it, and an end token.

    Raises:
        ExpressionError: the text is empty, too long, or holds something that is no token.
    """
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"the condition has {len(source)} characters, more than {MAX_SOURCE}",
            hint="move the work into a step and test its result",
        )
    start, end = _span(source)
    tokens = []
    while start < end:
        found = _TOKEN.match(source, start, end)
        if found is None or found.lastgroup == "refused":
            raise _refused(source, start, found)
        if found.lastgroup != "space":
            tokens.append(_token(found))
        start = found.end()
    if not tokens:
        raise ExpressionError("the condition is empty", hint="write for example task.type == 'bug'")
    return [*tokens, Token("end", "the end", None, end + 1)]


def _span(source: str) -> tuple[int, int]:
    """Where the condition begins and ends inside its text."""
    text = source.strip()
    start = source.index(text)
    end = start + len(text)
    if text.startswith("{{") and text.endswith("}}") and len(text) >= 4:
        return start + 2, end - 2
    return start, end


def _refused(source: str, start: int, found: re.Match[str] | None) -> ExpressionError:
    text = found.group() if found else source[start]
    if text.isdigit():
        return ExpressionError("a number runs into a name", column=start + 1, hint="add a space")
    if text in "'\"":
        return ExpressionError("a text is not closed", column=start + 1, hint=_CURES[text])
    hint = _CURES.get(text, "see the list of operators a condition may use")
    return ExpressionError(f"{text!r} is not available in a condition", column=start + 1, hint=hint)


def _token(found: re.Match[str]) -> Token:
    kind, text, column = str(found.lastgroup), found.group(), found.start() + 1
    if kind == "text":
        return Token(kind, text, _unescape(text[1:-1], column), column)
    if kind == "number":
        return Token(kind, text, _number(text, column), column)
    if kind == "name" and found.string[found.end() : found.end() + 1] in ("'", '"'):
        raise ExpressionError(
            f"a text cannot have the prefix {text!r}", column=column, hint="write '...' alone"
        )
    return Token(kind, text, text, column)


def _number(text: str, column: int) -> int | float:
    if text.isdigit():
        return int(text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ExpressionError(
            f"{text} is too large a number", column=column, hint="write a finite one"
        )
    return value


def _unescape(text: str, column: int) -> str:
    if "\\" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        *codes, letter = found.groups()
        if letter is not None:
            if letter not in _ESCAPES:
                raise ExpressionError(
                    f"the text holds the unknown escape \\{letter}",
                    column=column,
                    hint="write \\\\ for a backslash",
                )
            return _ESCAPES[letter]
        return chr(int(next(code for code in codes if code), 16))

    try:
        # A pair of \u escapes may spell one character, as in JSON; a lone half is not a character.
        value = _ESCAPE.sub(replaced, text)
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except (UnicodeError, ValueError, OverflowError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(
            "the text holds an escape that is no character", column=column, hint="correct the \\u"
        ) from error
