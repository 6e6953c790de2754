"""What one invocation was told, and how it speaks: options, settings, output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coordinator.cli.text import clean, json_text, table, yaml_text

if TYPE_CHECKING:
    from coordinator.config import Settings


@dataclass(slots=True)
class Session:
    """One invocation of the program."""

    debug: bool = False
    may_ask: bool = True
    """Not with `--no-input`."""
    says_yes: bool = False
    config: Path | None = None
    flags: dict[str, object] = field(default_factory=dict)
    """Settings given as options, by their keys."""

    def settings(self) -> Settings:
        """The merged settings.

        Raises:
            ConfigError: something given is unknown or not usable.
        """
        from coordinator.config import load_settings

        return load_settings(self.flags, os.environ, self.settings_file())

    def settings_file(self) -> Path | None:
        """The file that settings come from, named or found here; None where there is none."""
        from coordinator.config import find_file

        named = self.config or os.environ.get("COORDINATOR_CONFIG")
        return Path(named) if named else find_file(Path.cwd())

    @property
    def may_be_asked(self) -> bool:
        """Whether there is a person who can be asked."""
        return self.may_ask and sys.stdin.isatty() and sys.stderr.isatty()

    def agrees(self, question: str) -> bool:
        """Whether the person says yes: by `--yes`, or when asked where that is possible."""
        if self.says_yes or not self.may_be_asked:
            return self.says_yes
        say(f"{question} [y/N] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def out(text: str, *, end: str = "\n") -> None:
    """Data, on stdout; cleaned of what a terminal would obey."""
    sys.stdout.write(clean(text) + end)
    sys.stdout.flush()


def say(text: str, *, end: str = "\n") -> None:
    """Progress and remarks, on stderr; cleaned of what a terminal would obey."""
    sys.stderr.write(clean(text) + end)
    sys.stderr.flush()


def show(form: str, value: object, *, text: str | None = None, name: str | None = None) -> None:
    """One value on stdout, as `-o` asks."""
    match form:
        case "json":
            out(json_text(value))
        case "yaml":
            out(yaml_text(value), end="")
        case "name":
            out(name or "")
        case _:
            out(yaml_text(value).rstrip("\n") if text is None else text)


def show_list(
    form: str,
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    *,
    key: str,
    nothing: str,
) -> None:
    """A list on stdout, as `-o` asks; `columns` of each row where people read it."""
    match form:
        case "json":
            out(json_text(rows))
        case "yaml":
            out(yaml_text(rows), end="")
        case "name":
            lines(str(row[key]) for row in rows)
        case _ if not rows:
            say(nothing)
        case _:
            out(
                table([_title(one) for one in columns], [[row[c] for c in columns] for row in rows])
            )


def _title(column: str) -> str:
    return column.removesuffix("_at").replace("_", " ")


def lines(texts: Iterable[str]) -> None:
    """Each text on a line of stdout."""
    for text in texts:
        out(text)
