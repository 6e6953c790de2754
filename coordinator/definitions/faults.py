"""What is wrong with a file, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from coordinator.definitions.rules import RULES, Severity


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of one file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    rule: str
    severity: Severity
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        hint = f". {self.hint[0].upper()}{self.hint[1:]}" if self.hint else ""
        return f"{place}: {self.severity} {self.rule}: {self.message}{hint}"


@dataclass(slots=True)
class Faults:
    """Collects the faults of one file."""

    file: str
    found: list[Fault] = field(default_factory=list)
    _near_misses_left: int = 200

    def add(
        self,
        rule: str,
        at: tuple[int, int],
        message: str,
        hint: str = "",
        *,
        severity: Severity | None = None,
    ) -> None:
        """Note that `rule` is broken at a place; without a hint it is the rule's cure."""
        about = RULES[rule]
        fault = Fault(self.file, *at, rule, severity or about.severity, message, hint or about.cure)
        if fault not in self.found[-20:]:
            self.found.append(fault)

    def of(self, file: str) -> Faults:
        """The same collection, for faults of another file; of its own one where that is empty."""
        return replace(self, file=file) if file else self

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """`Did you mean "x"?` if a known word is near, else an empty text.

        Only for the first faults of a file: a file with thousands of faults must not cost minutes.
        """
        if self._near_misses_left <= 0:
            return ""
        self._near_misses_left -= 1
        near = nearest(word, [each for each in known if abs(len(each) - len(word)) <= 8][:500])
        return f'Did you mean "{near}"?' if near else ""

    @property
    def has_errors(self) -> bool:
        """Whether the file cannot be used."""
        return any(fault.severity is Severity.ERROR for fault in self.found)

    def count_errors(self) -> int:
        """How many errors there are so far."""
        return sum(fault.severity is Severity.ERROR for fault in self.found)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like `word`, dashes and underscores being equal."""
    folded = {each.replace("-", "_").lower(): each for each in known}
    close = difflib.get_close_matches(word.replace("-", "_").lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def listed(names: Iterable[str], most: int = 12) -> str:
    """The names as a list for people."""
    every = list(names)
    rest = f", ... ({len(every)} in all)" if len(every) > most else ""
    return ", ".join(every[:most]) + rest
