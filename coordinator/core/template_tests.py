"""What may follow `is` in a template: questions about a value's kind, and comparisons.

A missing value answers each of them as null does. Comparisons are those of conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from coordinator.core import plain_data
from coordinator.core.template_filters import is_missing


def null_if_missing(value: object) -> object:
    """`value`, or None where it is missing."""
    return None if is_missing(value) else value


def _defined(value: object) -> bool:
    return not is_missing(value)


def _divisible(value: object, by: object) -> bool:
    return type(value) is int and type(by) is int and by != 0 and value % by == 0


def _odd(value: object) -> bool:
    return type(value) is int and value % 2 == 1


def _sequence(value: object) -> bool:
    return isinstance(value, str | Mapping) or plain_data.is_list(value)


def _of_values(
    compare: Callable[[object, object], bool],
) -> Callable[[object, object], bool]:
    def compared(value: object, other: object) -> bool:
        return compare(null_if_missing(value), null_if_missing(other))

    return compared


COMPARISONS: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "eq": _of_values(plain_data.equal),
    "ne": _of_values(plain_data.not_equal),
    "lt": _of_values(plain_data.less),
    "lteq": _of_values(plain_data.less_or_equal),
    "gt": _of_values(plain_data.greater),
    "gteq": _of_values(plain_data.greater_or_equal),
    "in": _of_values(plain_data.is_in),
    "notin": _of_values(plain_data.is_not_in),
}
"""The comparisons under the names that Jinja's syntax tree has for them."""

TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "defined": _defined,
    "undefined": is_missing,
    "none": lambda value: value is None or is_missing(value),
    "boolean": lambda value: isinstance(value, bool),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "integer": lambda value: type(value) is int,
    "float": lambda value: type(value) is float,
    "number": plain_data.is_number,
    "string": lambda value: isinstance(value, str),
    "mapping": lambda value: isinstance(value, Mapping),
    "sequence": _sequence,
    "iterable": _sequence,
    "odd": _odd,
    "even": lambda value: _divisible(value, 2),
    "divisibleby": _divisible,
    "lower": lambda value: isinstance(value, str) and value.islower(),
    "upper": lambda value: isinstance(value, str) and value.isupper(),
    **{
        name: COMPARISONS[same]
        for same, names in {
            "eq": ("eq", "equalto", "=="),
            "ne": ("ne", "!="),
            "lt": ("lt", "lessthan", "<"),
            "lteq": ("le", "<="),
            "gt": ("gt", "greaterthan", ">"),
            "gteq": ("ge", ">="),
            "in": ("in",),
        }.items()
        for name in names
    },
}
