"""Who answers a request: one provider for each kind of persona that this worker can serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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


PersonaOf = Callable[[str, str], Awaitable[Persona | None]]
"""From a definition's digest and a persona's name to the persona as that document has it."""


class Personas:
    """Answers every request to a persona, by the provider for its kind."""

    def __init__(self, providers: Providers, persona_of: PersonaOf) -> None:
        self._providers = providers
        self._persona_of = persona_of

    async def answer(self, request: Request) -> Answer:
        """The persona's answer, or why there is none.

        Raises:
            StoreUnavailableError: the run's definition could not be read; nothing was started.
        """
        persona = await self._persona_of(request.digest, request.target)
        if persona is None:
            return refused(
                f"the run's definition {request.digest[:19]} has no persona {request.target!r}"
            )
        return await answer(self._providers, Asked(request=request, persona=persona))


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
