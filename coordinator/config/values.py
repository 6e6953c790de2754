"""How each kind of setting is read, from a variable's text and from a file's value alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from coordinator.core.durations import duration_ms

_URL: Final = re.compile(r"[a-zA-Z][\w+.-]*://|[^/\\]+:")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off", ""})


class NotUsableError(ValueError):
    """What the value has to be."""


@dataclass(frozen=True, slots=True)
class Parse:
    """How a kind of value is read, and the JSON Schema of what it may be in a file."""

    read: Callable[[Any, Path], object]
    schema: Mapping[str, Any]

    def __call__(self, value: Any, folder: Path) -> object:
        """The value; relative paths start from the folder.

        Raises:
            NotUsableError: with what it has to be.
        """
        return self.read(value, folder)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotUsableError("has to be a text")
    return str(value).strip()


def _path(value: Any, folder: Path) -> Path:
    given = _text(value)
    if not given:
        raise NotUsableError("has to be a path")
    return folder / Path(given).expanduser()


def _place(value: Any, folder: Path) -> str:
    given = _text(value)
    if not given or _URL.match(given):
        return given
    return os.path.normpath(_path(given, folder))


def _name(value: Any, folder: Path) -> str:
    given = _text(value)
    if given and not _NAME.fullmatch(given):
        raise NotUsableError("has to be letters, digits, dots, dashes; at most 100")
    return given


def _words(value: Any, folder: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(re.split(r"[\s,]+", value.strip())) if value.strip() else ()
    if not isinstance(value, list | tuple):
        raise NotUsableError("has to be a list, or words with commas")
    return tuple(_text(one) for one in value)


def _paths(value: Any, folder: Path) -> tuple[Path, ...]:
    if isinstance(value, str):
        value = [one for one in value.split(os.pathsep) if one]
    if not isinstance(value, list | tuple):
        raise NotUsableError(f"has to be a list of paths, or paths with {os.pathsep!r} between")
    return tuple(_path(one, folder) for one in value)


def _flag(value: Any, folder: Path) -> bool:
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise NotUsableError("has to be true or false")
    return word in _YES


def _duration(value: Any, folder: Path) -> timedelta:
    try:
        return timedelta(milliseconds=duration_ms(value))
    except ValueError as error:
        raise NotUsableError(f"is no time: {error}") from None


_SHORT: Final[Mapping[str, Any]] = {"type": ["string", "number"]}
_LIST: Final[Mapping[str, Any]] = {"type": ["array", "string"], "items": _SHORT}

text: Final = Parse(lambda value, _: _text(value), _SHORT)
"""One text."""
place: Final = Parse(_place, {"type": "string"})
"""A path or a URL; a relative path starts from the folder."""
name: Final = Parse(_name, {**_SHORT, "pattern": f"^({_NAME.pattern})?$"})
"""A name that is safe as a part of keys."""
path: Final = Parse(_path, {"type": "string", "minLength": 1})
"""A path; a relative one starts from the folder."""
optional_path: Final = Parse(
    lambda value, folder: None if value in ("", None) else _path(value, folder),
    {"type": ["string", "null"]},
)
"""A path, or None for nothing."""
words: Final = Parse(_words, _LIST)
"""A list, or words with commas or blanks between."""
paths: Final = Parse(_paths, _LIST)
"""A list of paths, or one text as in `PATH`."""
flag: Final = Parse(_flag, {"enum": [True, False]})
"""True or false; the usual spellings of variables are read too, but not offered."""
duration: Final = Parse(_duration, {**_SHORT, "exclusiveMinimum": 0, "minLength": 1})
"""A time such as `30s`; a bare number is seconds."""


def whole(least: int, most: int) -> Parse:
    """Whole numbers between the two."""

    def read(value: Any, folder: Path) -> int:
        given = _text(value)
        if not re.fullmatch(r"[0-9]{1,9}", given) or not least <= int(given) <= most:
            raise NotUsableError(f"has to be a whole number from {least} to {most}")
        return int(given)

    return Parse(read, {"type": "integer", "minimum": least, "maximum": most})


def one_of(*words: str) -> Parse:
    """One of these words."""

    def read(value: Any, folder: Path) -> str:
        word = _text(value).lower()
        if word not in words:
            raise NotUsableError(f"has to be one of {', '.join(words)}")
        return word

    return Parse(read, {"enum": list(words)})
