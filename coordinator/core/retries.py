"""PURE. Why attempts fail, and how patiently a node is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ErrorClass(StrEnum):
    """Why an attempt failed; `retry.on` names the ones worth another attempt."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    RATE_LIMIT = "rate_limit"
    INVALID_REPLY = "invalid_reply"
    REFUSED = "refused"
    PERSONA_ERROR = "persona_error"
    STEP_ERROR = "step_error"
    GATE = "gate"
    EXHAUSTED = "exhausted"
    BUDGET = "budget"
    HUMAN_TIMEOUT = "human_timeout"
    CANCELLED = "cancelled"


RETRIED_BY_DEFAULT: Final = frozenset(
    {
        ErrorClass.TIMEOUT,
        ErrorClass.TRANSPORT,
        ErrorClass.RATE_LIMIT,
        ErrorClass.INVALID_REPLY,
        ErrorClass.PERSONA_ERROR,
    }
)


class Backoff(StrEnum):
    """How the pause grows from one attempt to the next."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how patiently a node is tried again."""

    max_attempts: int = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    delay_ms: int = 1_000
    max_delay_ms: int = 300_000
    max_total_ms: int | None = None
    """No further attempt starts later than this after the first one."""
    on: frozenset[ErrorClass] = RETRIED_BY_DEFAULT
