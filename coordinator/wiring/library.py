"""The engine as a library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from coordinator.config import Settings
from coordinator.core.definition import Workflow
from coordinator.definitions import Severity
from coordinator.definitions.compile import compile_bundle
from coordinator.engine import WorkflowEngine
from coordinator.wiring.connection import connect
from steps.registry import step_types


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[WorkflowEngine]:
    """A `WorkflowEngine` on the configured server."""
    async with connect(settings) as connection:
        yield WorkflowEngine(
            connection.store, connection.desk, connection.definitions, load_definition_file
        )


def load_definition_file(path: str) -> tuple[Workflow, bytes]:
    """The workflow in a file, with the personas in the folder beside or above it, as a document.

    Raises:
        DefinitionError: with all faults; or there is no such file.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise DefinitionError([f"{path}: no such file; correct the path"])
    folders = [folder / "personas" for folder in (file.parent, file.parent.parent)]
    found = [each for folder in folders for each in sorted(folder.rglob("*")) if each.is_file()]
    files = {each.as_posix(): each.read_bytes() for each in [file, *found]}
    bundle = compile_bundle(files, step_types=step_types(), workflows=[file.as_posix()])
    errors = [fault for fault in bundle.faults if fault.severity == Severity.ERROR]
    compiled = next((one for one in bundle.workflows.values() if one.file == file.as_posix()), None)
    if errors or compiled is None:
        raise DefinitionError([str(fault) for fault in errors])
    return compiled.workflow, compiled.document


class DefinitionError(Exception):
    """A workflow file has faults; each with file, line, column and cure."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
