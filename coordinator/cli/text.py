"""PURE. How values look on a terminal and in scripts: clean, in columns, as JSON, as YAML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from coordinator.core.moments import moment_text

_SEQUENCES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?"
)
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_RAW_IN_JSON: Final = re.compile(
    r"[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_PLAIN_YAML: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+ -]*")
_YAML_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"})


def clean(text: object) -> str:
    """The text without anything that a terminal would obey; line breaks and tabs stay."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", str(text)))


def one_line(text: object, most: int = 200) -> str:
    """The text on one line, cleaned, cut off at `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def rfc3339(milliseconds: int) -> str | None:
    """The time with its zone; None for 0, which stands for "not yet"."""
    return moment_text(milliseconds) if milliseconds else None


def json_text(value: object, *, indent: int | None = 2) -> str:
    """The value as JSON; what a terminal might obey is escaped."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, default=_plain)
    return _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: object) -> object:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | frozenset | set):
        return list(value)
    return str(value)


def yaml_text(value: object) -> str:
    """The value as YAML in block style; texts that could mean something else are quoted."""
    data = json.loads(json_text(value))
    return "\n".join(_yaml(data, 0)).lstrip() + "\n"


def _yaml(value: object, depth: int) -> Iterable[str]:
    pad = "  " * depth
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{pad}{yaml_scalar(key)}:", inner, depth)
    elif isinstance(value, list) and value:
        for inner in value:
            lines = list(_yaml(inner, depth + 1))
            yield f"{pad}- {lines[0].lstrip()}"
            yield from lines[1:]
    else:
        yield pad + yaml_scalar(value)


def _entry(head: str, value: object, depth: int) -> Iterable[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _yaml(value, depth + 1)
    else:
        yield f"{head} {yaml_scalar(value)}"


def yaml_scalar(value: object) -> str:
    """A value without parts as YAML."""
    is_plain = (
        isinstance(value, str)
        and _PLAIN_YAML.fullmatch(value)
        and not value.endswith(" ")
        and value.lower() not in _YAML_WORDS
    )
    return str(value) if is_plain else json_text(value, indent=None)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as they have to be, without trailing blanks."""
    cells = [[one_line(cell) if cell is not None else "-" for cell in row] for row in rows]
    lines = [[name.upper() for name in head], *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
