"""The root command: which commands there are, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from coordinator.cli.commands import Entry, LazyGroup, common_options
from coordinator.cli.errors import ExitCode, the_one, told
from coordinator.cli.session import Session, say


def _entry(name: str, place: str, help: str) -> Entry:
    return Entry(name=name, place=place, help=help)


SECTIONS: Final = {
    "start here": (
        _entry(
            "demo", "coordinator.demo.run:demo_command", "A task goes in, a merged fix comes out."
        ),
        _entry("init", "coordinator.cli.init:init", "Write a starter project."),
        _entry("dev", "coordinator.cli.dev:dev", "Bus, coordinator and workers over a folder."),
        _entry(
            "doctor", "coordinator.cli.doctor:doctor", "Check this installation; say what to do."
        ),
    ),
    "author": (
        _entry(
            "validate", "coordinator.cli.validate:validate", "Check workflow and persona files."
        ),
        _entry("fmt", "coordinator.cli.fmt:fmt", "Rewrite files in canonical spelling."),
        _entry(
            "simulate", "coordinator.cli.simulate:simulate", "Run a workflow on a virtual clock."
        ),
        _entry("test", "coordinator.cli.test:test", "Play scenario files; 1 when one fails."),
        _entry("graph", "coordinator.cli.graph:graph", "Show a workflow's graph before it runs."),
        _entry("eval", "coordinator.cli.evaluate:evaluate", "Evaluate a condition or a template."),
        _entry("schema", "coordinator.cli.schema:schema", "JSON Schemas for editors."),
        _entry("steps", "coordinator.cli.steps:steps", "Step types and their parameters."),
    ),
    "run": (
        _entry("run", "coordinator.cli.run:run", "Submit a run and follow it."),
        _entry("submit", "coordinator.cli.submit:submit", "Put a task on the queue."),
        _entry("inbox", "coordinator.cli.inbox:inbox", "What waits on a human."),
    ),
    "look": (
        _entry("runs", "coordinator.cli.runs:runs", "List, show, follow, explain and steer runs."),
        _entry("workflows", "coordinator.cli.workflows:workflows", "Workflows that can be run."),
        _entry("personas", "coordinator.cli.personas:personas", "Personas and who serves them."),
        _entry("dead", "coordinator.cli.dead:dead", "Messages that could never apply."),
    ),
    "operate": (
        _entry("daemon", "coordinator.cli.daemon:daemon", "The coordinator."),
        _entry("worker", "coordinator.cli.worker:worker", "Serve personas."),
        _entry("config", "coordinator.cli.config:config", "The merged settings and their origins."),
    ),
}

_ABOUT: Final = """Run workflows written as YAML in git, by personas over Redis Streams.

\b
Examples:
  coordinator init my-project
  coordinator run workflows/hello.yml --local
  coordinator validate
"""

root: Final = LazyGroup(
    "coordinator",
    sections=SECTIONS,
    help=_ABOUT,
    params=common_options(),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`coordinator COMMAND --help` explains each command. --version prints the version.",
)


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code. No error leaves as a traceback."""
    session = Session()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        done = root.main(list(arguments), "coordinator", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        return _end(the_one(error), session)
    return done if isinstance(done, int) else ExitCode.DONE


def _end(error: BaseException, session: Session) -> int:
    """Say what there is to say of an error; the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.UsageError():
            return _usage(error)
        case click.ClickException():
            say(f"error: {error.format_message()}")
            return error.exit_code
        case click.Abort():
            say("interrupted")
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            # Whoever read our output has enough; nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.DONE
        case _:
            text, code = told(error, debug=session.debug, advice=_advice(error, session))
            say(text)
            return code


def _advice(error: BaseException, session: Session) -> str:
    """Where a server is that can be reached, when the configured one cannot."""
    if type(error).__name__ != "StoreUnavailableError":
        return ""
    from coordinator.bus import has_bus

    folder = session.settings().state_dir
    return f"; {folder} has an embedded one: --redis embedded" if has_bus(folder) else ""


def _usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return ExitCode.USAGE
    context = error.ctx
    message = error.format_message().strip()
    say(f"error: {message[:1].lower()}{message[1:]}")
    if context is not None:
        say(f"{context.get_usage()}\nTry: {context.command_path} --help")
    return ExitCode.USAGE
