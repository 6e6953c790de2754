"""Values as they may be written to a log: no secrets, no terminal control, no flood.

Every value of a log line may come from a task, a persona or a repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

MAX_TEXT: Final = 2_000
MAX_ITEMS: Final = 50
MAX_DEPTH: Final = 5
MASK: Final = "***"

_SECRET_WORDS: Final = frozenset(
    {
        "apikey",
        "auth",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "secrets",
        "token",
    }
)
_WORD_ENDS: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_USERINFO: Final = re.compile(r"(?<=://)(?:[^\s/@]*:\S*|[^\s/]+)@")
_IN_QUERY: Final = re.compile(r"((?:password|passwd|token|secret|api_?key)=)[^&\s]+", re.IGNORECASE)
_BEARER: Final = re.compile(r"\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_ESCAPES: Final = re.compile(
    r"(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c|$)"  # titles, links, the clipboard
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor movements
    r"|\x1b[PX^_].*?(?:\x1b\\|\x9c|$)|\x1b.?",
    re.DOTALL,
)
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def is_secret(key: str) -> bool:
    """Whether the value under this key must not be shown: one of its words says so."""
    words = [word.lower() for word in _WORD_ENDS.split(key[:200]) if word]
    return not _SECRET_WORDS.isdisjoint(words) or ("api", "key") in pairwise(words)


def clean_text(text: str, at_most: int = MAX_TEXT) -> str:
    """The text without secrets in URLs and headers and without terminal control, cut to length."""
    cut = text[: at_most + 1_000]
    cut = _CONTROL.sub("", _ESCAPES.sub("", cut))
    cut = _BEARER.sub(rf"\1 {MASK}", _IN_QUERY.sub(rf"\1{MASK}", _USERINFO.sub(f"{MASK}@", cut)))
    return cut if len(cut) <= at_most else f"{cut[:at_most]}… ({len(text)} characters)"


def clean(value: object, depth: int = 0) -> object:
    """The value as plain data that is safe to write, however it was made."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return clean_fields(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        shown = [clean(one, depth + 1) for one in list(value)[:MAX_ITEMS]]
        return [*shown, f"… {len(value)} in all"] if len(value) > MAX_ITEMS else shown
    return clean_text(str(value))


def clean_fields(fields: Mapping[Any, object], depth: int = 0) -> dict[str, object]:
    """The same for named values; those with secret names are masked."""
    shown: dict[str, object] = {}
    for key, value in list(fields.items())[:MAX_ITEMS]:
        name = clean_text(str(key), 100)
        shown[name] = MASK if value and is_secret(name) else clean(value, depth)
    return shown
