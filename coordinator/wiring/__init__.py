"""The one place where adapters meet the engine: what daemons, workers and clients are made of."""

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
