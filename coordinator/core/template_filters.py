"""The filters and tests of templates: pure, deterministic, and bounded in what they may build.

They replace Jinja's own, some of which draw random numbers, read attributes of Python objects, or
build a text of any size from a short template. A missing value passes through every filter except
`default`, so that `x | trim | default("")` stands in for a missing `x`; printing it is the error.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined

from coordinator.core import plain_data
from coordinator.core.plain_data import MISSING, DataError

MAX_OUTPUT: Final = 1024 * 1024
"""Longest text, in characters, that a template or one of its filters may give."""

MAX_PRECISION: Final = 20
MAX_INDENT: Final = 8


class MissingValue(StrictUndefined):
    """A name or key that is not there: false when tested, an error when used for anything else."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]  # the parent raises here
        return False


def is_missing(value: object) -> bool:
    """Whether `value` stands for a name or key that is not there."""
    return isinstance(value, Undefined)


def bounded(text: str) -> str:
    """`text`, when it is not longer than `MAX_OUTPUT`.

    Raises:
        DataError: it is longer.
    """
    if len(text) > MAX_OUTPUT:
        raise DataError(f"the text is longer than {MAX_OUTPUT} characters")
    return text


def to_text(value: object) -> str:
    """How `value` reads inside a text: null is empty, lists and mappings are JSON.

    Raises:
        jinja2.UndefinedError: the value is missing.
        DataError: the value is not plain data, or too large.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    if is_missing(value):
        return str(value)
    return to_json(value)


def to_json(value: object, indent: int | None = None) -> str:
    """`value` as JSON text with sorted keys."""
    if indent is not None and not 0 <= indent <= MAX_INDENT:
        raise DataError(f"tojson takes an indent between 0 and {MAX_INDENT}")
    copy = plain_data.plain(value)
    return bounded(
        json.dumps(copy, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent)
    )


def items(value: object) -> list[object]:
    """The items of a list, the keys of a mapping, the characters of a text; none for null."""
    if value is None:
        return []
    if isinstance(value, str | Mapping) or plain_data.is_list(value):
        return [plain_data.admit(each) for each in value]
    raise DataError(f"a value of type {type(value).__name__} is not a list")


def _default(value: object, default_value: object = "", boolean: bool = False) -> object:
    if value is None or is_missing(value) or (boolean and not value):
        return default_value
    return value


def _length(value: object) -> int:
    size = 0 if value is None else plain_data.length(value)
    if size is None:
        raise DataError(f"a value of type {type(value).__name__} has no length")
    return size


def _upper(value: object) -> str:
    return bounded(to_text(value).upper())


def _lower(value: object) -> str:
    return bounded(to_text(value).lower())


def _trim(value: object, chars: str | None = None) -> str:
    return to_text(value).strip(chars)


def _replace(value: object, old: str, new: str, count: int = -1) -> str:
    text = to_text(value)
    times = text.count(old) if count < 0 else min(count, text.count(old))
    if len(text) + times * (len(new) - len(old)) > MAX_OUTPUT:
        raise DataError(f"the text is longer than {MAX_OUTPUT} characters")
    return text.replace(old, new, times)


def _join(value: object, d: str = "", attribute: str | None = None) -> str:
    return joined([_read(each, attribute) for each in items(value)], d)


def joined(values: list[object], separator: str = "") -> str:
    """The texts of `values` with `separator` between them, never longer than `MAX_OUTPUT`."""
    parts: list[str] = []
    size = 0
    for each in values:
        parts.append(to_text(each))
        size += len(parts[-1]) + len(separator)
        if size - len(separator) > MAX_OUTPUT:
            raise DataError(f"the text is longer than {MAX_OUTPUT} characters")
    return separator.join(parts)


def _first(value: object) -> object:
    found = items(value)
    return found[0] if found else MissingValue(hint="the first of an empty list is missing")


def _last(value: object) -> object:
    found = items(value)
    return found[-1] if found else MissingValue(hint="the last of an empty list is missing")


def _int(value: object, default: int = 0, base: int = 10) -> object:
    try:
        if isinstance(value, str) and base != 10:
            found = int(value, base)
        else:
            found = int(value if isinstance(value, int) else float(_numeral(value)))
    except (TypeError, ValueError, OverflowError):
        return default
    return default if plain_data.number(found) is None else found


def _float(value: object, default: float = 0.0) -> object:
    try:
        found = float(_numeral(value))
    except (TypeError, ValueError, OverflowError):
        return default
    return found if math.isfinite(found) else default


def _numeral(value: object) -> str | int | float:
    if isinstance(value, str | int | float):
        return value
    raise TypeError("neither a number nor a text")


def _round(value: object, precision: int = 0, method: str = "common") -> float:
    if not plain_data.is_number(value) or type(precision) is not int:
        raise DataError("round takes a number and a whole number of digits")
    if abs(precision) > MAX_PRECISION:
        raise DataError(f"round takes at most {MAX_PRECISION} digits")
    if method == "common":
        return float(round(value, precision))
    if method not in ("ceil", "floor"):
        raise DataError("the method of round is 'common', 'ceil' or 'floor'")
    scale = 10**precision
    return float((math.ceil if method == "ceil" else math.floor)(value * scale) / scale)


def _sort(
    value: object,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: str | None = None,
) -> list[object]:
    def rank(each: object) -> Any:
        return _folded(_read(each, attribute), case_sensitive)

    try:
        return sorted(items(value), key=rank, reverse=bool(reverse))
    except TypeError as error:
        raise DataError("sort takes values of one kind, texts or numbers") from error


def _unique(
    value: object, case_sensitive: bool = False, attribute: str | None = None
) -> list[object]:
    seen: set[str] = set()
    kept = []
    for each in items(value):
        mark = to_json(_folded(_read(each, attribute), case_sensitive))
        if mark not in seen:
            seen.add(mark)
            kept.append(each)
    return kept


def _folded(value: object, case_sensitive: bool) -> object:
    return value.casefold() if isinstance(value, str) and not case_sensitive else value


def _read(value: object, attribute: str | None) -> object:
    """The part of `value` at the dotted path `attribute`; null where it is missing."""
    if attribute is not None and not isinstance(attribute, str):
        raise DataError("attribute takes the name of a key")
    for name in attribute.split(".") if attribute else ():
        value = plain_data.member(value, name)
        if value is MISSING:
            return None
    return value


def _passing_missing(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def filtered(value: object, *args: object, **kwargs: object) -> object:
        return value if is_missing(value) else function(value, *args, **kwargs)

    return filtered


_OF_VALUES: Final[Mapping[str, Callable[..., object]]] = {
    "length": _length,
    "upper": _upper,
    "lower": _lower,
    "trim": _trim,
    "join": _join,
    "replace": _replace,
    "first": _first,
    "last": _last,
    "tojson": to_json,
    "int": _int,
    "float": _float,
    "round": _round,
    "sort": _sort,
    "unique": _unique,
}

FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "default": _default,
    **{name: _passing_missing(function) for name, function in _OF_VALUES.items()},
}
