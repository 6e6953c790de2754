"""Every test that takes `world` runs on every store; one that takes `real` on real servers only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests import servers
from tests.contracts.worlds import MemoryWorld, RedisWorld, World

REAL = [kind for kind in servers.KINDS if kind != "fakeredis" and servers.is_available(kind)]


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    servers.stop_all()


@pytest.fixture(params=["memory", "fakeredis", *REAL])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An empty installation."""
    kind = request.param
    made: World = MemoryWorld() if kind == "memory" else RedisWorld(servers.url_of(kind))
    yield made
    await made.close()


@pytest.fixture(params=REAL)
async def real(request: pytest.FixtureRequest) -> AsyncIterator[RedisWorld]:
    """An empty installation on a real server."""
    made = RedisWorld(servers.url_of(request.param))
    yield made
    await made.close()
