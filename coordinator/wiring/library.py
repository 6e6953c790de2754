"""The engine as a library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from coordinator.config import Settings
from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest
from coordinator.definitions import Severity
from coordinator.definitions.compile import compile_among
from coordinator.definitions.drafts import Source
from coordinator.engine import WorkflowEngine
from coordinator.nearby import FolderNames, Nearby, project_of, read_bytes
from coordinator.wiring.connection import connect
from steps.registry import step_types

_NAMES: Final = FolderNames()


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[WorkflowEngine]:
    """A `WorkflowEngine` on the configured server."""
    async with connect(settings) as connection:
        load = partial(
            load_definition_file,
            names=FolderNames(settings.folders.workflows, settings.folders.personas),
            env=settings.env,
        )
        yield WorkflowEngine(connection.store, connection.desk, connection.definitions, load)


def load_definition_file(
    path: str, *, names: FolderNames = _NAMES, env: str = ""
) -> tuple[Workflow, Mapping[Digest, bytes]]:
    """The workflow in a file, and the documents that runs of it need, by digest.

    Personas, the workflows that it runs, and the overlay of the environment `env` are looked for
    beside and above the file, as the command line does it; `names` are those of the folders.

    Raises:
        DefinitionError: with all faults; or there is no such file.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise DefinitionError([f"{path}: no such file; correct the path"])
    nearby = Nearby(names)
    top = project_of(file, names)
    environments, refusal = nearby.overlays(file, top).choosing(env)
    beside = nearby.surroundings(file, top, environments.overlay)
    compiled, faults = compile_among(
        Source(file.as_posix(), read_bytes(file), beside.personas),
        nearby.around(file, top, environments.overlay),
        step_types=step_types(),
        environments=environments,
    )
    faults = [*refusal, *faults, *beside.faults]
    errors = [each for each in faults if each.severity == Severity.ERROR]
    if errors or compiled is None:
        raise DefinitionError([str(fault) for fault in errors])
    return compiled.workflow, compiled.documents


class DefinitionError(Exception):
    """A workflow file has faults; each with file, line, column and cure."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
