"""Keys of a file under their canonical names, and faults at the places where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator.definitions.faults import Faults
from coordinator.definitions.read import Path, Positions
from coordinator.definitions.rules import Severity


@dataclass(frozen=True, slots=True)
class Reporter:
    """Notes faults of one document by paths into it."""

    positions: Positions
    faults: Faults
    is_heard: bool = True
    """Whether somebody reads the warnings; of a stored definition nobody does."""

    def value(
        self,
        rule: str,
        path: Path,
        message: str,
        hint: str = "",
        *,
        severity: Severity | None = None,
    ) -> None:
        """A fault of the value at `path`."""
        faults = self.faults.of(self.positions.file(path))
        faults.add(rule, self.positions.value(path), message, hint, severity=severity)

    def key(self, rule: str, path: Path, message: str, hint: str = "") -> None:
        """A fault of the key at `path`."""
        faults = self.faults.of(self.positions.file(path))
        faults.add(rule, self.positions.key(path), message, hint)

    def inside(
        self,
        rule: str,
        path: Path,
        column: int,
        message: str,
        hint: str = "",
    ) -> None:
        """A fault at a character of the text at `path`."""
        faults = self.faults.of(self.positions.file(path))
        faults.add(rule, self.positions.inside(path, column), message, hint)


@dataclass(slots=True)
class Named:
    """A mapping of a file whose keys have their canonical names."""

    path: Path
    values: dict[str, object] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)

    def put(self, key: str, value: object, path: Path) -> None:
        """Set a key, and say where its value came from."""
        self.values[key] = value
        self.paths[key] = path

    def drop(self, key: str) -> None:
        """Forget a key."""
        self.values.pop(key, None)

    def origin(self, *location: str | int) -> Path:
        """Where the value at `location` is in the file."""
        start = self.paths.get(str(location[0])) if location else None
        if start is None:
            return self.path
        return (*start, *location[1:])


STEP_SPELLINGS: Final = {
    "depends_on": "dependencies",
    "needs": "dependencies",
    "when": "condition",
    "if": "condition",
    "parameters": "params",
    "with": "params",
    "agent_id": "persona",
    "subtasks": "steps",
}
WORKFLOW_SPELLINGS: Final = {"parameters": "params", "subtasks": "steps"}
ON_CONFLICT_SPELLINGS: Final = {"cancel_running": "replace", "reject": "skip"}


def canonical(
    value: object, path: Path, spellings: Mapping[str, str], report: Reporter, what: str
) -> Named | None:
    """The mapping at `path` with canonical keys; None, and a fault, if it is no mapping."""
    if not isinstance(value, Mapping):
        report.value("WF022", path, f"{what} has to be a mapping, not {kind_of(value)}")
        return None
    named = Named(path)
    for given, inner in value.items():
        key = spellings.get(given, given)
        if key in named.values:
            first = named.paths[key][-1]
            report.key("WF023", (*path, given), f'"{given}" says the same as "{first}"')
            continue
        named.put(key, inner, (*path, given))
    return named


def kind_of(value: object) -> str:
    """What a value is, in the words of the language."""
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"
