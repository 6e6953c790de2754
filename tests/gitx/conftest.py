from __future__ import annotations

from pathlib import Path

import pytest
from gitrepos import Project, Run

from coordinator.gitx import Mirror

APP = "one\ntwo\nthree\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path, {"app.py": APP, "docs/guide.md": "read me\n"})


@pytest.fixture
def mirror(project: Project, tmp_path: Path) -> Mirror:
    return Mirror.open(tmp_path / "state", project.url())


@pytest.fixture
def other_mirror(project: Project, tmp_path: Path) -> Mirror:
    """The mirror of another daemon, which shares nothing but the remote."""
    return Mirror.open(tmp_path / "elsewhere", project.url())


@pytest.fixture
def run(mirror: Mirror) -> Run:
    return Run(mirror)
