"""`coordinator validate`: every fault of the files of a project, with its place and cure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from coordinator.cli.commands import Leaf, env_option
from coordinator.cli.environments import environment_faults
from coordinator.cli.errors import BadUsageError, ExitCode
from coordinator.cli.files import Target, is_env_file, is_persona_file, read_file, targets
from coordinator.cli.folder import Folder, check_persona
from coordinator.cli.halves import in_two
from coordinator.cli.session import Session, out
from coordinator.cli.text import clean, json_text
from coordinator.config import FILE_NAME
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.layout import is_scenario_path
from coordinator.definitions.rules import Severity
from coordinator.nearby import FolderNames

_WIDEST = 100
_MANY = 50
"""As many workflows are shared between two processors."""


@click.command(cls=Leaf)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@env_option
@click.pass_obj
def validate(session: Session, paths: tuple[Path, ...], form: str, strict: bool) -> int:
    """Check workflows, personas, scenarios and settings; exit 1 when a file has errors.

    Without PATH: the folders workflows/, personas/, envs/ and scenarios/ here, and
    coordinator.yaml. Persona names are looked up in the folders personas/ beside and above each
    file, up to the git root; outside git, up to the folder that has workflows/. Each workflow is
    checked in every environment and in none, unless --env names one.

    \b
    Example:
      coordinator validate workflows/project-loop.yml
      coordinator validate --strict --format json
    """
    folder = Folder(session)
    broken = _settings_faults(folder)
    found = [
        each for path in paths or (Path(),) for each in targets(path, folder.names, beside=True)
    ]
    if not found:
        raise BadUsageError("there is nothing to validate here: name a file or a folder")
    faults = sorted({*broken, *check(folder, found)})
    if form == "json":
        out(json_text({"files": len(found), "faults": [fault_json(fault) for fault in faults]}))
    else:
        out(report(faults, len(found)))
    is_bad = any(strict or fault.severity is Severity.ERROR for fault in faults)
    return ExitCode.FAILED if is_bad else ExitCode.DONE


def _settings_faults(folder: Folder) -> list[Fault]:
    """The faults of the settings file that is in force; with any, its folders' names are not known.

    Raises:
        ConfigError: the settings cannot be used, and not because of the file.
    """
    from coordinator.config import ConfigError

    try:
        folder.session.settings()
    except ConfigError:
        file = folder.session.settings_file()
        found = _check_settings(file) if file is not None and file.is_file() else []
        if not found:
            raise
        folder.names = FolderNames()
        folder.env = str(folder.session.flags.get("env") or "")
        return found
    return []


def _check_settings(file: Path) -> list[Fault]:
    from coordinator.config import file_faults

    here = Path.cwd()
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return file_faults(str(shown), read_file(file))


def check(folder: Folder, found: Sequence[Target]) -> list[Fault]:
    """The faults of the files and of the personas around them, by file and place."""
    faults: set[Fault] = set()
    overlays, scenarios, workflows = [], [], []
    for target in found:
        faults |= set(folder.environments(target)[1])
        if is_scenario_path(target.path.name):
            scenarios.append(target)
        elif target.path.name == FILE_NAME:
            faults |= set(_check_settings(target.path))
        elif is_env_file(target.path):
            overlays.append(target)
        elif is_persona_file(target.path, folder.names):
            for each in folder.tried(target):
                faults |= set(check_persona(target.path, each.overlay))
        else:
            workflows.append(target)
    faults |= set(_check_workflows(folder, workflows, overlays))
    return sorted({*faults, *_check_scenarios(folder, scenarios)})


def _check_workflows(
    folder: Folder, found: Sequence[Target], overlays: Sequence[Target]
) -> list[Fault]:
    if len(found) >= _MANY and not overlays:
        told = in_two(lambda target: _plain(*_workflow(folder, target)), found)
        return _with_taken(found, [_read(each) for each in told])
    checked = [_workflow(folder, target) for target in found]
    faults = _with_taken(found, [_named(*each) for each in checked])
    pairs = zip(found, checked, strict=True)
    compiled = {target.path.absolute(): one for target, (one, _) in pairs if one is not None}
    for target in overlays:
        faults += environment_faults(folder, target, compiled)
    return faults


_Named = tuple[str | None, list[Fault]]
"""The id of a workflow, if it has no errors, and the faults of its file."""


def _named(compiled: Compiled | None, faults: list[Fault]) -> _Named:
    return None if compiled is None else compiled.workflow.id, faults


def _plain(compiled: Compiled | None, faults: list[Fault]) -> list[Any]:
    return [None if compiled is None else compiled.workflow.id, *map(fault_json, faults)]


def _read(plain: list[Any]) -> _Named:
    workflow, *faults = plain
    return workflow, [Fault(**{**each, "severity": Severity(each["severity"])}) for each in faults]


def _with_taken(found: Sequence[Target], told: Sequence[_Named]) -> list[Fault]:
    """All the faults, those of two files with the same workflow included."""
    first: dict[tuple[Path, str], Path] = {}
    faults = [fault for _, more in told for fault in more]
    for target, (workflow, _) in zip(found, told, strict=True):
        if workflow is not None:
            faults += _taken(target, first, workflow)
    return faults


def _check_scenarios(folder: Folder, found: Sequence[Target]) -> list[Fault]:
    if not found:
        return []
    from coordinator.cli.scenarios import Trials

    trials = Trials(folder)
    return [fault for target in found for fault in trials.check(target.path, target.top)]


def _workflow(folder: Folder, target: Target) -> tuple[Compiled | None, list[Fault]]:
    """The workflow in a file, and its faults in every environment it is checked in."""
    found, faults = None, list(_errors(folder.overlays(target).faults))
    for environments in folder.tried(target):
        compiled, more = folder.compile(target, environments)
        faults += [*more, *_errors(folder.surroundings(target, environments.overlay).faults)]
        found = found or compiled
    return found, faults


def _errors(faults: Iterable[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.severity is Severity.ERROR]


def _taken(target: Target, first: dict[tuple[Path, str], Path], workflow: str) -> list[Fault]:
    """A fault where another file of the project has the same workflow; `first` remembers them."""
    if target.top is None:
        return []
    other = first.setdefault((target.top, workflow), target.path)
    if other == target.path:
        return []
    notes = Faults(str(target.path))
    notes.add("WF038", (1, 1), f'the workflow "{workflow}" is defined in {other} too')
    return notes.found


def fault_json(fault: Fault) -> dict[str, object]:
    """A fault as scripts get it."""
    return {
        "rule": fault.rule,
        "severity": fault.severity.value,
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "hint": fault.hint,
    }


def report(faults: list[Fault], files: int) -> str:
    """The faults for people, each with the line it is about, and a summary."""
    parts = [_shown(fault) for fault in faults]
    errors = sum(fault.severity is Severity.ERROR for fault in faults)
    counted = f"{_count(files, 'file')}: {_count(errors, 'error')}"
    parts.append(f"{counted}, {_count(len(faults) - errors, 'warning')}")
    return "\n".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shown(fault: Fault) -> str:
    head = (
        f"{fault.file}:{fault.line}:{fault.column}: {fault.severity} {fault.rule}: {fault.message}"
    )
    hint = f"\n    {fault.hint}" if fault.hint else ""
    return f"{head}{_excerpt(fault)}{hint}\n"


def _excerpt(fault: Fault) -> str:
    """The line of the file, with a caret below the column."""
    try:
        text = read_file(Path(fault.file)).decode("utf-8-sig", "replace")
    except OSError:
        return ""
    lines = text.split("\n")
    if not 0 < fault.line <= len(lines) or not lines[fault.line - 1].strip():
        return ""
    line = "".join(clean(one) or " " for one in lines[fault.line - 1].rstrip("\r"))
    line, column = line.replace("\t", " "), fault.column
    if column > _WIDEST - 20:
        cut = column - _WIDEST // 2
        line, column = "…" + line[cut:], column - cut + 1
    shown = line[:_WIDEST].rstrip()
    number = f"{fault.line:>5}"
    return f"\n{number} | {shown}\n{' ' * len(number)} | {' ' * (column - 1)}^"
