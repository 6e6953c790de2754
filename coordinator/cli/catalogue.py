"""What can be run and who can be asked: as the server has it, or as the files here say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coordinator.cli.connection import connect
from coordinator.cli.session import Session, say
from coordinator.ports import Member, StoreUnavailableError

if TYPE_CHECKING:
    from coordinator.core.definition import Workflow
    from coordinator.definitions.persona import Persona
    from coordinator.gitops import SyncStatus
    from coordinator.wiring import Connection


@dataclass(slots=True)
class Catalogue:
    """Workflows and personas, and where they come from."""

    workflows: dict[str, Workflow] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    """Workflow id -> where it comes from."""
    personas: dict[str, Persona] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)

    def workers_of(self, persona: str) -> list[str]:
        """The processes that serve a persona now."""
        return [member.name for member in self.members if persona in member.personas]


async def read_catalogue(session: Session, *, here: bool) -> Catalogue:
    """What the server has active; with `here` or `--env`, or when none answers, the files here.
    So it is on an embedded server that has nothing active.

    Raises:
        StoreUnavailableError: no server answers, and there are no files here either.
    """
    if here or "env" in session.flags:
        return _from_files(session)
    try:
        async with connect(session) as connection:
            for problem in await source_problems(connection):
                say(f"warning: {problem}")
            active = await from_server(connection)
            if active.workflows or connection.bus is None:
                return active
    except StoreUnavailableError as error:
        found = _from_files(session)
        if not found.workflows and not found.personas:
            raise
        say(f"warning: {error}; these are the files here")
        return found
    say("nothing is active on the embedded server; these are the files here")
    return replace(_from_files(session), members=active.members)


async def from_server(connection: Connection) -> Catalogue:
    """What is active on a server."""
    from coordinator.wiring import load_workflow

    found = Catalogue(members=await connection.desk.members())
    for bundle in await connection.definitions.active():
        for name, digest in bundle.digests.items():
            document = await connection.definitions.get(digest)
            if document is None:
                say(f"warning: the definition of {name} is not in the store")
                continue
            found.workflows[name] = load_workflow(digest, document)
            found.revisions[name] = bundle.revision
            found.personas |= _personas_of(digest, document)
    return found


async def source_problems(connection: Connection) -> list[str]:
    """Why what is newest in the source of the definitions is not what is active, if it is not."""
    from coordinator.gitops import DEFAULT_BUNDLE, SyncStatus

    active = await connection.definitions.active()
    found = []
    for name in sorted({DEFAULT_BUNDLE, *(bundle.bundle for bundle in active)}):
        document = await connection.definitions.get_status(name)
        if document is not None and (problem := _problem(SyncStatus.from_document(document))):
            found.append(problem)
    return found


def _problem(status: SyncStatus) -> str:
    stays = f"{status.active} stays active" if status.active else "nothing is active"
    if not status.is_valid:
        first = next(fault for fault in status.faults if fault.severity == "error")
        return f"{status.attempted} has faults, so {stays}. The first: {first}"
    if status.error:
        return f"{status.source} cannot be read, so {stays}: {status.error}"
    return ""


def _personas_of(digest: Any, document: bytes) -> dict[str, Persona]:
    from coordinator.definitions import load_document
    from coordinator.definitions.personas import RUN_PERSONA
    from steps.registry import step_types

    known = load_document(digest, document, step_types=step_types())[1]
    return {name: one for name, one in known.items() if name != RUN_PERSONA.name}


def _from_files(session: Session) -> Catalogue:
    from coordinator.cli.files import Target, is_env_file, is_persona_file, targets
    from coordinator.cli.folder import FaultyError, Folder
    from coordinator.definitions.layout import is_example_path

    folder = Folder(session)
    found = Catalogue()
    if not any((Path.cwd() / name).is_dir() for name in folder.names):
        return found
    top = Target(Path.cwd() / "x", Path.cwd())
    environments, refusal = folder.environments(top)
    if refusal:
        raise FaultyError(refusal)
    for target in targets(Path(), folder.names):
        is_other = is_env_file(target.path) or is_example_path(target.path.as_posix())
        if is_other or is_persona_file(target.path, folder.names):
            continue
        compiled, _ = folder.compile(target)
        if compiled is None:
            say(f"warning: {target.path} has faults; see coordinator validate")
            continue
        found.workflows[compiled.workflow.id] = compiled.workflow
        found.revisions[compiled.workflow.id] = str(target.path)
    files = folder.surroundings(top, environments.overlay).personas.files
    found.personas = {name: one.persona for name, one in files.items()}
    return found
