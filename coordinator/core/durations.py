"""Times as people write them: a bare number is seconds; `90s`, `15m`, `1h30m`,
`2d`, or ISO 8601.
"""

from __future__ import annotations

import math
import re
from typing import Final

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_WORDS: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")
_ISO: Final = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_LONGEST_MS: Final = 366 * 86_400_000 * 10


class DurationError(ValueError):
    """The text or number is not a duration we know, is not above zero, or is longer
    than ten years.
    """

    def __init__(self, value: object) -> None:
        super().__init__(
            f"{value!r} is not a duration: write seconds (90), or 90s, 15m, 1h30m, 2d, PT15M; "
            "above zero and at most ten years"
        )
        self.value = value


def duration_ms(value: object) -> int:
    """The duration in milliseconds, at least 1.

    Raises:
        DurationError: `value` is not one.
    """
    milliseconds = _number(value) if not isinstance(value, str) else _text(value.strip())
    if milliseconds is None or not 0 < milliseconds <= _LONGEST_MS:
        raise DurationError(value)
    return max(1, round(milliseconds))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value * 1_000


def _text(text: str) -> float | None:
    if len(text) > 64:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return float(text) * 1_000
    if _WORDS.fullmatch(text):
        return sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))
    iso = _ISO.fullmatch(text.upper())
    if iso is None or not any(iso.groupdict().values()):
        return None
    return sum(float(value) * _UNITS_MS[unit] for unit, value in iso.groupdict().items() if value)


def duration_text(milliseconds: int) -> str:
    """The duration as a person reads it: `250ms`, `45s`, `2m05s`, `1h30m`, `3d04h`."""
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    seconds = milliseconds // 1_000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3_600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 86_400:
        return f"{seconds // 3_600}h{seconds % 3_600 // 60:02d}m"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3_600:02d}h"
