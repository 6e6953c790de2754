"""Scenario files on disk: found, read, and played against the workflows around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coordinator.cli.errors import CommandError, NotFoundError
from coordinator.cli.files import read_file
from coordinator.cli.folder import Folder
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import Fault, Faults
from coordinator.simulation import Outcome, Scenario, check_fit, play, read_scenario

_ENDINGS: Final = (".scenario.yml", ".scenario.yaml")
_NEVER_INSIDE: Final = frozenset({"node_modules", "__pycache__", "venv"})
_MOST: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One scenario file, and how it went."""

    file: str
    title: str
    workflow: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    faults: tuple[str, ...] = ()
    """Why it could not be tried out: faults of its file or of the workflow."""

    @property
    def has_passed(self) -> bool:
        """Whether everything that was claimed is so."""
        return not self.faults and self.outcome.has_passed

    @property
    def why(self) -> tuple[str, ...]:
        """A sentence for everything that is wrong."""
        return (*self.faults, *self.outcome.failures)


def scenario_files(path: Path) -> Iterator[Path]:
    """The file itself, or every scenario file below a folder, in order; nothing that is hidden.

    Raises:
        NotFoundError: there is nothing at `path`.
        CommandError: there are more than anybody writes.
    """
    if path.is_file():
        yield path
        return
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder; correct the path")
    count = 0
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(
            name for name in inner if not name.startswith(".") and name not in _NEVER_INSIDE
        )
        for name in sorted(names):
            file = Path(folder, name)
            if name.endswith(_ENDINGS) and not name.startswith(".") and file.is_file():
                count += 1
                if count > _MOST:
                    raise CommandError(f"{path} has more than {_MOST} scenarios; name its parts")
                yield file


@dataclass
class Trials:
    """Plays scenario files; each workflow is compiled once."""

    folder: Folder
    _compiled: dict[tuple[Path, str, str | None], Compiled | CommandError] = field(
        default_factory=dict
    )

    def try_out(self, path: Path, top: Path | None = None) -> Tried:
        """How the scenario in a file goes; `top` is the folder it was found in."""
        faults = Faults(str(path))
        scenario = read_scenario(str(path), read_file(path), faults)
        if scenario is None:
            told = tuple(str(fault) for fault in faults.found)
            return Tried(file=str(path), title=path.name, faults=told)
        found = self._workflow(scenario, path, top)
        if isinstance(found, CommandError):
            line, column = scenario.place("workflow")
            place = f"{path}:{line}:{column}"
            wrong = tuple(f"{place}: {each}" for each in str(found).split("\n"))
            return Tried(
                file=str(path), title=scenario.title, workflow=scenario.workflow, faults=wrong
            )
        return Tried(
            file=str(path),
            title=scenario.title,
            workflow=found.workflow.id,
            outcome=play(scenario, found.workflow),
        )

    def check(self, path: Path, top: Path | None = None) -> list[Fault]:
        """The faults of a scenario file, and of what it says of its workflow; nothing is played."""
        faults = Faults(str(path))
        scenario = read_scenario(str(path), read_file(path), faults)
        if scenario is not None:
            found = self._workflow(scenario, path, top)
            if isinstance(found, Compiled):
                check_fit(scenario, found.workflow, faults)
            else:
                told = str(found).partition("\n")[0].replace(f"{Path.cwd()}/", "")
                message, _, hint = told.partition("; ")
                hint = hint[:1].upper() + hint[1:]
                faults.add("WF090", scenario.place("workflow"), message, hint)
        return faults.found

    def _workflow(
        self, scenario: Scenario, path: Path, top: Path | None
    ) -> Compiled | CommandError:
        key = (path.absolute().parent, scenario.workflow, scenario.env)
        if key not in self._compiled:
            try:
                found = self.folder.workflow(
                    scenario.workflow, beside=path, top=top, env=scenario.env
                )
                self._compiled[key] = found
            except CommandError as error:
                self._compiled[key] = error
        return self._compiled[key]
