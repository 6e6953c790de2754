"""The stores of the contract tests, for whole systems."""

from tests.contracts.conftest import _servers, real, world

__all__ = ["_servers", "real", "world"]
