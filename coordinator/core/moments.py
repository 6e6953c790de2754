"""Moments as people write them: RFC 3339 with a zone, such as `2026-08-01T09:00:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORM: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_LONGEST: Final = 64
_CURE: Final = "write it with date, time and zone, as in 2026-08-01T09:00:00Z"


class MomentError(ValueError):
    """The value is not a moment that has a date, a time and a zone."""

    def __init__(self, value: object, why: str = "is not a time") -> None:
        super().__init__(f"{str(value)[:_LONGEST]!r} {why}: {_CURE}")
        self.value = value


def moment_ms(value: object) -> int:
    """The moment in milliseconds since 1970; negative before that.

    Raises:
        MomentError: `value` is not text, not a moment, or says no zone.
    """
    text = value.strip() if isinstance(value, str) else ""
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise MomentError(value)
    if found["zone"] is None:
        raise MomentError(value, "has no zone")
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MomentError(value) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_text(milliseconds: int) -> str:
    """The moment in UTC with its zone, to the millisecond."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
