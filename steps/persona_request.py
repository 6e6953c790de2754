"""`persona-request`: ask a persona, and settle with what it answers."""

from __future__ import annotations

from typing import Final

from coordinator.core.definition import Ask, Channel
from coordinator.core.lowering import Addressee, Parts, StepType
from coordinator.core.templates import compile_value
from steps.keys import OwnKeys


class PersonaRequestKeys(OwnKeys):
    """A persona request has no keys of its own: `persona`, `params` and `timeout` do."""


def lower(parts: Parts) -> Ask:
    """A request to the persona, with what the persona's file says about it."""
    to = parts.addressee or Addressee(name=parts.id)
    return Ask(
        channel=to.channel,
        target=to.name,
        params=compile_value(parts.params),
        files=to.files,
        timeout=parts.timeout,
        deadline=parts.given_timeout if to.channel is Channel.HUMAN else None,
        tests_required=to.tests_required,
        limits=parts.limits,
        form=to.form,
        assignees=to.assignees,
    )


PERSONA_REQUEST: Final = StepType(
    name="persona-request",
    description="Ask a persona; with timeout, retries and a structured result.",
    keys=PersonaRequestKeys,
    lower=lower,
    result={"description": "what the persona returns; its result_schema says more"},
    asks_persona=True,
)
