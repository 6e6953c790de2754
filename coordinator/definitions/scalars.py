"""Plain scalars as the core schema of YAML 1.2 reads them."""

from __future__ import annotations

import math
import re
from typing import Final

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST: Final = 400
_LARGEST: Final = 2**63 - 1


class NumberOutOfRangeError(ValueError):
    """The text is a number that JSON readers do not agree about."""

    def __init__(self, text: str) -> None:
        short = text if len(text) <= 40 else f"{text[:40]}..."
        super().__init__(f"{short} is not a finite number of at most 64 bits")


def scalar(text: str, *, is_plain: bool) -> str | int | float | bool | None:
    """The value of a scalar; one in quotes or in a block is always text.

    Raises:
        NumberOutOfRangeError: it is a number, but too large or not finite.
    """
    if not is_plain:
        return text
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if text[0] in "+-.0123456789":
        return _number(text)
    return text


def _number(text: str) -> str | int | float:
    if _NOT_FINITE.fullmatch(text):
        raise NumberOutOfRangeError(text)
    is_float = not _INTEGER.fullmatch(text) and _FLOAT.fullmatch(text)
    if len(text) > _LONGEST:
        if is_float or _INTEGER.fullmatch(text):
            raise NumberOutOfRangeError(text)
        return text
    if is_float:
        number = float(text)
        if not math.isfinite(number):
            raise NumberOutOfRangeError(text)
        return number
    return _integer(text)


def _integer(text: str) -> str | int:
    if _INTEGER.fullmatch(text):
        number = int(text)
    elif _OCTAL.fullmatch(text):
        number = int(text[2:], 8)
    elif _HEXADECIMAL.fullmatch(text):
        number = int(text[2:], 16)
    else:
        return text
    if not -_LARGEST - 1 <= number <= _LARGEST:
        raise NumberOutOfRangeError(text)
    return number
