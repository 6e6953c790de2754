"""PURE. What is known of a source: four revisions, and why the newest is not the active one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from coordinator.definitions import Fault, Severity

MAX_FAULTS: Final = 200
"""The most that are kept with a status; the number of all is kept beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How far the definitions of one bundle have come. Revisions are empty while unknown."""

    bundle: str
    source: str
    """Where it comes from, for people; without credentials."""
    observed: str = ""
    """The newest revision of the source."""
    attempted: str = ""
    """The last revision that was read and checked."""
    active: str = ""
    """The revision whose definitions serve new runs."""
    last_good: str = ""
    """The last revision without errors. It is newer than `active` when it changed no definition."""
    faults: tuple[Fault, ...] = ()
    """Of the attempted revision; warnings too."""
    fault_count: int = 0
    error: str = ""
    """Why the last look could not be finished; empty when it was."""
    at_ms: int = 0
    """When that look was."""
    mark: str = ""
    """What the attempted content is recognised by."""

    @property
    def is_valid(self) -> bool:
        """Whether the attempted revision has no errors."""
        return not any(fault.severity is Severity.ERROR for fault in self.faults)

    def to_document(self) -> dict[str, object]:
        """It as JSON data."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SyncStatus:
        """The status that `to_document` gave; keys of newer versions are passed over."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        values["faults"] = tuple(_fault(each) for each in values.get("faults", ()))
        return cls(**values)


def kept(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults that a status keeps; errors before warnings when there are too many."""
    if len(faults) <= MAX_FAULTS:
        return faults
    return tuple(sorted(faults, key=lambda fault: fault.severity is not Severity.ERROR))[
        :MAX_FAULTS
    ]


def _fault(data: Mapping[str, Any]) -> Fault:
    return Fault(**{**data, "severity": Severity(data["severity"])})
