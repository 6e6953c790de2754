"""Workflow and persona files on disk: found, read, and compiled with what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from coordinator.cli.errors import CommandError, NotFoundError
from coordinator.cli.files import SCENARIOS, Target, read_file
from coordinator.cli.session import Session
from coordinator.core.lowering import StepType
from coordinator.definitions.compile import compile_among, compile_persona
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.drafts import Source
from coordinator.definitions.environments import (
    Environments,
    Overlay,
)
from coordinator.definitions.faults import Fault, Faults, nearest
from coordinator.definitions.layout import (
    ENDINGS,
    is_scenario_path,
    stem_of,
)
from coordinator.definitions.read import Document, read
from coordinator.definitions.rules import Severity
from coordinator.nearby import (
    PROMPTS,
    FolderNames,
    Nearby,
    Overlays,
    Surroundings,
    above,
    named,
    project_of,
)


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

    @cached_property
    def step_types(self) -> Mapping[str, StepType]:
        """Every step type that is installed."""
        from steps.registry import step_types

        return step_types()

    @cached_property
    def names(self) -> FolderNames:
        """What the folders of workflows and of personas are called."""
        folders = self.session.settings().folders
        return FolderNames(folders.workflows, folders.personas)

    @cached_property
    def nearby(self) -> Nearby:
        """What is around the files here; the folder of the settings file counts as above."""
        return Nearby(self.names, self._configured())

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
        compiled, more = compile_among(
            Source(str(target.path), read_file(target.path), around.personas),
            self.nearby.around(target.path, target.top, environments.overlay),
            step_types=self.step_types,
            environments=environments,
        )
        return None if faults else compiled, [*faults, *more]

    def environments(
        self, target: Target, env: str | None = None
    ) -> tuple[Environments, list[Fault]]:
        """The environments around a file, and what keeps the one that was chosen from use.

        `env` is the one that counts; None is the one of the command.
        """
        return self.overlays(target).choosing(self.chosen if env is None else env)

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
        return self.nearby.overlays(target.path, target.top)

    def workflow(
        self,
        name: str,
        *,
        beside: Path | None = None,
        top: Path | None = None,
        env: str | None = None,
    ) -> Compiled:
        """The workflow in the file `name`, or of that name in the folders here.

        For a file that names it, `beside`, the folders around that file come first; `top` is the
        folder that it was found in, `env` the environment that it says. What `validate` warns of is
        kept in `warnings`.

        Raises:
            NotFoundError: there is none.
            FaultyError: it has errors.
        """
        target = self.target(name, beside=beside, top=top)
        environments, refusal = self.environments(target, env)
        compiled, faults = self.compile(target, environments)
        if refusal or compiled is None:
            faults = [*refusal, *faults]
            raise FaultyError(faults)
        self.warnings += faults
        return compiled

    def target(self, name: str, *, beside: Path | None = None, top: Path | None = None) -> Target:
        """The file that `workflow` compiles.

        Raises:
            NotFoundError: there is none.
        """
        around = self._around(beside, top) if beside else []
        path = self.find(name, around)
        if path is None:
            raise NotFoundError(self._unknown(name, around))
        return Target(path, project_of(path, self.names))

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
        """The personas of the folders beside and above a file, the nearest first."""
        return self.nearby.surroundings(target.path, target.top, overlay)

    def _around(self, file: Path, top: Path | None) -> list[Path]:
        """The folders that the file is in, the project whose workflows it lies with among them."""
        own = file.absolute().parent
        home = own.parent if own.name == SCENARIOS else own
        project = project_of(file, self.names)
        return list(dict.fromkeys([*above(own, top), home, project or own]))

    def _workflow_files(self, around: Sequence[Path] = ()) -> Iterator[Path]:
        roots = [*around, *above(Path.cwd(), None), *self._configured()]
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
        if other.name.endswith(PROMPTS) and other.is_file()
    }
    return compile_persona(str(path), read_file(path), beside=beside, overlay=overlay)[1]
