"""Small real packages in real git repositories, and the shipped personas asked about them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coordinator.core.definition import Files
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.ports import Request
from coordinator.workers.checkout import GitCheckout
from coordinator.workers.providers import Asked
from coordinator.workers.providers.command import CommandProvider, CommandSettings
from coordinator.workers.replies import Answer
from coordinator.workers.workspaces import Rooms

PERSONAS = Path(__file__).parents[2] / "personas"

PACKAGE = {
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- first\n",
    "calc.py": "def add(a: int, b: int) -> int:\n    return a - b\n",
    "tests/test_calc.py": (
        "from calc import add\n\n\ndef test_add() -> None:\n    assert add(2, 3) == 5\n"
    ),
}


def diff(before: str, after: str, name: str = "calc.py") -> str:
    """A one-line change of the second line of `calc.py`."""
    first = "def add(a: int, b: int) -> int:"
    return (
        f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n"
        f"@@ -1,2 +1,2 @@\n {first}\n-    return {before}\n+    return {after}\n"
    )


def git(where: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_NAME": "Ann" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "ann@example.org" for role in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", "-C", str(where), *arguments], env=environment, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def shipped(name: str) -> Persona:
    """The persona of a shipped file; what the file says is what the tests run."""
    said = yaml.safe_load((PERSONAS / f"{name}.yaml").read_text())
    keys: dict[str, Any] = {}
    if "exit_codes" in said:
        keys["exit_codes"] = said["exit_codes"]
    return Persona(
        name=said["name"],
        kind=PersonaKind(said["kind"]),
        files=Files(said.get("files", "none")),
        tests_required=said.get("tests") == "required",
        command=tuple(said["command"]),
        **keys,
    )


class Repository:
    """A repository with one commit, and personas that look at it."""

    def __init__(self, directory: Path, provider: CommandProvider) -> None:
        self.directory = directory
        self._provider = provider
        git(directory, "init", "-q", "-b", "main")

    def commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / name).write_text(text)
        git(self.directory, "add", "-A")
        git(self.directory, "commit", "-q", "-m", "files")
        return git(self.directory, "rev-parse", "HEAD")

    def ask(self, name: str, **payload: object) -> Answer:
        persona = shipped(name)
        files = None
        if persona.files is not Files.NONE:
            base = git(self.directory, "rev-parse", "HEAD")
            files = {
                "repo": str(self.directory),
                "ref": "refs/heads/main",
                "base": base,
                "mode": persona.files.value,
            }
        whole = {"task": {}, "params": {}, "context": {}, "files": files, **payload}
        request = Request(
            stream="s",
            entry_id="1-0",
            target=name,
            msg_id="r:n:1",
            run="r",
            node="n",
            attempt=1,
            token="t",
            workflow="w",
            digest="d",
            payload=whole,
            deadline_ms=None,
        )
        return asyncio.run(self._provider.answer(Asked(request=request, persona=persona)))


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Rooms(tmp_path / "rooms") as rooms:
        checkout = GitCheckout(tmp_path / "cache", allow_local=[tmp_path])
        settings = CommandSettings(allow=frozenset({"coordinator-persona"}))
        (tmp_path / "repository").mkdir()
        yield Repository(tmp_path / "repository", CommandProvider(settings, rooms, checkout))


Ask = Callable[..., Answer]
