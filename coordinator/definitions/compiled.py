"""What a workflow file becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coordinator.core.definition import Workflow
from coordinator.core.expressions import Expression
from coordinator.core.ids import Digest


@dataclass(frozen=True, slots=True)
class Match:
    """Which tasks a workflow is for; empty tuples and None ask for nothing."""

    types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    when: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A workflow without faults, and the document that its digest is of."""

    workflow: Workflow
    document: bytes = field(repr=False)
    """Canonical JSON of the workflow, its personas, their prompts, and the workflows it runs."""
    personas: tuple[str, ...] = ()
    """Names of the personas that the document holds."""
    children: Mapping[Digest, Compiled] = field(default_factory=dict, repr=False)
    """The workflows that its steps run, and those that these run."""
    height: int = 1
    """How many workflows run inside each other, this one included."""
    match: Match | None = None
    file: str = ""
    about: Mapping[str, object] = field(default_factory=dict)
    """What is kept and shown: author, tags, labels, intents, triggers."""

    @property
    def digest(self) -> Digest:
        """The name of the document."""
        return self.workflow.digest

    @property
    def documents(self) -> dict[Digest, bytes]:
        """Every document that a run of it may need, its own and its children's, by digest."""
        below = {digest: each.document for digest, each in self.children.items()}
        return {**below, self.digest: self.document}
