"""Which files a path of the command line stands for, and what kind each of them is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coordinator.cli.errors import CommandError, NotFoundError
from coordinator.config import FILE_NAME
from coordinator.definitions.environments import FOLDER as ENVS
from coordinator.definitions.layout import ENDINGS, is_env_path, is_persona_path, is_scenario_path
from coordinator.nearby import files_below, project_of, read_bytes

SCENARIOS: Final = "scenarios"
_PERSONA_TEXT: Final = re.compile(rb"^kind\s*:", re.MULTILINE)
_WORKFLOW_TEXT: Final = re.compile(rb"^(steps|subtasks)\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """A file to look at; `top` is where the look-up of its personas ends outside git: the folder
    it was found in, or the one that has its folder of workflows; None when there is neither.
    """

    path: Path
    top: Path | None = None


def read_file(path: Path) -> bytes:
    """The bytes of a file, at most one more than the reader of definitions accepts."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name a file in it")
    return read_bytes(path)


def targets(path: Path, names: tuple[str, str], *, beside: bool = False) -> list[Target]:
    """The workflow and persona files that a path given by a person stands for, in order.

    With `beside`, the scenarios and the settings file that belong to them too.
    """
    if path.is_file():
        top = path.absolute().parent.parent if is_env_file(path) else project_of(path, names)
        return [Target(path, top)]
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or folder; correct the path")
    top = path.absolute()
    parts = [path / name for name in names if (path / name).is_dir()]
    if path / names[0] not in parts and project_of(path / names[1], names):
        parts = []  # personas beside the workflows that they belong to
    if parts and (path / ENVS).is_dir():
        parts.append(path / ENVS)
    if top.name in (*names, ENVS):
        top = top.parent
    if beside and parts and (path / SCENARIOS).is_dir():
        parts.append(path / SCENARIOS)
    found = [each for part in parts or [path] for each in files_below(part)]
    settings = path / FILE_NAME
    return [
        *([Target(settings)] if beside and settings.is_file() else []),
        *(
            Target(each, top)
            for each in found
            if (beside and is_scenario_path(each.name)) or _is_definition(each, names, bool(parts))
        ),
    ]


def _is_definition(path: Path, names: tuple[str, str], in_project: bool) -> bool:
    """Whether a file found in a folder is a workflow or a persona."""
    endings = ENDINGS if in_project else (".yml", ".yaml")
    if not path.name.endswith(endings) or is_scenario_path(path.name):
        return False
    below_personas = names[1] in path.absolute().parts[-4:-1]
    is_settings = path.name == FILE_NAME
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


def is_env_file(path: Path) -> bool:
    """Whether a file is the overlay of an environment, by its place."""
    return is_env_path("/".join(path.absolute().parts[-3:]))
