from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests import servers
from tests.contracts.worlds import MemoryWorld, RedisWorld, World


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    servers.stop_all()


@pytest.fixture
def world() -> World:
    """An empty installation in memory."""
    return MemoryWorld()


@pytest.fixture
async def real() -> AsyncIterator[World]:
    """An empty installation on a real server."""
    made = RedisWorld(servers.real_url())
    yield made
    await made.close()
