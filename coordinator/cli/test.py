"""`coordinator test`: scenario files, played on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli.commands import Leaf, env_option
from coordinator.cli.errors import ExitCode
from coordinator.cli.session import Session, out, say
from coordinator.cli.text import json_text, one_line

if TYPE_CHECKING:
    from coordinator.cli.scenarios import Tried

_WIDEST = 4_000


@click.command(cls=Leaf)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="How to print; junit is XML for CI systems.",
)
@env_option
@click.pass_obj
def test(session: Session, paths: tuple[Path, ...], form: str) -> int:
    """Play the scenarios in *.scenario.yml files; exit 1 when one of them is not as it says.

    PATH is such a file, or a folder with some anywhere below; without it this folder. Nothing real
    happens: the real decider runs on a virtual clock, and the file says what personas and humans
    answer.

    \b
    Example:
      coordinator test
      coordinator test workflows/scenarios --format junit > scenarios.xml
    """
    tried = _try_out(session, paths or (Path(),))
    if form == "json":
        out(json_text(_summary(tried)))
    elif form == "junit":
        out(_xml(tried))
    else:
        _print(tried)
    if not tried:
        say("there are no *.scenario.yml files here")
        return ExitCode.FAILED if paths else ExitCode.DONE
    return ExitCode.DONE if all(one.has_passed for one in tried) else ExitCode.FAILED


def _try_out(session: Session, paths: Iterable[Path]) -> list[Tried]:
    from coordinator.cli.folder import Folder
    from coordinator.cli.scenarios import Trials, scenario_files

    trials = Trials(Folder(session))
    found: dict[Path, Path | None] = {}
    for path in paths:
        top = path.absolute() if path.is_dir() else None
        for file in scenario_files(path):
            found.setdefault(file, top)
    return [trials.try_out(file, top) for file, top in found.items()]


def _print(tried: list[Tried]) -> None:
    for one in tried:
        mark = "✓" if one.has_passed else "✗"
        why = f" — {'; '.join(one.why)}" if one.why else ""
        out(one_line(f"{mark} {one.file}: {one.title}{why}", _WIDEST))
        for each in one.outcome.warnings:
            say(one_line(f"warning: {one.file}: {each}", _WIDEST))
    if tried:
        failed = sum(not one.has_passed for one in tried)
        out(f"{len(tried) - failed} passed, {failed} failed")


def _summary(tried: list[Tried]) -> dict[str, object]:
    failed = sum(not one.has_passed for one in tried)
    return {
        "passed": len(tried) - failed,
        "failed": failed,
        "scenarios": [_row(one) for one in tried],
    }


def _row(one: Tried) -> dict[str, object]:
    simulation = one.outcome.simulation
    return {
        "file": one.file,
        "scenario": one.title,
        "workflow": one.workflow or None,
        "passed": one.has_passed,
        "status": simulation.status if simulation else None,
        "virtual_seconds": simulation.virtual_ms / 1_000 if simulation else None,
        "failures": list(one.why),
        "warnings": list(one.outcome.warnings),
    }


def _xml(tried: list[Tried]) -> str:
    from coordinator.cli.junit import Case, junit

    return junit(
        "coordinator scenarios",
        [
            Case(
                name=one.title,
                group=one.file,
                failures=one.outcome.failures,
                errors=one.faults,
                notes=one.outcome.warnings,
            )
            for one in tried
        ],
    )
