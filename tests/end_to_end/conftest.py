"""The systems of the fault tests serve here too."""

from tests.faults.conftest import make_system, system

__all__ = ["make_system", "system"]
