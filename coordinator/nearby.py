"""The files around a workflow: the personas that it asks, and the workflows that it runs.

Both are looked for in the folders of personas and of workflows beside the file and above it, the
nearest first. Above ends at the git root; outside git at the folder that was named, or that has the
folder of workflows in which the file is, else at the file's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from coordinator.definitions.compile import read_personas
from coordinator.definitions.drafts import Source
from coordinator.definitions.environments import FOLDER as ENVS
from coordinator.definitions.environments import (
    NO_ENVIRONMENTS,
    Environments,
    Overlay,
    read_environments,
)
from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.layout import (
    ENDINGS,
    is_example_path,
    is_scenario_path,
    is_workflow_path,
)
from coordinator.definitions.personas import Personas
from coordinator.definitions.read import MAX_BYTES, read
from coordinator.definitions.rules import Severity
from coordinator.definitions.workflow import workflow_id

PROMPTS: Final = (".md", ".j2", ".txt")
_MOST_FILES: Final = 5_000
_WORKFLOW_TEXT: Final = re.compile(rb"^[\"{ ]*(steps|subtasks)\b", re.MULTILINE)


class TooManyFilesError(OSError):
    """A folder has more files than anybody wants read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} has more than {_MOST_FILES} files; name its parts")


class FolderNames(NamedTuple):
    """What the folders of definitions are called."""

    workflows: str = "workflows"
    personas: str = "personas"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The personas around a file, and what is wrong with theirs."""

    personas: Personas
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlays:
    """The environments of a project, and what is wrong with their files."""

    root: Path | None = None
    """The folder that has `envs`."""
    environments: Environments = NO_ENVIRONMENTS
    faults: tuple[Fault, ...] = ()

    def choosing(self, env: str) -> tuple[Environments, list[Fault]]:
        """The environments with one of them chosen, and what keeps that one from use."""
        environments = self.environments.choosing(env)
        refusal = environments.refusal()
        if env in environments.broken:
            refusal = [fault for fault in self.faults if fault.severity is Severity.ERROR]
        return environments, refusal


@dataclass
class Nearby:
    """Looks around files; each folder is read once."""

    names: FolderNames = field(default_factory=FolderNames)
    also_above: Sequence[Path] = ()
    """Folders that count as above every file: that of the settings."""
    _personas: dict[tuple[tuple[Path, ...], str], Surroundings] = field(default_factory=dict)
    _workflows: dict[Path, Mapping[str, Path]] = field(default_factory=dict)
    _overlays: dict[Path, Overlays] = field(default_factory=dict)
    _roots: dict[tuple[Path, Path | None], tuple[Path, ...]] = field(default_factory=dict)
    _folders: dict[tuple[str, tuple[Path, ...]], tuple[Path, ...]] = field(default_factory=dict)

    def surroundings(
        self, file: Path, top: Path | None = None, overlay: Overlay | None = None
    ) -> Surroundings:
        """The personas for a file under an overlay; those of the nearest folder win."""
        folders = self.folders(self.names.personas, file, top)
        key = (folders, overlay.document.path if overlay else "")
        if key not in self._personas:
            self._personas[key] = _read_folders(folders, overlay)
        return self._personas[key]

    def overlays(self, file: Path, top: Path | None = None) -> Overlays:
        """The environments of the nearest folder `envs` beside or above a file."""
        there = self.folders(ENVS, file, top)
        if not there:
            return Overlays()
        if there[0] not in self._overlays:
            self._overlays[there[0]] = _read_overlays(there[0])
        return self._overlays[there[0]]

    def around(
        self, file: Path, top: Path | None = None, overlay: Overlay | None = None
    ) -> WorkflowsAround:
        """The workflows that a file may run, and their personas under an overlay."""
        own = file.absolute().parent
        folders = self.folders(self.names.workflows, file, top)
        folders = (*folders, *(() if own in folders else (own,)))
        return WorkflowsAround(self, folders, top, overlay)

    def roots(self, file: Path, top: Path | None) -> Sequence[Path]:
        """The folders in which what a file refers to is looked for, the nearest first."""
        key = (file.parent, top)
        if key not in self._roots:
            there = (*above(file.absolute().parent, top), *self.also_above)
            self._roots[key] = tuple(dict.fromkeys(there))
        return self._roots[key]

    def folders(self, name: str, file: Path, top: Path | None) -> tuple[Path, ...]:
        """The folders of this name beside and above a file, the nearest first."""
        roots = tuple(self.roots(file, top))
        if (name, roots) not in self._folders:
            folders = (root / name for root in roots)
            self._folders[name, roots] = tuple(each for each in folders if each.is_dir())
        return self._folders[name, roots]

    def workflows_in(self, folder: Path, *, is_deep: bool) -> Mapping[str, Path]:
        """The workflow files of a folder by the ids of their workflows."""
        if folder not in self._workflows:
            paths = files_below(folder) if is_deep else sorted(folder.iterdir())
            found: dict[str, Path] = {}
            for path in paths:
                is_one = _may_be_workflow(path, folder, is_deep=is_deep)
                name = named(path) if is_one else None
                if name:
                    found.setdefault(name, path)
            self._workflows[folder] = found
        return self._workflows[folder]


@dataclass(frozen=True)
class WorkflowsAround:
    """The workflows in some folders, the nearest first; the last one may be any folder."""

    nearby: Nearby
    folders: Sequence[Path]
    top: Path | None
    overlay: Overlay | None = None

    def find(self, workflow: str) -> Source | None:
        """The file of the workflow with this id, and the personas around that file."""
        for known in self._each():
            path = known.get(workflow)
            if path is not None:
                top = self.top or project_of(path, self.nearby.names)
                personas = self.nearby.surroundings(path, top, self.overlay).personas
                return Source(str(path), read_bytes(path), personas)
        return None

    def names(self) -> Collection[str]:
        """The ids of all that can be found."""
        return {name for known in self._each() for name in known}

    def _each(self) -> Iterator[Mapping[str, Path]]:
        for folder in self.folders:
            is_deep = folder.name == self.nearby.names.workflows
            yield self.nearby.workflows_in(folder, is_deep=is_deep)


def above(folder: Path, top: Path | None) -> list[Path]:
    """The folder and those above it: up to the git root, else up to `top`, else none."""
    found = []
    for each in (folder, *folder.parents):
        found.append(each)
        if (each / ".git").exists():
            return found
    return found[: found.index(top) + 1] if top in found else [folder]


def project_of(file: Path, names: tuple[str, str]) -> Path | None:
    """The folder that has the folder of workflows in which the file is."""
    parents = file.absolute().parents
    return next((each.parent for each in parents if each.name == names[0]), None)


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it, in order, without hidden ones.

    Raises:
        TooManyFilesError: there are more than a project has.
    """
    count = 0
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            count += 1
            if count > _MOST_FILES:
                raise TooManyFilesError(folder)
            yield path


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, at most one more than the reader of definitions accepts."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def named(file: Path) -> str | None:
    """The id of the workflow in a file, whatever else is wrong with it."""
    document = read(str(file), read_bytes(file), Faults(str(file)))
    value = document.value if document else None
    name = value.get("name") if isinstance(value, dict) else None
    return workflow_id(name) if isinstance(name, str) else None


def _may_be_workflow(path: Path, folder: Path, *, is_deep: bool) -> bool:
    if not path.is_file() or not path.name.endswith(ENDINGS) or is_scenario_path(path.name):
        return False
    inside = f"workflows/{path.relative_to(folder).as_posix()}"
    if not is_deep:
        return bool(_WORKFLOW_TEXT.search(read_bytes(path)))
    return is_workflow_path(inside) and not is_example_path(inside)


def _read_overlays(folder: Path) -> Overlays:
    files = {
        shown(path): read_bytes(path)
        for path in files_below(folder)
        if path.name.endswith(ENDINGS) and path.parent == folder
    }
    environments, faults, _ = read_environments(files)
    return Overlays(folder.parent, environments, tuple(faults))


def _read_folders(folders: Sequence[Path], overlay: Overlay | None) -> Surroundings:
    known: Personas | None = None
    faults: list[Fault] = []
    for folder in reversed(folders):
        files = {
            f"personas/{path.relative_to(folder).as_posix()}": read_bytes(path)
            for path in files_below(folder)
            if path.name.endswith((*ENDINGS, *PROMPTS))
        }
        known, more, _ = read_personas(files, known=known, overlay=overlay)
        known.has_folder = True
        faults += [_placed(fault, folder) if fault.file in files else fault for fault in more]
    return Surroundings(known or Personas(has_folder=False), tuple(faults))


def _placed(fault: Fault, folder: Path) -> Fault:
    return replace(fault, file=shown(folder / fault.file.partition("/")[2]))


def shown(path: Path) -> str:
    """The path as people here would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
