"""What an expression reads, and what an error in its text says."""

from __future__ import annotations

from typing import NamedTuple


class Reference(NamedTuple):
    """One place in a text that reads a value of the scope."""

    path: tuple[str, ...]
    """Names as written, up to the first subscript that is not text and the first method."""

    guarded: bool
    """Whether the value may be missing without harm: something tests it or stands in for it."""

    column: int
    """Where the path begins in the text, counted from 1."""

    @property
    def text(self) -> str:
        """The path with dots."""
        return ".".join(self.path)


class SourceError(ValueError):
    """A text cannot be used: what is wrong, in which column, and what to do."""

    def __init__(self, message: str, *, column: int = 1, hint: str = "") -> None:
        super().__init__(f"column {column}: {message}" + (f"; {hint}" if hint else ""))
        self.message = message
        self.column = column
        self.hint = hint
