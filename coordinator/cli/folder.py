"""Workflow and persona files on disk: found, read, and compiled with what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from coordinator.cli.errors import CommandError, NotFoundError
from coordinator.cli.files import SCENARIOS, Target, files_below, project_of, read_file
from coordinator.cli.session import Session
from coordinator.core.lowering import StepType
from coordinator.definitions.compile import compile_file, compile_persona, read_personas
from coordinator.definitions.environments import FOLDER as ENVS
from coordinator.definitions.environments import (
    NO_ENVIRONMENTS,
    Environments,
    Overlay,
    read_environments,
)
from coordinator.definitions.faults import Fault, Faults, nearest
from coordinator.definitions.layout import (
    ENDINGS,
    is_scenario_path,
    stem_of,
)
from coordinator.definitions.personas import Personas
from coordinator.definitions.read import Document, read
from coordinator.definitions.rules import Severity
from coordinator.definitions.workflow import Compiled, workflow_id

_PROMPTS: Final = (".md", ".j2", ".txt")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a workflow may refer to, and what is wrong with that."""

    personas: Personas
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlays:
    """The environments of a project, and what is wrong with their files."""

    root: Path | None = None
    """The folder that has `envs`."""
    environments: Environments = NO_ENVIRONMENTS
    faults: tuple[Fault, ...] = ()


class FaultyError(CommandError):
    """A file has errors; the message lists them."""

    def __init__(self, faults: list[Fault]) -> None:
        errors = [fault for fault in faults if fault.severity is Severity.ERROR]
        more = f"\n... and {len(errors) - 20} more" if len(errors) > 20 else ""
        listed = "\n".join(map(str, errors[:20]))
        super().__init__(f"{errors[0].file} cannot be used\n{listed}{more}")
        self.faults = faults


@dataclass
class Folder:
    """Reads and compiles files; each folder of personas is read once."""

    session: Session
    warnings: list[Fault] = field(default_factory=list)
    """Of the workflows that were asked for by name."""
    env: str | None = None
    """The environment; None for the one of the settings."""
    _known: dict[tuple[tuple[Path, ...], str], Surroundings] = field(default_factory=dict)
    _overlays: dict[Path, Overlays] = field(default_factory=dict)

    @cached_property
    def step_types(self) -> Mapping[str, StepType]:
        """Every step type that is installed."""
        from steps.registry import step_types

        return step_types()

    @cached_property
    def names(self) -> tuple[str, str]:
        """What the folders of workflows and of personas are called."""
        folders = self.session.settings().folders
        return folders.workflows, folders.personas

    @cached_property
    def chosen(self) -> str:
        """The environment whose overlay counts; empty for none."""
        return self.session.settings().env if self.env is None else self.env

    def compile(
        self, target: Target, environments: Environments | None = None
    ) -> tuple[Compiled | None, list[Fault]]:
        """The workflow in a file, if it has no errors, and its faults."""
        faults: list[Fault] = []
        if environments is None:
            environments, faults = self.environments(target)
        around = self.surroundings(target, environments.overlay)
        compiled, more = compile_file(
            str(target.path), read_file(target.path), step_types=self.step_types,
            personas=around.personas, environments=environments,
        )  # fmt: skip
        return None if faults else compiled, [*faults, *more]

    def environments(self, target: Target) -> tuple[Environments, list[Fault]]:
        """The environments around a file, and what keeps the one that was chosen from use."""
        found = self.overlays(target)
        environments = found.environments.choosing(self.chosen)
        refusal = environments.refusal()
        if self.chosen in environments.broken:
            refusal = [fault for fault in found.faults if fault.severity is Severity.ERROR]
        return environments, refusal

    def tried(self, target: Target) -> list[Environments]:
        """The environments that a file is checked in: the one that was chosen, else each of them
        and none.
        """
        there = self.overlays(target).environments
        if self.chosen:
            return [there.choosing(self.chosen)]
        return [there.choosing(name, is_trial=True) for name in ("", *there.overlays)]

    def overlays(self, target: Target) -> Overlays:
        """The environments of the nearest folder `envs` beside or above a file."""
        for root in self._roots(target):
            if (root / ENVS).is_dir():
                if root not in self._overlays:
                    self._overlays[root] = _read_overlays(root)
                return self._overlays[root]
        return Overlays()

    def workflow(
        self, name: str, *, beside: Path | None = None, top: Path | None = None
    ) -> Compiled:
        """The workflow in the file `name`, or of that name in the folders here.

        For a file that names it, `beside`, the folders around that file come first; `top` is the
        folder that it was found in. What `validate` warns of is kept in `warnings`.

        Raises:
            NotFoundError: there is none.
            FaultyError: it has errors.
        """
        around = self._around(beside, top) if beside else []
        path = self.find(name, around)
        if path is None:
            raise NotFoundError(self._unknown(name, around))
        compiled, faults = self.compile(Target(path, project_of(path, self.names)))
        if compiled is None:
            raise FaultyError(faults)
        self.warnings += faults
        return compiled

    def find(self, name: str, around: Sequence[Path] = ()) -> Path | None:
        """The file that `name` is, or the workflow file of that name in the folders here.

        The folders `around` come before this one.
        """
        for path in (*(folder / name for folder in around[:1]), Path(name)):
            if path.is_file():
                return path
        if "/" in name or name.endswith(ENDINGS):
            return None
        for file in self._workflow_files(around):
            if stem_of(file.name) == name or named(file) == name:
                return file
        return None

    def surroundings(self, target: Target, overlay: Overlay | None = None) -> Surroundings:
        """The personas of the folders beside and above a file, the nearest first.

        Above ends at the git root; outside git at the folder that was named or that has the folder
        of workflows, else at the file's own. The folder of the settings file counts as above.
        """
        folders = tuple(self._persona_folders(target))
        key = (folders, overlay.document.path if overlay else "")
        if key not in self._known:
            self._known[key] = _read_folders(folders, overlay)
        return self._known[key]

    def _persona_folders(self, target: Target) -> Iterator[Path]:
        seen = set()
        for root in self._roots(target):
            folder = root / self.names[1]
            if folder not in seen and folder.is_dir():
                seen.add(folder)
                yield folder

    def _roots(self, target: Target) -> list[Path]:
        """The folders in which a file's personas and environments are looked for."""
        return [*_above(target.path.absolute().parent, target.top), *self._configured()]

    def _around(self, file: Path, top: Path | None) -> list[Path]:
        """The folders that the file is in, the project whose workflows it lies with among them."""
        own = file.absolute().parent
        home = own.parent if own.name == SCENARIOS else own
        project = project_of(file, self.names)
        return list(dict.fromkeys([*_above(own, top), home, project or own]))

    def _workflow_files(self, around: Sequence[Path] = ()) -> Iterator[Path]:
        roots = [*around, *_above(Path.cwd(), None), *self._configured()]
        inside = [each for each in around if project_of(each / "x", self.names)]
        for folder in [*inside, *(root / self.names[0] for root in roots), *around[:1]]:
            for path in sorted(folder.glob("*")):
                if path.name.endswith(ENDINGS) and not is_scenario_path(path.name):
                    yield path

    def _configured(self) -> list[Path]:
        file = self.session.settings_file()
        return [file.absolute().parent] if file else []

    def _unknown(self, name: str, around: Sequence[Path] = ()) -> str:
        if "/" in name or name.endswith(ENDINGS):
            return f"{name}: no such file; correct the path"
        known = sorted({stem_of(file.name) for file in self._workflow_files(around)})
        near = nearest(name, known)
        hint = f'did you mean "{near}"?' if near else f"there are: {', '.join(known) or 'none'}"
        return f'no file and no workflow here is called "{name}"; {hint}'


def read_document(path: str, text: bytes) -> Document:
    """A YAML or JSON file as plain data.

    Raises:
        FaultyError: it is neither.
    """
    faults = Faults(path)
    document = read(path, text, faults)
    if document is None:
        raise FaultyError(faults.found)
    return document


def check_persona(path: Path, overlay: Overlay | None = None) -> list[Fault]:
    """The faults of a persona file, under an overlay."""
    beside = {
        other.name: read_file(other).decode("utf-8", "replace")
        for other in path.absolute().parent.iterdir()
        if other.name.endswith(_PROMPTS) and other.is_file()
    }
    return compile_persona(str(path), read_file(path), beside=beside, overlay=overlay)[1]


def _above(folder: Path, top: Path | None) -> list[Path]:
    """The folder and those above it: up to the git root, else up to `top`, else none."""
    found = []
    for each in (folder, *folder.parents):
        found.append(each)
        if (each / ".git").exists():
            return found
    return found[: found.index(top) + 1] if top in found else [folder]


def _read_overlays(root: Path) -> Overlays:
    folder = root / ENVS
    files = {
        shown(path): read_file(path)
        for path in files_below(folder)
        if path.name.endswith(ENDINGS) and path.parent == folder
    }
    environments, faults, _ = read_environments(files)
    return Overlays(root, environments, tuple(faults))


def _read_folders(folders: tuple[Path, ...], overlay: Overlay | None) -> Surroundings:
    known: Personas | None = None
    faults: list[Fault] = []
    for folder in reversed(folders):
        files = {
            f"personas/{path.relative_to(folder).as_posix()}": read_file(path)
            for path in files_below(folder)
            if path.name.endswith((*ENDINGS, *_PROMPTS))
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


def named(file: Path) -> str | None:
    """The id of the workflow in a file, whatever else is wrong with it."""
    document = read(str(file), read_file(file), Faults(str(file)))
    value = document.value if document else None
    name = value.get("name") if isinstance(value, dict) else None
    return workflow_id(name) if isinstance(name, str) else None
