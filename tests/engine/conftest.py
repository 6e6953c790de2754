"""The stores of the contract tests, for whole systems: the in-memory one, and real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import servers
from tests.contracts.conftest import REAL, _servers, real
from tests.contracts.worlds import MemoryWorld, RedisWorld, World

__all__ = ["_servers", "real", "world"]


@pytest.fixture(params=["memory", *REAL])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An empty installation; an imitation of a server says nothing about a whole system."""
    kind = request.param
    made: World = MemoryWorld() if kind == "memory" else RedisWorld(servers.url_of(kind))
    yield made
    await made.close()
