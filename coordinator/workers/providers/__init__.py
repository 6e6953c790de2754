"""Who answers a request: one provider for each kind of persona that this worker can serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.ports import Request
from coordinator.workers.replies import Answer, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, and the persona as the run's definition knows it."""

    request: Request
    persona: Persona


class Provider(Protocol):
    """Answers requests to personas of one kind."""

    async def answer(self, asked: Asked) -> Answer:
        """The answer; a failure of the persona is an answer too.

        Being cancelled means: stop at once what was started, leave nothing behind.
        """


Providers = Mapping[PersonaKind, Provider]


async def answer(providers: Providers, asked: Asked) -> Answer:
    """The answer of the provider for the persona's kind; a refusal where there is none."""
    persona = asked.persona
    provider = providers.get(persona.kind)
    if provider is None:
        served = ", ".join(sorted(kind.value for kind in providers)) or "none"
        return refused(
            f"persona {persona.name!r} is of kind {persona.kind.value!r}, which this worker does "
            f"not serve (it serves: {served}); start a worker that does"
        )
    return await provider.answer(asked)
