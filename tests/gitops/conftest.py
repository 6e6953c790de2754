from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.gitops.synced import GOOD, Synced
from tests.gitx.gitrepos import Project


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    servers.stop_all()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path, GOOD)


@pytest.fixture
def synced(project: Project) -> Synced:
    return Synced.of(project)
