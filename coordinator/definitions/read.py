"""Reading YAML that a stranger wrote: bounded, without surprises, with the place of everything.

The text is never loaded. libyaml's events are read one by one, which neither recurses nor
constructs anything, and each limit is checked as soon as it is crossed. What comes out is plain
data as YAML 1.2's core schema understands it (`on` and `no` are text), and the line and column of
every key and value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from coordinator.definitions.faults import Faults
from coordinator.definitions.scalars import NumberOutOfRangeError, scalar

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000
MAX_ALIASES: Final = 50

Path = tuple[str | int, ...]
Place = tuple[int, int]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNQUOTED: Final = re.compile(r"(?:^|[:\-\[,{])\s*(\{\{)")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


@dataclass(slots=True)
class Positions:
    """Where each key and value of a document is, by its path from the top."""

    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    texts: dict[Path, int] = field(default_factory=dict)
    """Of texts whose characters stand in the file as they are: the column of the first one."""
    files: dict[Path, str] = field(default_factory=dict)
    """Of values that were merged in from another file: that file."""

    def value(self, path: Path) -> Place:
        """Where the value at `path` is, or what is nearest around it; the whole file is at 1:1."""
        for length in range(len(path), 0, -1):
            found = self.values.get(path[:length])
            if found:
                return found
        return (1, 1)

    def key(self, path: Path) -> Place:
        """Where the key of the value at `path` is; of a list's item, the item."""
        return self.keys.get(path) or self.value(path)

    def file(self, path: Path) -> str:
        """The other file that the value at `path` was merged in from; empty if there is none."""
        if self.files:
            for length in range(len(path), 0, -1):
                if path[:length] in self.values:
                    return self.files.get(path[:length], "")
        return ""

    def inside(self, path: Path, column: int) -> Place:
        """Where the `column`-th character of the text at `path` is, as near as can be told."""
        start = self.texts.get(path)
        line, own = self.value(path)
        return (line, own if start is None else start + column - 1)


@dataclass(frozen=True, slots=True)
class Document:
    """A file as plain data."""

    path: str
    value: object
    positions: Positions = field(default_factory=Positions, compare=False)


def read(path: str, text: str | bytes, faults: Faults) -> Document | None:
    """The document in `text`; None, and at least one fault, if it cannot be trusted as read."""
    before = faults.count_errors()
    decoded = _decode(text, faults)
    if decoded is None:
        return None
    builder = _Builder(faults)
    try:
        take, loader = builder.take, _LOADER(decoded)
        while (event := loader.get_event()) is not None:
            take(event)
    except _Stop:
        return None
    except yaml.YAMLError as error:
        _syntax_fault(decoded, error, faults)
        return None
    if builder.documents == 0 or not builder.has_value:
        faults.add("WF004", (1, 1), "the file is empty")
    if faults.count_errors() > before:
        return None
    return Document(path, builder.value, builder.positions)


def _decode(text: str | bytes, faults: Faults) -> str | None:
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:
            faults.add("WF003", (1, 1), f"the file has {len(raw)} bytes; at most {MAX_BYTES}")
            return None
        decoded = raw.decode("utf-8-sig")
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else 0
        faults.add("WF001", (1, 1), f"the file is not UTF-8 (at byte {start})")
        return None
    control = _CONTROL.search(decoded)
    if control:
        name = "NUL" if control[0] == "\0" else f"U+{ord(control[0]):04X}"
        faults.add("WF001", _place(decoded, control.start()), f"the file has a {name} character")
        return None
    return decoded


def _place(text: str, offset: int) -> Place:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _syntax_fault(text: str, error: yaml.YAMLError, faults: Faults) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.split("\n")
    context = getattr(error, "context_mark", None)
    if context and "end of stream" in str(getattr(error, "problem", "")):
        mark = context
    line, column = (mark.line, mark.column) if mark else (0, 0)
    for number in {line, line - 1, context.line if context else line}:
        found = _UNQUOTED.search(lines[number]) if 0 <= number < len(lines) else None
        if found:
            faults.add("WF009", (number + 1, found.start(1) + 1), "{{ is not in quotes")
            return
    here = lines[line] if line < len(lines) else ""
    if here[column : column + 1] == "\t" or here[: len(here) - len(here.lstrip())].count("\t"):
        faults.add("WF008", (line + 1, here.find("\t") + 1), "a tab is used as indentation")
        return
    problem = getattr(error, "problem", None) or str(error).split("\n", maxsplit=1)[0]
    about = getattr(error, "context", None)
    faults.add("WF002", (line + 1, column + 1), f"{about}: {problem}" if about else str(problem))


class _Stop(Exception):
    """Reading on would be unsafe or useless; the fault is noted."""


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read."""

    container: dict[str, object] | list[object]
    path: Path
    place: Place
    is_flow: bool
    anchor: str | None
    nodes_before: int
    is_mapping: bool
    height: int = 0
    """How many levels are inside it so far."""
    key: str | None = None
    awaits_key: bool = True
    is_dropped: bool = False
    """It stands where a key belongs; what is in it is read and thrown away."""


class _Builder:
    """Puts a document together from events."""

    def __init__(self, faults: Faults) -> None:
        self.positions = Positions()
        self.documents = 0
        self.has_value = False
        self.value: object = None
        self._faults = faults
        self._frames: list[_Frame] = []
        self._nodes = 0
        self._aliases = 0
        self._anchors: dict[str, tuple[object, int, int] | None] = {}
        """Name -> value, its nodes and its levels; None while it is still being read."""
        self._uses: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._begin,
        }

    def take(self, event: yaml.Event) -> None:
        """Use the next event.

        Raises:
            _Stop: a limit is crossed.
        """
        use = self._uses.get(type(event))
        if use is not None:
            use(event)

    def _begin(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop("WF004", event, "the file has more than one document")

    def _stop(self, rule: str, event: yaml.Event, message: str) -> None:
        self._faults.add(rule, _start_of(event), message)
        raise _Stop

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop("WF003", event, f"the file has more than {MAX_NODES} nodes")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        if event.tag is not None:
            self._refuse_tag(event)
        frame = self._frames[-1] if self._frames else None
        if frame and frame.awaits_key and frame.is_mapping:
            self._set_key(frame, event)
            return
        try:
            value = scalar(event.value, is_plain=not event.style)
        except NumberOutOfRangeError as error:
            self._faults.add("WF012", _start_of(event), str(error))
            value = None
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, 0)
        is_text = type(value) is str
        self._put(value, event, first_column=_first_column(event) if is_text else None)

    def _set_key(self, frame: _Frame, event: yaml.ScalarEvent) -> None:
        frame.awaits_key = False
        key = str(event.value)
        if key == "<<" and not event.style:
            self._faults.add("WF007", _start_of(event), "the merge key << is not read")
            frame.key = None
        elif not key:
            self._faults.add("WF011", _start_of(event), "a key is empty")
            frame.key = None
        elif isinstance(frame.container, dict) and key in frame.container:
            line = self.positions.keys.get((*frame.path, key), (0, 0))[0]
            self._faults.add(
                "WF005", _start_of(event), f'"{key}" is given twice (first in line {line})'
            )
            frame.key = None
        else:
            frame.key = key
            self.positions.keys[*frame.path, key] = _start_of(event)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._count(event, 1)
        if event.tag is not None:
            self._refuse_tag(event)
        if len(self._frames) >= MAX_DEPTH:
            self._stop("WF003", event, f"the file is nested deeper than {MAX_DEPTH} levels")
        parent = self._frames[-1] if self._frames else None
        is_key = bool(parent and isinstance(parent.container, dict) and parent.awaits_key)
        if is_key and parent and not parent.is_dropped:
            self._complex_key(parent, event)
        container: dict[str, object] | list[object] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        frame = _Frame(
            container=container,
            path=self._next_path(),
            place=_start_of(event),
            is_flow=bool(event.flow_style),
            anchor=event.anchor,
            nodes_before=self._nodes - 1,
            is_mapping=isinstance(container, dict),
            is_dropped=is_key or bool(parent and (parent.is_dropped or self._drops(parent))),
        )
        if event.anchor:
            self._anchors[event.anchor] = None
        if not frame.is_dropped:
            self.positions.values[frame.path] = frame.place
        self._frames.append(frame)

    def _complex_key(self, parent: _Frame, event: yaml.Event) -> None:
        line, column = _start_of(event)
        is_template = (
            isinstance(event, yaml.MappingStartEvent)
            and parent.is_flow
            and parent.place == (line, column - 1)
        )
        if is_template:
            self._faults.add("WF009", parent.place, "{{ is not in quotes")
        else:
            self._faults.add("WF011", (line, column), "a key is a list or a mapping")

    def _end(self, _: yaml.Event) -> None:
        frame = self._frames.pop()
        if frame.anchor:
            nodes = self._nodes - frame.nodes_before
            self._anchors[frame.anchor] = (frame.container, nodes, frame.height + 1)
        if self._frames:
            self._frames[-1].height = max(self._frames[-1].height, frame.height + 1)
        self._attach(frame.container)

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._stop("WF003", event, f"the file has more than {MAX_ALIASES} aliases")
        name = str(event.anchor)
        found = self._anchors.get(name)
        if found is None:
            if name in self._anchors:
                self._stop("WF010", event, f"the alias *{name} is inside itself")
            self._stop("WF002", event, f"no anchor &{name} comes before the alias *{name}")
            return
        value, nodes, height = found
        self._count(event, nodes)
        if len(self._frames) + height > MAX_DEPTH:
            self._stop("WF003", event, f"the aliases nest deeper than {MAX_DEPTH} levels")
        frame = self._frames[-1] if self._frames else None
        if frame:
            frame.height = max(frame.height, height)
        if frame and isinstance(frame.container, dict) and frame.awaits_key:
            self._faults.add("WF011", _start_of(event), "an alias cannot be a key")
            frame.awaits_key, frame.key = False, None
            return
        self._put(value, event)

    def _put(self, value: object, event: yaml.Event, first_column: int | None = None) -> None:
        parent = self._frames[-1] if self._frames else None
        if parent is None or not (parent.is_dropped or self._drops(parent)):
            path = self._next_path()
            self.positions.values[path] = _start_of(event)
            if first_column is not None:
                self.positions.texts[path] = first_column
        self._attach(value)

    def _drops(self, parent: _Frame) -> bool:
        return parent.is_mapping and parent.key is None

    def _next_path(self) -> Path:
        if not self._frames:
            return ()
        parent = self._frames[-1]
        if isinstance(parent.container, list):
            return (*parent.path, len(parent.container))
        return (*parent.path, parent.key or "")

    def _attach(self, value: object) -> None:
        if not self._frames:
            self.value, self.has_value = value, True
            return
        parent = self._frames[-1]
        if isinstance(parent.container, list):
            parent.container.append(value)
        elif parent.awaits_key:
            parent.awaits_key, parent.key = False, None
        else:
            if parent.key is not None:
                parent.container[parent.key] = value
            parent.awaits_key, parent.key = True, None

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        short = str(event.tag).replace("tag:yaml.org,2002:", "!!")[:60]
        self._faults.add("WF006", _start_of(event), f"the tag {short} is not read")


def _start_of(event: yaml.Event) -> Place:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1


def _first_column(event: yaml.ScalarEvent) -> int | None:
    start: Any = event.start_mark
    end: Any = event.end_mark
    quotes = 1 if event.style in ("'", '"') else 0
    is_as_written = (
        start.line == end.line
        and event.style not in ("|", ">")
        and end.column - start.column - 2 * quotes == len(event.value)
    )
    return start.column + 1 + quotes if is_as_written else None
