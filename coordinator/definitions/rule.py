"""What a rule is: something that can be wrong with a file, and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a fault keeps a file from being used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a file."""

    id: str
    title: str
    meaning: str
    cure: str
    severity: Severity = Severity.ERROR

    @property
    def page(self) -> str:
        """Where the documentation shows a file that breaks it, and one that does not."""
        return f"docs/rules/{self.id}.md"
