"""How each kind of setting is read, from a variable's text and from a file's value alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
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


Parse = Callable[[Any, Path], object]
"""From a value and the folder that relative paths start from; raises `NotUsableError`."""


def text(value: Any, folder: Path) -> str:
    """The value as one text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotUsableError("has to be a text")
    return str(value).strip()


def place(value: Any, folder: Path) -> str:
    """A path or a URL; a relative path starts from the folder."""
    given = text(value, folder)
    if not given or _URL.match(given):
        return given
    return os.path.normpath(path(given, folder))


def name(value: Any, folder: Path) -> str:
    """A name that is safe as a part of keys."""
    given = text(value, folder)
    if given and not _NAME.fullmatch(given):
        raise NotUsableError("has to be letters, digits, dots, dashes; at most 100")
    return given


def path(value: Any, folder: Path) -> Path:
    """A path; a relative one starts from the folder."""
    given = text(value, folder)
    if not given:
        raise NotUsableError("has to be a path")
    return folder / Path(given).expanduser()


def optional_path(value: Any, folder: Path) -> Path | None:
    """A path, or None for nothing."""
    return None if value in ("", None) else path(value, folder)


def words(value: Any, folder: Path) -> tuple[str, ...]:
    """A list, or words with commas or blanks between."""
    if isinstance(value, str):
        return tuple(re.split(r"[\s,]+", value.strip())) if value.strip() else ()
    if not isinstance(value, list | tuple):
        raise NotUsableError("has to be a list, or words with commas")
    return tuple(text(one, folder) for one in value)


def paths(value: Any, folder: Path) -> tuple[Path, ...]:
    """A list of paths, or one text as in `PATH`."""
    if isinstance(value, str):
        value = [one for one in value.split(os.pathsep) if one]
    if not isinstance(value, list | tuple):
        raise NotUsableError(f"has to be a list of paths, or paths with {os.pathsep!r} between")
    return tuple(path(one, folder) for one in value)


def flag(value: Any, folder: Path) -> bool:
    """True or false in the usual spellings."""
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise NotUsableError("has to be true or false")
    return word in _YES


def whole(least: int, most: int) -> Parse:
    """A reader of whole numbers between the two."""

    def parse(value: Any, folder: Path) -> int:
        given = text(value, folder)
        if not re.fullmatch(r"[0-9]{1,9}", given) or not least <= int(given) <= most:
            raise NotUsableError(f"has to be a whole number from {least} to {most}")
        return int(given)

    return parse


def duration(value: Any, folder: Path) -> timedelta:
    """A time such as `30s`; a bare number is seconds."""
    try:
        return timedelta(milliseconds=duration_ms(value))
    except ValueError as error:
        raise NotUsableError(f"is no time: {error}") from None


def one_of(*words: str) -> Parse:
    """A reader that knows these words only."""

    def parse(value: Any, folder: Path) -> str:
        word = text(value, folder).lower()
        if word not in words:
            raise NotUsableError(f"has to be one of {', '.join(words)}")
        return word

    return parse
