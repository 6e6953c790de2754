"""Workflow and persona files on disk: found, read, and compiled with what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from coordinator.cli.errors import CommandError, NotFoundError
from coordinator.cli.session import Session
from coordinator.core.lowering import StepType
from coordinator.definitions.compile import compile_file, compile_persona, read_personas
from coordinator.definitions.faults import Fault, Faults, nearest
from coordinator.definitions.layout import ENDINGS, is_persona_path, is_scenario_path, stem_of
from coordinator.definitions.personas import Personas
from coordinator.definitions.read import MAX_BYTES, Document, read
from coordinator.definitions.rules import Severity
from coordinator.definitions.workflow import Compiled, workflow_id

_PROMPTS: Final = (".md", ".j2", ".txt")
_SCENARIOS: Final = "scenarios"
_MOST_FILES: Final = 5_000
_PERSONA_TEXT: Final = re.compile(rb"^kind\s*:", re.MULTILINE)
_WORKFLOW_TEXT: Final = re.compile(rb"^(steps|subtasks)\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a workflow may refer to, and what is wrong with that."""

    personas: Personas
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A file to look at; `top` is where the look-up of its personas ends outside git: the folder
    it was found in, or the one that has its folder of workflows; None when there is neither.
    """

    path: Path
    top: Path | None = None


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
    _known: dict[tuple[Path, ...], Surroundings] = field(default_factory=dict)

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

    def compile(self, target: Target) -> tuple[Compiled | None, list[Fault]]:
        """The workflow in a file, if it has no errors, and its faults."""
        around = self.surroundings(target)
        return compile_file(
            str(target.path), read_file(target.path), step_types=self.step_types,
            personas=around.personas,
        )  # fmt: skip

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
            if stem_of(file.name) == name or _named(file) == name:
                return file
        return None

    def surroundings(self, target: Target) -> Surroundings:
        """The personas of the folders beside and above a file, the nearest first.

        Above ends at the git root; outside git at the folder that was named or that has the folder
        of workflows, else at the file's own. The folder of the settings file counts as above.
        """
        folders = tuple(self._persona_folders(target))
        if folders not in self._known:
            self._known[folders] = _read_folders(folders)
        return self._known[folders]

    def _persona_folders(self, target: Target) -> Iterator[Path]:
        seen = set()
        for root in [*_above(target.path.absolute().parent, target.top), *self._configured()]:
            folder = root / self.names[1]
            if folder not in seen and folder.is_dir():
                seen.add(folder)
                yield folder

    def _around(self, file: Path, top: Path | None) -> list[Path]:
        """The folders that the file is in, the project whose workflows it lies with among them."""
        own = file.absolute().parent
        home = own.parent if own.name == _SCENARIOS else own
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
        from coordinator.config import find_file

        file = self.session.config or find_file(Path.cwd())
        return [file.absolute().parent] if file else []

    def _unknown(self, name: str, around: Sequence[Path] = ()) -> str:
        if "/" in name or name.endswith(ENDINGS):
            return f"{name}: no such file; correct the path"
        known = sorted({stem_of(file.name) for file in self._workflow_files(around)})
        near = nearest(name, known)
        hint = f'did you mean "{near}"?' if near else f"there are: {', '.join(known) or 'none'}"
        return f'no file and no workflow here is called "{name}"; {hint}'


def read_file(path: Path) -> bytes:
    """The bytes of a file, at most one more than the reader of definitions accepts."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name a file in it")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


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


def targets(path: Path, names: tuple[str, str]) -> list[Target]:
    """The files that a path given by a person stands for, in order."""
    if path.is_file():
        return [Target(path, project_of(path, names))]
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder; correct the path")
    top = path.absolute()
    parts = [path / name for name in names if (path / name).is_dir()]
    if path / names[0] not in parts and project_of(path / names[1], names):
        parts = []  # personas beside the workflows that they belong to
    if top.name in names:
        top = top.parent
    found = [each for part in parts or [path] for each in _files_below(part)]
    return [Target(each, top) for each in found if _is_definition(each, names, bool(parts))]


def project_of(file: Path, names: tuple[str, str]) -> Path | None:
    """The folder that has the folder of workflows in which the file is."""
    above = file.absolute().parents
    return next((each.parent for each in above if each.name == names[0]), None)


def _is_definition(path: Path, names: tuple[str, str], in_project: bool) -> bool:
    """Whether a file found in a folder is a workflow or a persona."""
    endings = ENDINGS if in_project else (".yml", ".yaml")
    if not path.name.endswith(endings) or is_scenario_path(path.name):
        return False
    below_personas = names[1] in path.absolute().parts[-4:-1]
    is_settings = path.name == "coordinator.yaml"
    return not is_settings and (is_persona_file(path, names) or not below_personas)


def is_persona_file(path: Path, names: tuple[str, str]) -> bool:
    """Whether a file is a persona, by its place; outside any folder, by what is in it."""
    place = path.absolute().parts[-3:]
    if is_persona_path("/".join("personas" if part == names[1] else part for part in place)):
        return True
    if path.absolute().parent.name == names[0]:
        return False
    text = read_file(path)
    return bool(_PERSONA_TEXT.search(text)) and not _WORKFLOW_TEXT.search(text)


def check_persona(path: Path) -> list[Fault]:
    """The faults of a persona file."""
    beside = {
        other.name: read_file(other).decode("utf-8", "replace")
        for other in path.absolute().parent.iterdir()
        if other.name.endswith(_PROMPTS) and other.is_file()
    }
    return compile_persona(str(path), read_file(path), beside=beside)[1]


def _files_below(folder: Path) -> Iterator[Path]:
    count = 0
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            count += 1
            if count > _MOST_FILES:
                raise CommandError(f"{folder} has more than {_MOST_FILES} files; name its parts")
            yield path


def _above(folder: Path, top: Path | None) -> list[Path]:
    """The folder and those above it: up to the git root, else up to `top`, else none."""
    found = []
    for each in (folder, *folder.parents):
        found.append(each)
        if (each / ".git").exists():
            return found
    return found[: found.index(top) + 1] if top in found else [folder]


def _read_folders(folders: tuple[Path, ...]) -> Surroundings:
    known: Personas | None = None
    faults: list[Fault] = []
    for folder in reversed(folders):
        files = {
            f"personas/{path.relative_to(folder).as_posix()}": read_file(path)
            for path in _files_below(folder)
            if path.name.endswith((*ENDINGS, *_PROMPTS))
        }
        known, more, _ = read_personas(files, known=known)
        known.has_folder = True
        faults += [_placed(fault, folder) for fault in more]
    return Surroundings(known or Personas(has_folder=False), tuple(faults))


def _placed(fault: Fault, folder: Path) -> Fault:
    path = folder / fault.file.partition("/")[2]
    try:
        shown = path.relative_to(Path.cwd())
    except ValueError:
        shown = path
    return replace(fault, file=str(shown))


def _named(file: Path) -> str | None:
    document = read(str(file), read_file(file), Faults(str(file)))
    value = document.value if document else None
    name = value.get("name") if isinstance(value, dict) else None
    return workflow_id(name) if isinstance(name, str) else None
