"""From the files of a repository to compiled workflows, or all their faults at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest
from coordinator.core.lowering import StepType
from coordinator.definitions.called import Workflows
from coordinator.definitions.closure import CHILDREN, CLOSURE
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.digest import (
    FORMAT,
    TamperedDefinitionError,
    UnreadableDefinitionError,
    digest_of,
)
from coordinator.definitions.drafts import (
    Around,
    Nowhere,
    Source,
    compile_drafts,
    draft_of,
    drafts_below,
)
from coordinator.definitions.environments import (
    NO_ENVIRONMENTS,
    Environments,
    Overlay,
    read_environments,
)
from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.layout import (
    folder_of,
    is_below_personas,
    is_persona_path,
    is_workflow_path,
    name_of,
    persona_named_by,
)
from coordinator.definitions.overlay import names_missing, overlaid_persona
from coordinator.definitions.persona import Persona
from coordinator.definitions.personas import RUN_PERSONA, PersonaFile, Personas, read_persona
from coordinator.definitions.read import Document, read
from coordinator.definitions.report import Reporter
from coordinator.definitions.workflow import finish_workflow, read_workflow

Text = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The definitions of a set of files: those without faults, and all faults."""

    workflows: Mapping[str, Compiled] = field(default_factory=dict)
    """By workflow id."""
    personas: Mapping[str, Persona] = field(default_factory=dict)
    """By name."""
    faults: tuple[Fault, ...] = ()
    """By file and place; errors and warnings."""
    files: int = 0
    """How many files were read as workflow or persona."""


def compile_bundle(
    files: Mapping[str, Text],
    *,
    step_types: Mapping[str, StepType],
    personas: Personas | None = None,
    workflows: Collection[str] = (),
    env: str = "",
) -> Bundle:
    """Everything in `files`, by path, with `/` between folders.

    Files below a folder `workflows` are workflows, those below `personas` are personas and their
    prompts, those in `envs` are overlays; scenario files and others are left alone. `workflows` are
    more paths that are workflows, wherever they are; `personas` are known besides those in `files`.
    `env` chooses the overlay that is put over all of them; empty for none.
    """
    environments, faults, overlays = read_environments(files)
    environments = environments.choosing(env)
    known, more, read_files = read_personas(files, known=personas, overlay=environments.overlay)
    faults += [*environments.refusal(), *more]
    paths = sorted({*workflows, *(path for path in files if is_workflow_path(path))})
    drafts = [
        draft_of(Source(path, files[path], known), step_types=step_types, environments=environments)
        for path in paths
    ]
    compile_drafts(drafts)
    compiled: dict[str, Compiled] = {}
    for path, draft in zip(paths, drafts, strict=True):
        found = draft.compiled
        faults += sorted(set(draft.faults.found))
        if found is None:
            continue
        other = compiled.setdefault(found.workflow.id, found)
        if other is not found:
            notes = Faults(path)
            what = f'the workflow "{found.workflow.id}" is defined in {other.file} too'
            notes.add("WF038", (1, 1), what)
            faults += notes.found
    variables = {each.named: each.file.names.variables if each.file else None for each in drafts}
    names = {*known.files, *known.broken}
    for overlay in environments.overlays.values():
        faults += names_missing(overlay, variables, names)
    return Bundle(
        workflows=compiled,
        personas={name: each.persona for name, each in known.files.items()},
        faults=tuple(sorted(set(faults))),
        files=read_files + len(paths) + overlays,
    )


def compile_file(
    path: str,
    text: Text,
    *,
    step_types: Mapping[str, StepType],
    personas: Personas,
    environments: Environments = NO_ENVIRONMENTS,
) -> tuple[Compiled | None, list[Fault]]:
    """The workflow in one file, if it has no errors, and its faults in the order of the file.

    No other workflow is known that it could run.
    """
    source = Source(path, text, personas)
    return compile_among(source, Nowhere(), step_types=step_types, environments=environments)


def compile_among(
    source: Source,
    around: Around,
    *,
    step_types: Mapping[str, StepType],
    environments: Environments = NO_ENVIRONMENTS,
) -> tuple[Compiled | None, list[Fault]]:
    """As `compile_file`, with the workflows `around` that it may run; their own faults are not
    among those given.
    """
    first = draft_of(source, step_types=step_types, environments=environments)
    drafts = drafts_below(first, around, step_types=step_types, environments=environments)
    called = {each for draft in drafts for each in draft.calls}
    is_complete = called <= {draft.id for draft in drafts}
    compile_drafts(drafts, names=() if is_complete else around.names())
    return first.compiled, sorted(set(first.faults.found))


def compile_persona(
    path: str,
    text: Text,
    *,
    beside: Mapping[str, str] | None = None,
    overlay: Overlay | None = None,
) -> tuple[PersonaFile | None, list[Fault]]:
    """The persona in one file, if it has no errors, and its faults in the order of the file."""
    faults = Faults(path)
    document = read(path, text, faults)
    if document is None:
        return None, faults.found
    if overlay is not None:
        document = overlaid_persona(document, overlay)
    found = read_persona(document, Reporter(document.positions, faults), beside=beside)
    return found, sorted(set(faults.found))


def read_personas(
    files: Mapping[str, Text],
    *,
    known: Personas | None = None,
    overlay: Overlay | None = None,
) -> tuple[Personas, list[Fault], int]:
    """The personas among `files`, their faults, and how many files that were."""
    paths = sorted(path for path in files if is_persona_path(path))
    in_folder = any(is_below_personas(path) for path in files)
    found = Personas(has_folder=known is not None or in_folder)
    faults: list[Fault] = []
    for path in paths:
        persona, more = compile_persona(
            path, files[path], beside=_beside(path, files), overlay=overlay
        )
        faults += more
        if persona is None:
            found.broken.add(persona_named_by(path))
            continue
        taken = found.add(persona)
        if taken is not None:
            notes = Faults(path)
            notes.add("WF038", (1, 1), f'another persona is called "{taken}" too')
            faults += notes.found
    for name, persona in (known.files if known else {}).items():
        if found.find(name) is None or name not in found.files:
            found.add(persona)
    return found, faults, len(paths)


def _beside(path: str, files: Mapping[str, Text]) -> dict[str, str]:
    """The texts of the files in the same folder, by name."""
    folder = folder_of(path)
    return {
        name_of(other): text if isinstance(text, str) else text.decode("utf-8", "replace")
        for other, text in files.items()
        if folder_of(other) == folder and other != path
    }


def load_document(
    digest: Digest, document: bytes, *, step_types: Mapping[str, StepType]
) -> tuple[Workflow, Mapping[str, Persona]]:
    """A definition as it was stored: the workflow, and the personas it may ask.

    Raises:
        TamperedDefinitionError: the document does not hash to `digest`.
        UnreadableDefinitionError: this program does not know the format or a step type in it.
    """
    found = digest_of(document)
    if found != digest:
        raise TamperedDefinitionError(digest, found)
    content = json.loads(document)
    if content.get("format") != FORMAT:
        raise UnreadableDefinitionError(digest, f"its format is {content.get('format')!r}")
    compiled, personas = _Stored(content.get(CLOSURE, {}), step_types).compile(digest, content)
    used = {name: each.persona for name, each in personas.files.items()}
    return compiled.workflow, {RUN_PERSONA.name: RUN_PERSONA, **used}


@dataclass(slots=True)
class _Stored:
    """A stored document on its way back to a definition, with those that it holds."""

    closure: Mapping[str, Mapping[str, Any]]
    step_types: Mapping[str, StepType]
    done: dict[str, Compiled] = field(default_factory=dict)
    """By digest."""

    def compile(self, digest: str, content: Mapping[str, Any]) -> tuple[Compiled, Personas]:
        """The definition in a part of the document, which has to be what `digest` says."""
        called = {name: self._child(each) for name, each in content.get(CHILDREN, {}).items()}
        faults = Faults(f"<{digest}>")
        report = Reporter(Document("", None).positions, faults, is_heard=False)
        personas = Personas(has_folder=False)
        for plain in content["personas"].values():
            persona = read_persona(Document("", plain), report)
            if persona is not None:
                personas.add(persona)
        file = read_workflow(
            Document("", content["workflow"]),
            report,
            step_types=self.step_types,
            environments=Environments(stored=content.get("env", {})),
        )
        workflows = Workflows(called)
        compiled = None if file is None else finish_workflow(file, personas, workflows)
        if compiled is None or compiled.digest != digest:
            reasons = [each.message for each in faults.found if each.severity == "error"]
            why = "; ".join(reasons[:3]) or "it compiles differently"
            raise UnreadableDefinitionError(digest, why)
        return compiled, personas

    def _child(self, digest: str) -> Compiled:
        if digest not in self.done:
            self.done[digest] = self.compile(digest, self.closure[digest])[0]
        return self.done[digest]
