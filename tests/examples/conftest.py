"""The command line as a user has it."""

from tests.cli.conftest import shell

__all__ = ["shell"]
