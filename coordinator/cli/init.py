"""`coordinator init`: a starter project that runs as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from coordinator.cli.commands import Leaf, yes_option
from coordinator.cli.errors import CommandError, ExitCode
from coordinator.cli.session import Session, out, say

_HELLO: Final = """\
# coordinator run workflows/hello.yml who=you --local
schema: 1
name: hello
version: "1.0.0"
description: Greet somebody, and have the greeting checked
match: {types: [greeting]}
params:
  who: {type: string, default: world, description: whom to greet}
steps:
  - id: greet
    type: persona-request
    persona: greeter
    params: {who: "{{ params.who }}"}
  - id: check
    type: persona-request
    persona: checker
    gate: pass
    params: {text: "{{ greet.output }}"}
outputs: {greeting: "{{ steps.greet.result.output }}"}
"""
_GREETER: Final = """\
name: greeter
kind: command
description: Says hello
timeout: 1m
command: [echo, "hello {{ params.who }}"]
"""
_CHECKER: Final = """\
name: checker
kind: command
description: Passes what has something in it
timeout: 1m
# Exit code 0 is the verdict `pass`, 1 is `fail`.
command: [test, "-n", "{{ params.text }}"]
"""
_SCENARIO: Final = """\
# coordinator test
scenario: an empty greeting does not get through
workflow: hello
params: {who: nobody}
replies:
  greet: {verdict: pass, result: {output: ""}}
  check: {verdict: fail}
expect:
  status: failed
"""
_SETTINGS: Final = """\
# Settings of the commands run here; `coordinator config show` explains each.
redis: {url: embedded}        # a private server in .coordinator; or redis://host:6379
folders: {workflows: workflows, personas: personas}
"""
_CI: Final = """\
# Checks every workflow, persona and scenario of a change. Fill in the PLACEHOLDER below.
name: workflows
on: [push, pull_request]
jobs:
  validate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      # PLACEHOLDER: the repository and the commit of the program that you chose and looked at.
      # Not the bare name: on a package index, it may be somebody else's program.
      - run: pip install "coordinator @ git+https://example.invalid/OWNER/coordinator@COMMIT"
      - run: coordinator validate --strict
      - run: coordinator test
"""
FILES: Final = {
    "workflows/hello.yml": _HELLO,
    "personas/greeter.yaml": _GREETER,
    "personas/checker.yaml": _CHECKER,
    "scenarios/hello.scenario.yml": _SCENARIO,
    "coordinator.yaml": _SETTINGS,
    ".github/workflows/coordinator.yml": _CI,
    ".gitignore": ".coordinator/\n",
}
"""Path -> text of everything that is written."""
_AROUND: Final = ("coordinator.yaml", ".github/workflows/coordinator.yml", ".gitignore")
"""Of these, what a project has of its own stays when an example is added."""


@click.command(cls=Leaf)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--example", metavar="NAME", help="This example instead of a greeting.")
@yes_option
@click.pass_obj
def init(session: Session, folder: Path, example: str | None) -> None:
    """Write a starter project into DIR: a workflow, personas, a scenario, settings, a CI job.

    With --example the workflow is one of the examples, with the personas and scenarios that belong
    to it; a name that does not exist lists them. Files that are there stay as they are, unless you
    say --yes.

    \b
    Example:
      coordinator init my-project
      coordinator init my-project --example deploy-pipeline
    """
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is no folder; name another one")
    files, command = FILES, "coordinator run hello who=you --local"
    if example is not None:
        files, command = _example(example, folder)
    _write(session, folder, files)
    go = "" if folder == Path() else f"cd {folder}; "
    say(f"\ntry: {go}{command}")


def _example(name: str, folder: Path) -> tuple[dict[str, str], str]:
    from coordinator.cli.starters import starter

    found = starter(name)
    around = {each: FILES[each] for each in _AROUND if not (folder / each).exists()}
    return {**found.files, **around}, found.command


def _write(session: Session, folder: Path, files: Mapping[str, str]) -> None:
    present = [name for name, text in files.items() if _differs(folder / name, text)]
    if present and not session.agrees(f"overwrite {', '.join(present)} in {folder}?"):
        there = ", ".join(present)
        told = f"{folder} has {there} already; nothing was written (--yes overwrites)"
        raise CommandError(told, ExitCode.CONFLICT)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()  # what it leads to is not ours to change
        path.write_text(text, encoding="utf-8")
        out(str(path))


def _differs(path: Path, text: str) -> bool:
    """Whether writing would destroy something."""
    if path.is_symlink() or path.is_dir():
        return True
    return path.exists() and path.read_bytes() != text.encode()
