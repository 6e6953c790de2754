"""`coordinator fmt`: workflow and persona files in canonical spelling, comments and layout kept."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from coordinator.cli.commands import Leaf
from coordinator.cli.errors import BadUsageError, ExitCode
from coordinator.cli.files import Target, is_env_file, is_persona_file, read_file, targets
from coordinator.cli.folder import Folder
from coordinator.cli.session import Session, out, say
from coordinator.cli.text import json_text
from coordinator.cli.validate import fault_json
from coordinator.definitions.faults import Fault
from coordinator.definitions.fmt import UnfaithfulFormatError, format_layout, format_workflow
from coordinator.definitions.layout import is_scenario_path


@click.command(cls=Leaf)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Like --check, and print what would change.")
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print.",
)
@click.pass_obj
def fmt(session: Session, paths: tuple[Path, ...], check: bool, diff: bool, form: str) -> int:
    """Rewrite workflow and persona files in canonical spelling; print those that changed.

    Comments, order, quotes and indentation stay as they are, and so does what the file means: its
    digest is the same. A file that is no YAML is left alone and named, with exit code 1; so is a
    link that leads out of the folder.

    \b
    Example:
      coordinator fmt
      coordinator fmt --check --diff workflows/
    """
    folder = Folder(session)
    found = [each for path in paths or (Path(),) for each in targets(path, folder.names)]
    if not found:
        raise BadUsageError("there is nothing to format here: name a file or a folder")
    is_dry = check or diff
    done = _Done()
    for target in found:
        _format(folder, target, done, is_dry=is_dry)
    _show(done, form, with_diff=diff, is_dry=is_dry)
    is_bad = done.faults or done.refused or (is_dry and done.changed)
    return ExitCode.FAILED if is_bad else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class _Change:
    path: Path
    before: bytes
    after: str


@dataclass(slots=True)
class _Done:
    """What became of the files."""

    seen: set[Path] = field(default_factory=set)
    changed: list[_Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _format(folder: Folder, target: Target, done: _Done, *, is_dry: bool) -> None:
    path = target.path
    real = path.resolve()
    if real in done.seen:
        return
    done.seen.add(real)
    if not real.is_relative_to((target.top or path.absolute().parent).resolve()):
        done.refused.append(f"{path} is a link that leads out of the folder; name {real} itself")
        return
    before = read_file(path)
    try:
        after, faults = _formatted(folder, path, before)
    except UnfaithfulFormatError as error:
        done.refused.append(str(error))
        return
    done.faults += faults
    if after is None or after.encode() == before:
        return
    if not is_dry:
        replace_text(real, after)
    done.changed.append(_Change(path, before, after))


def _formatted(folder: Folder, path: Path, text: bytes) -> tuple[str | None, list[Fault]]:
    is_other = is_scenario_path(path.name) or is_env_file(path)
    if is_other or is_persona_file(path, folder.names):
        return format_layout(str(path), text)
    return format_workflow(str(path), text, step_types=folder.step_types)


def replace_text(path: Path, text: str) -> None:
    """Give the file a new text: all of it or, whatever happens, none. Its mode stays.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file may not be written", str(path))
    was = path.stat()
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with open(number, "wb") as file:
            file.write(text.encode())
            file.flush()
            with contextlib.suppress(OSError):  # only some users may give files away
                os.fchown(number, was.st_uid, was.st_gid)
            os.fchmod(number, was.st_mode & 0o7777)
            os.fsync(number)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _show(done: _Done, form: str, *, with_diff: bool, is_dry: bool) -> None:
    if form == "json":
        shown = {
            "files": len(done.seen),
            "changed": [str(each.path) for each in done.changed],
            "refused": done.refused,
            "faults": [fault_json(each) for each in done.faults],
        }
        out(json_text(shown))
        return
    for each in done.changed:
        out("".join(_diff(each)) if with_diff else str(each.path), end="" if with_diff else "\n")
    for fault in done.faults:
        say(str(fault))
    for refusal in done.refused:
        say(f"error: {refusal}")
    verb = "would change" if is_dry else "changed"
    left = len({fault.file for fault in done.faults}) + len(done.refused)
    rest = f"; {left} left alone" if left else ""
    say(f"{verb}: {len(done.changed)} of {len(done.seen)} files{rest}")


def _diff(change: _Change) -> Iterator[str]:
    """The change as a unified diff; a carriage return is shown as ^M."""
    before = change.before.decode("utf-8", "replace").split("\n")
    after = change.after.split("\n")
    name = change.path.as_posix()
    lines = difflib.unified_diff(_ended(before), _ended(after), f"a/{name}", f"b/{name}")
    for line in lines:
        yield line.replace("\r", "^M")


def _ended(lines: list[str]) -> list[str]:
    *full, last = lines
    ended = [f"{line}\n" for line in full]
    return [*ended, f"{last}\n\\ No newline at end of file\n"] if last else ended
