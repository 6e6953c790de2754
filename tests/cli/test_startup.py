from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from coordinator.cli.root import SECTIONS, root, run
from tests.cli.conftest import PROGRAM, Shell

HEAVY = {"redis", "rich", "git", "structlog", "prometheus_client", "hiredis", "jsonschema_rs"}


def _commands() -> Iterator[list[str]]:
    for name in root.list_commands(click.Context(root)):
        if name == "demo":
            continue
        yield [name]
        command = root.get_command(click.Context(root), name)
        if isinstance(command, click.Group):
            yield from ([name, verb] for verb in command.commands)


def _modules(*arguments: str) -> set[str]:
    """Everything that this command line loads."""
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from coordinator.cli.main import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=True, text=True
    )
    return set(done.stderr.split())


def test_the_version_is_said_before_anything_is_loaded() -> None:
    loaded = _modules("--version")
    assert not loaded & {"click", "yaml", "pydantic", "asyncio", "importlib.metadata", *HEAVY}


def test_validating_a_file_loads_neither_a_driver_nor_an_event_loop(shell: Shell) -> None:
    assert shell("init").code == 0
    loaded = _modules("validate", str(shell.folder / "workflows" / "hello.yml"))
    assert "pydantic" in loaded
    assert not loaded & {"asyncio", *HEAVY}


def test_the_version_is_that_of_the_installed_package(shell: Shell) -> None:
    from importlib.metadata import version

    assert shell.program("--version").out == f"coordinator {version('coordinator')}\n"


@pytest.mark.parametrize("module", ["root", "validate", "simulate", "evaluate", "graph", "steps"])
def test_authoring_loads_no_driver(module: str) -> None:
    program = f"import sys, coordinator.cli.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert not HEAVY & set(done.stdout.decode().split())


@pytest.mark.parametrize("arguments", list(_commands()), ids=" ".join)
def test_help_has_a_sentence_and_an_example(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Usage: coordinator {arguments[0]}" in text
    assert re.search(r"^  [A-Z`][^\n]{15,}", text, re.MULTILINE), text
    assert re.search(r"Example:\n( +.*\n)* +.*coordinator ", text), text


def test_the_root_help_lists_every_command_in_its_section(shell: Shell) -> None:
    text = shell.program("--help").out
    places = [text.index(f"{title.capitalize()}:") for title in SECTIONS]
    assert places == sorted(places)
    for entries in SECTIONS.values():
        for entry in entries:
            assert re.search(rf"^  {entry.name} +{re.escape(entry.help)}$", text, re.MULTILINE)


def test_without_arguments_the_help_is_shown_and_the_exit_code_says_usage(shell: Shell) -> None:
    done = shell.program()
    assert done.code == 2
    assert "Start here:" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["validat"], 'did you mean "validate"?'),
        (["graph"], "missing argument"),
        (["runs", "shwo"], "no such command"),
        (["eval", "1", "--context"], "requires an argument"),
        (["validate", "--nope"], "no such option"),
        (["runs", "list", "-o", "xml"], "is not one of"),
        (["run", "x.yml", "--timeout", "soon"], "is not a duration"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_wrong_command_line_exits_with_two_and_says_what_to_do(
    arguments: list[str], told: str, shell: Shell
) -> None:
    done = shell.program(*arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert told in done.err
    assert "Traceback" not in done.err


def test_nothing_is_coloured_outside_a_terminal(shell: Shell) -> None:
    assert "\x1b" not in shell.program("--help").out + shell.program("validate").err


def test_whoever_stops_reading_causes_no_error(shell: Shell) -> None:
    pipe = f"{PROGRAM} schema workflow | head -c 10"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, cwd=shell.folder, check=True)
    assert done.stderr == b""
