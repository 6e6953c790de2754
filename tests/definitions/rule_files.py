"""Examples of rules: `rules/<id>/bad/` breaks the rule and nothing else, `good/` nothing at all.

The first line of the file that breaks the rule is `# <id> <line>:<column>`. Both are validated by
the real command, in a project that has the personas of `rules/personas/`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cli.conftest import Done, Shell

RULE_FILES = Path(__file__).parent / "rules"
_PLACE = re.compile(rb"# (WF\d{3}) (\d+):(\d+)\n")


@dataclass(frozen=True, slots=True)
class Example:
    """A folder with one file, or with several that belong together."""

    folder: Path

    @property
    def files(self) -> dict[str, bytes]:
        """Path below the folder -> content, in order."""
        found = sorted(each for each in self.folder.rglob("*") if each.is_file())
        return {each.relative_to(self.folder).as_posix(): each.read_bytes() for each in found}

    @property
    def command(self) -> tuple[str, ...]:
        """What is typed in the folder to validate it."""
        names = list(self.files)
        return ("coordinator", "validate", *(names if len(names) == 1 else ()))

    @property
    def places(self) -> list[tuple[str, str, int, int]]:
        """Rule, file, line and column of what is wrong, as the files themselves say."""
        told = [(name, _PLACE.match(content)) for name, content in self.files.items()]
        return [
            (found[1].decode(), name, int(found[2]), int(found[3])) for name, found in told if found
        ]

    def validate(self, *options: str) -> Done:
        """What the command says of it."""
        with tempfile.TemporaryDirectory() as place:
            project = Path(place)
            (project / ".git").mkdir()
            shutil.copytree(RULE_FILES / "personas", project / "personas")
            shutil.copytree(self.folder, project / "example")
            return Shell(project / "example")(*self.command[1:], *options)


def bad_example(rule: str) -> Example:
    """What breaks the rule."""
    return Example(RULE_FILES / rule / "bad")


def good_example(rule: str) -> Example:
    """The same, corrected."""
    return Example(RULE_FILES / rule / "good")
