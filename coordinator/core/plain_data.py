"""What conditions and templates may do with data: read it, compare it, measure it, copy it.

Values are plain JSON data, or read-only `Mapping` and `Sequence` views of it that the engine builds
lazily. Nothing here looks at a Python attribute of a value or calls a method the value brought
along, except those of the two abstract types; so a value has no way to run code or to be changed.
Each operation is bounded by the size of its operands or by a stated limit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeGuard

MAX_COPY: Final = 1024 * 1024
"""Largest value that leaves an expression, in characters of roughly its JSON text."""

MAX_NESTING: Final = 100
MAX_COMPARED: Final = 100_000
"""Most pairs of values that one comparison looks at."""

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_PLAIN: Final = _SCALARS | {dict, list, tuple}
_BYTES: Final = (bytes, bytearray, memoryview)
_INT_RANGE: Final = (-(2**63), 2**64 - 1)

Sized = Sequence[object] | Mapping[str, object]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a key that is not there gives; a key that is there and null gives None."""


class DataError(ValueError):
    """A value is not plain data, or working on it would go beyond a limit."""


def admit(value: object) -> object:
    """`value` if it is plain data or a view of it; subclasses of text and numbers become plain.

    Raises:
        DataError: `value` is some other object.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping) or is_list(value):
        return value
    raise DataError(f"a value of type {type(value).__name__} is not plain data")


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether `value` is a list, a tuple or a view of one; text is not."""
    if type(value) is list:
        return True
    return isinstance(value, Sequence) and not isinstance(value, (str, *_BYTES))


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number; a truth value is not."""
    return type(value) is int or type(value) is float


def length(value: object) -> int | None:
    """How many characters, items or keys `value` has; None for anything else."""
    if isinstance(value, str | Mapping) or is_list(value):
        return len(value)
    return None


def member(value: object, name: str) -> object:
    """`value.name`: the mapping's key before anything else, then `length`, else `MISSING`."""
    if type(value) is dict or isinstance(value, Mapping):
        found = value.get(name, MISSING)
        if found is not MISSING:
            return admit(found)
    if name == "length":
        size = length(value)
        return MISSING if size is None else size
    return MISSING


def item(value: object, key: object) -> object:
    """`value[key]`: a mapping by text, a list or a text by whole number, else `MISSING`."""
    if isinstance(value, Mapping):
        found = value.get(key, MISSING) if isinstance(key, str) else MISSING
        return found if found is MISSING else admit(found)
    if type(key) is not int or not (isinstance(value, str) or is_list(value)):
        return MISSING
    try:
        return admit(value[key])
    except IndexError:
        return MISSING


def resolve(scope: Mapping[str, object], path: tuple[str, ...]) -> object:
    """The value at `path`, or `MISSING`."""
    value: object = scope
    for part in path:
        value = member(value, part)
        if value is MISSING:
            return MISSING
    return value


def equal(left: object, right: object) -> bool:
    """Strict equality at any depth: `1 == true` and `1 == "1"` are false, `1 == 1.0` is true.

    Raises:
        DataError: more than `MAX_COMPARED` pairs would have to be compared.
    """
    if type(left) is type(right) and type(left) in _SCALARS:
        return left == right
    pending = [(left, right)]
    compared = 0
    while pending:
        parts = _equal_parts(*pending.pop())
        if parts is None:
            return False
        compared += 1 + len(parts)
        if compared > MAX_COMPARED:
            raise DataError("the values are too large to be compared")
        pending.extend(parts)
    return True


def _equal_parts(left: object, right: object) -> list[tuple[object, object]] | None:
    """The pairs that must be equal for these two to be; None when they are not equal."""
    if is_number(left) and is_number(right):
        return [] if left == right else None
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        if len(left) != len(right) or any(key not in right for key in left):
            return None
        return [(value, right[key]) for key, value in left.items()]
    if is_list(left) and is_list(right):
        return list(zip(left, right, strict=True)) if len(left) == len(right) else None
    left, right = admit(left), admit(right)
    return [] if type(left) is type(right) and left == right else None


def not_equal(left: object, right: object) -> bool:
    """The opposite of `equal`."""
    return not equal(left, right)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def ordered(left: object, right: object) -> bool:
        if type(left) is str and type(right) is str:
            return compare(left, right)
        return is_number(left) and is_number(right) and compare(left, right)

    return ordered


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)


def is_in(element: object, container: object) -> bool:
    """Whether a text holds a text, a list a value, a mapping a key; null and mixed types: false."""
    if isinstance(container, str):
        return isinstance(element, str) and element in container
    if isinstance(container, Mapping):
        return isinstance(element, str) and element in container
    if element is None or not is_list(container):
        return False
    return any(equal(element, each) for each in container)


def is_not_in(element: object, container: object) -> bool:
    """The opposite of `is_in`."""
    return not is_in(element, container)


def number(value: object) -> object:
    """`value` if it is a number that JSON and 64 bits can carry, else None."""
    if type(value) is int:
        return value if _INT_RANGE[0] <= value <= _INT_RANGE[1] else None
    return value if type(value) is float and math.isfinite(value) else None


def arithmetic(
    compute: Callable[[int | float, int | float], object],
) -> Callable[[object, object], object]:
    """`compute` for two numbers; None for anything else and where the result does not fit."""

    def computed(left: object, right: object) -> object:
        if not (is_number(left) and is_number(right)):
            return None
        try:
            return number(compute(left, right))
        except ArithmeticError:
            return None

    return computed


add = arithmetic(operator.add)
subtract = arithmetic(operator.sub)
multiply = arithmetic(operator.mul)


def negative(value: object) -> object:
    """`-value` for a number, else None."""
    return number(-value) if is_number(value) else None


def positive(value: object) -> object:
    """`value` for a number, else None."""
    return value if is_number(value) else None


def weight(value: object, *, most: int) -> int:
    """How much there is to work on: each value inside counts 1, each 256 characters 1 more.

    Counting stops at `most`.
    """
    total = 0
    pending = [value]
    while pending and total < most:
        found = pending.pop()
        total += 1
        if isinstance(found, str):
            total += len(found) // 256
        elif isinstance(found, Mapping):
            pending.extend(found.values())
        elif is_list(found):
            pending.extend(found)
    return min(total, most)


def plain(value: object, *, limit: int = MAX_COPY) -> object:
    """A copy of `value` that shares nothing with it and holds JSON data only.

    Raises:
        DataError: some part is not plain data, or the copy would be larger than `limit` characters
            or nested deeper than `MAX_NESTING`.
    """
    if type(value) in _SCALARS and type(value) is not str:
        return value
    return _Copy(limit).of(value, 0)


class _Copy:
    """One copy in the making, and how much of its limit is left."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def of(self, value: object, depth: int) -> object:
        value = admit(value)
        self._take(len(value) if isinstance(value, str) else 2)
        if depth > MAX_NESTING:
            raise DataError(f"the value is nested deeper than {MAX_NESTING}")
        if isinstance(value, Mapping):
            return {self._key(key): self.of(part, depth + 1) for key, part in value.items()}
        if is_list(value):
            return [self.of(part, depth + 1) for part in value]
        return value

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise DataError(f"a mapping has a key of type {type(key).__name__}; keys are text")
        self._take(len(key))
        return str.__str__(key)

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise DataError(f"the value is larger than {self.limit} characters")
