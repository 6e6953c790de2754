"""A file in canonical spelling, changed at as few characters as that takes.

The text is never written anew from data. Keys and words are replaced where they stand, blanks at
the ends of lines and superfluous lines at the end of the file are cut, and what comes out is read
again: unless it means the same, nothing is returned.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from coordinator.core.lowering import StepType
from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.read import Document, Path, Place, read
from coordinator.definitions.spelling import Respelling, respellings

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BLANKS: Final = re.compile(r"[ \t]+(?=[\r\n]|\Z)")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_QUOTES: Final = ("'", '"')


class UnfaithfulFormatError(Exception):
    """Formatting would change what a file means, so it was not done; a bug of ours."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: formatting would change what it means, so it stays as it is; this is a bug "
            "of ours, please report the file"
        )
        self.path = path


def format_workflow(
    path: str, text: str | bytes, *, step_types: Mapping[str, StepType]
) -> tuple[str | None, list[Fault]]:
    """The workflow file in canonical spelling and layout; None, and its faults, if it is no YAML.

    Comments, order, quotes and indentation stay. The result compiles to the same as the file.

    Raises:
        UnfaithfulFormatError: the result would mean something else.
    """
    return _format(path, text, step_types)


def format_layout(path: str, text: str | bytes) -> tuple[str | None, list[Fault]]:
    """Any other file of ours with canonical line ends, without blanks at the ends of lines.

    Raises:
        UnfaithfulFormatError: the result would mean something else.
    """
    return _format(path, text, None)


def _format(
    path: str, text: str | bytes, step_types: Mapping[str, StepType] | None
) -> tuple[str | None, list[Fault]]:
    faults = Faults(path)
    document = read(path, text, faults)
    if document is None:
        return None, faults.found
    source = (text.encode() if isinstance(text, str) else text).decode("utf-8-sig")
    marks = _marks_of(source)
    wanted = [] if step_types is None else respellings(document.value, step_types)
    edits, done = _spelled(document, wanted, marks, source)
    edits += [
        (found.start(), found.end(), "")
        for found in _BLANKS.finditer(source)
        if not _is_within(marks.verbatim, found.start())
    ]
    formatted = _LINE_END.sub("\n", _edited(source, edits))
    expected = _respelled(document.value, (), {each.path: each for each in done})
    # The last one is for texts folded over lone carriage returns, which stay as they are.
    layouts = (formatted.rstrip(" \t\n") + "\n", formatted.rstrip("\n") + "\n", formatted, source)
    for candidate in layouts:
        again = read(path, candidate, faults)
        if again is not None and again.value == expected:
            return candidate, []
    if faults.found:
        return None, faults.found
    raise UnfaithfulFormatError(path)


_Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class _Scalar:
    """Where a scalar begins and ends, counted in characters of the file."""

    start: int
    end: int
    style: str


_Ranges = list[tuple[int, int]]


@dataclass(slots=True)
class _Marks:
    """What of a file's text has to be known to change it."""

    scalars: dict[Place, _Scalar] = field(default_factory=dict)
    """Those without an anchor and not empty, by place."""
    verbatim: _Ranges = field(default_factory=list)
    """Texts over several lines whose blanks may matter, in file order."""
    shared: _Ranges = field(default_factory=list)
    """Lists and mappings that an alias repeats elsewhere, in file order, the outermost only."""


def _is_within(ranges: _Ranges, offset: int) -> bool:
    at = bisect_right(ranges, offset, key=lambda each: each[0]) - 1
    return at >= 0 and offset < ranges[at][1]


def _marks_of(source: str) -> _Marks:
    """Read the events once more; `read` has found that they are harmless."""
    marks = _Marks()
    open_: list[tuple[str | None, int]] = []
    anchored: list[tuple[int, int, str]] = []
    aliases: set[str] = set()
    for event in yaml.parse(source, Loader=_LOADER):
        start: Any = event.start_mark
        end: Any = event.end_mark
        match event:
            case yaml.ScalarEvent():
                _take_scalar(event, source, marks)
            case yaml.CollectionStartEvent():
                open_.append((event.anchor, start.index))
            case yaml.CollectionEndEvent():
                anchor, first = open_.pop()
                if anchor is not None:
                    anchored.append((first, end.index, anchor))
            case yaml.AliasEvent():
                aliases.add(str(event.anchor))
            case _:
                pass
    for first, last, anchor in sorted(anchored):
        if anchor in aliases and not _is_within(marks.shared, first):
            marks.shared.append((first, last))
    return marks


def _take_scalar(event: yaml.ScalarEvent, source: str, marks: _Marks) -> None:
    start: Any = event.start_mark
    end: Any = event.end_mark
    style = event.style or ""
    if style in ("|", ">"):
        header = _LINE_END.search(source, start.index)
        marks.verbatim.append((header.end() if header else end.index, end.index))
    elif style in _QUOTES:
        marks.verbatim.append((start.index, end.index))
    if event.anchor is None and start.index < end.index:
        place = (start.line + 1, start.column + 1)
        marks.scalars[place] = _Scalar(start.index, end.index, style)


def _spelled(
    document: Document, wanted: Iterable[Respelling], marks: _Marks, source: str
) -> tuple[list[_Edit], list[Respelling]]:
    """The edits for the words that can be replaced where they stand, and which words these are."""
    edits: list[_Edit] = []
    done: list[Respelling] = []
    positions = document.positions
    for each in wanted:
        places = positions.keys if each.is_key else positions.values
        scalar = marks.scalars.get(places.get(each.path, (0, 0)))
        if scalar is None or _is_within(marks.shared, scalar.start):
            continue
        if scalar.style in _QUOTES:
            text = f"{scalar.style}{each.canonical}{scalar.style}"
        elif source[scalar.start : scalar.end] == each.given:
            text = each.canonical
        else:
            continue
        edits.append((scalar.start, scalar.end, text))
        done.append(each)
    return edits, done


def _edited(source: str, edits: list[_Edit]) -> str:
    return "".join(_pieces(source, sorted(edits)))


def _pieces(source: str, edits: list[_Edit]) -> Iterator[str]:
    at = 0
    for start, end, text in edits:
        yield source[at:start]
        yield text
        at = end
    yield source[at:]


def _respelled(value: object, at: Path, done: Mapping[Path, Respelling]) -> object:
    """The document as the edits should have made it."""
    own = done.get(at)
    if own is not None and not own.is_key:
        return own.canonical
    if isinstance(value, Mapping):
        return {
            _key(done, (*at, key), key): _respelled(inner, (*at, key), done)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_respelled(inner, (*at, index), done) for index, inner in enumerate(value)]
    return value


def _key(done: Mapping[Path, Respelling], at: Path, key: str) -> str:
    own = done.get(at)
    return own.canonical if own is not None and own.is_key else key
