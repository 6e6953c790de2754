"""A persona: who can be asked, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from coordinator.core.definition import Files
from coordinator.core.schemas import Contract


class PersonaKind(StrEnum):
    """How a persona is reached."""

    LLM = "llm"
    COMMAND = "command"
    HUMAN = "human"
    HTTP = "http"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One persona file, checked, with every default filled in."""

    name: str
    kind: PersonaKind
    description: str = ""
    aliases: tuple[str, ...] = ()
    status: str = "enabled"
    """`draft`, `enabled` or `disabled`; only enabled ones may be used by a workflow."""
    capabilities: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    files: Files = Files.NONE
    timeout_ms: int | None = None
    """Of one request, where the step names none."""
    concurrency: int | None = None
    """Across all workers."""
    tests_required: bool = False
    """`tests: required`: a pass that says no tests ran is a fail."""
    input_schema: Mapping[str, object] = field(default_factory=dict)
    result_schema: Mapping[str, object] = field(default_factory=dict)
    contract: Contract = field(default_factory=Contract)
    """The two schemas, ready for use."""
    command: tuple[str, ...] = ()
    """Of `command`: argv templates; each element stays one argument, never a shell."""
    exit_codes: Mapping[int, str] = field(default_factory=lambda: {0: "pass", 1: "fail"})
    """Of `command`: exit code -> verdict; any other code is a `persona_error`."""
    form: Mapping[str, object] = field(default_factory=dict)
    assignees: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """Keys of other kinds (`llm`, `http`, `legacy`), as checked."""
