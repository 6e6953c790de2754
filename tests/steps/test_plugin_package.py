"""A package with a step type, installed as its users install it, down to a run by a daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.conftest import Shell, shell, until
from tests.faults.conftest import make_system, system
from tests.faults.system import System

__all__ = ["make_system", "shell", "system"]

SOURCE = Path(__file__).parent / "announce"
WORKFLOW = """\
name: news
version: "1.0.0"
params: {what: {type: string, default: a release}}
steps:
  - {id: tell, type: announce, board: hall, text: "There is {{ params.what }}", tone: loud}
  - id: again
    type: announce
    board: "{{ steps.tell.result.board }}"
    text: "{{ tell.line }}, again"
    gate: pass
    params: {busy_until_attempt: 2}
    retry: {max_attempts: 2, delay: 100ms}
outputs: {said: "{{ steps.again.result.line }}"}
"""

pytestmark = pytest.mark.xdist_group("plugin package")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip put the package into, with its entry point."""
    place = tmp_path_factory.mktemp("installed")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    where = ("--no-build-isolation", "--target", str(place))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, *where, str(SOURCE)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def with_plugin(installed: Path, tmp_path: Path) -> Shell:
    """The installed program, beside the package."""
    return Shell(tmp_path, PYTHONPATH=str(installed))


def test_an_installed_type_is_listed_beside_the_built_in_ones(with_plugin: Shell) -> None:
    rows = {
        row["type"]: row for row in json.loads(_out(with_plugin, "steps", "list", "-o", "json"))
    }
    assert rows["announce"]["source"] == "plugin"
    assert rows["announce"]["description"] == "Write an announcement to a board."
    assert rows["parallel"]["source"] == "built-in"


def test_its_manifest_says_what_it_takes_gives_and_needs(with_plugin: Shell) -> None:
    about = json.loads(_out(with_plugin, "steps", "show", "announce", "-o", "json"))
    assert about["inputs"]["keys"] == ["board", "text", "tone"]
    assert [key["required"] for key in about["keys"]] == [True, True, False]
    assert [key["description"] for key in about["keys"]][2] == "loud is in capitals"
    assert about["schema"]["properties"]["tone"]["enum"] == ["calm", "loud"]
    assert about["outputs"]["result"]["required"] == ["line", "board"]
    assert (about["requirements"], about["runs_in"]) == (["executor"], "coordinator")


def test_the_schema_for_editors_knows_its_keys(with_plugin: Shell) -> None:
    schema = json.loads(_out(with_plugin, "schema", "workflow"))
    step = {"id": "a", "type": "announce", "board": "hall", "text": "x"}
    document: dict[str, Any] = {"name": "n", "version": "1.0.0", "steps": [step]}
    assert Draft202012Validator(schema).is_valid(document)
    step["tonne"] = "loud"
    assert not Draft202012Validator(schema).is_valid(document)


def test_a_workflow_with_it_is_validated_down_to_its_keys(with_plugin: Shell) -> None:
    with_plugin.write("news.yml", WORKFLOW)
    assert with_plugin.program("validate", "--strict", "news.yml").code == 0
    with_plugin.write("news.yml", WORKFLOW.replace("tone: loud", "tone: lout"))
    done = with_plugin.program("validate", "news.yml")
    assert done.code == 1
    assert "news.yml:5:87: error WF022" in done.out


def test_without_the_package_the_type_is_unknown(shell: Shell) -> None:
    shell.write("news.yml", WORKFLOW)
    assert "WF031" in shell("validate", "news.yml").out


def test_a_daemon_runs_it_with_retries_templates_and_a_verdict(
    system: System, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    revision = system.define({"workflows/news.yml": WORKFLOW})
    daemon = system.daemon()
    until(lambda: revision in daemon.said())

    system.command("run", "news", "what=a party", "--wait", "--timeout", "40s")

    [row] = json.loads(system.command("runs", "list", "-o", "json"))
    run = json.loads(system.command("runs", "show", row["id"], "-o", "json"))
    nodes = {node["path"]: node for node in run["nodes"]}
    assert (run["status"], run["outputs"]) == (
        "succeeded",
        {"said": "THERE IS A PARTY, again"},
    )
    assert [nodes[path]["attempts"] for path in ("tell", "again")] == [1, 2]
    assert nodes["again"]["verdict"] == "pass"
    [board] = daemon.folder.rglob("hall")
    assert board.read_text().splitlines() == [
        f"{run['id']} tell: THERE IS A PARTY",
        f"{run['id']} again: THERE IS A PARTY, again",
    ]


def _out(shell: Shell, *arguments: str) -> str:
    done = shell.program(*arguments)
    assert done.code == 0, done.err
    return done.out
