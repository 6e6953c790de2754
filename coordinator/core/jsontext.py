"""PURE. JSON in and out, at the speed of the commit path.

What `dump` writes, `parse` reads. orjson does nearly all of it; what it refuses but a value of ours
may hold (integers beyond 64 bits, keys that are not text, lone surrogates) takes the standard
library's slower way, where a lone surrogate becomes a question mark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson


class NotJsonError(ValueError):
    """The text is not one JSON value."""

    def __init__(self, why: str) -> None:
        super().__init__(f"not JSON: {why}")
        self.why = why


def dump(value: object) -> bytes:
    """`value` as compact JSON. Mappings of any class become objects, tuples become arrays."""
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:
        text = json.dumps(value, default=_plain, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "replace")


def dump_text(value: object) -> str:
    """`dump` as text."""
    return dump(value).decode()


def text_of(value: object) -> str:
    """A text as it is; any other value as JSON: `true`, `null`, `3`."""
    return value if isinstance(value, str) else dump_text(value)


def parse(text: str | bytes) -> Any:
    """The value that `text` stands for.

    Raises:
        NotJsonError: the text is no JSON, holds NaN, Infinity or a lone surrogate, or is nested
            too deeply.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJsonError(str(error)) from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
