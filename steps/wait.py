"""`wait`: let time pass, or wait for a signal that somebody sends to the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from coordinator.core.definition import Wait
from coordinator.core.ids import SIGNAL_NAME
from coordinator.core.lowering import Mark, Parts, StepKeyError, StepType
from steps.keys import OwnKeys

_CHOICES: Final = ("for", "until", "signal")


class WaitKeys(OwnKeys):
    """What is waited for; exactly one of the three is given."""

    duration: Annotated[Any, Mark.DURATION_TEMPLATE] = Field(None, alias="for")
    until: Annotated[Any, Mark.MOMENT_TEMPLATE] = None
    signal: str | None = Field(
        None, json_schema_extra={"pattern": f"^{SIGNAL_NAME.pattern}$"}, description="its name"
    )

    @field_validator("signal")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is None or SIGNAL_NAME.fullmatch(value):
            return value
        raise ValueError(
            "signals begin with a small letter, then small letters, digits, _ or -; at most 63"
        )


def lower(parts: Parts) -> Wait:
    """A wait for the one that is given; a time limit counts only where a signal is waited for."""
    given = [key for key in _CHOICES if parts.own.get(key) is not None]
    if not given:
        raise StepKeyError("for", "a wait needs for, until or signal")
    if len(given) > 1:
        raise StepKeyError(given[1], f"{given[1]} and {given[0]} exclude each other; keep one")
    return Wait(
        duration=parts.own.get("for"),
        until=parts.own.get("until"),
        signal=parts.own.get("signal"),
        timeout=parts.given_timeout if given == ["signal"] else None,
    )


def unused(own: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of every step that do nothing here."""
    limits = () if own.get("signal") is not None else ("timeout",)
    return (*limits, "params", "git", "gate")


RESULT: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "of for and until waited_seconds; of signal who sent it, and with what",
    "properties": {
        "waited_seconds": {"type": "number", "minimum": 0},
        "by": {"type": "string", "description": "who sent the signal; empty where nobody says"},
        "values": {"type": "object", "description": "what was sent with it"},
    },
}

WAIT: Final = StepType(
    name="wait",
    description="Let time pass, or wait until a moment, or for a named signal to the run.",
    keys=WaitKeys,
    lower=lower,
    result=RESULT,
    has_verdict=False,
    unused=unused,
)
