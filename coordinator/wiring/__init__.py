"""The one place where adapters meet the engine: what daemons, workers and clients are made of.

Names are loaded when they are first used: a command that only looks at runs needs no worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coordinator.wiring.connection import (
        EMBEDDED,
        Connection,
        PersonaShelf,
        compile_files,
        connect,
        instance_name,
        load_workflow,
    )
    from coordinator.wiring.daemon import ROLES, run_daemon
    from coordinator.wiring.library import DefinitionError, load_definition_file, open_engine
    from coordinator.wiring.worker import run_worker

__all__ = [
    "EMBEDDED",
    "ROLES",
    "Connection",
    "DefinitionError",
    "PersonaShelf",
    "compile_files",
    "connect",
    "instance_name",
    "load_definition_file",
    "load_workflow",
    "open_engine",
    "run_daemon",
    "run_worker",
]

_PLACES: Final = {
    "ROLES": "daemon",
    "run_daemon": "daemon",
    "run_worker": "worker",
    "DefinitionError": "library",
    "load_definition_file": "library",
    "open_engine": "library",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'connection')}"), name)
