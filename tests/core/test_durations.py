"""Durations: what is read, and what is refused."""

from __future__ import annotations

import math

import pytest

from coordinator.core.durations import DurationError, duration_ms

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (90, 90 * SECOND),
        (0.5, 500),
        ("90", 90 * SECOND),
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("1h30m", HOUR + 30 * MINUTE),
        ("2d", 2 * DAY),
        ("PT15M", 15 * MINUTE),
        ("P1DT2H", DAY + 2 * HOUR),
    ],
)
def test_a_duration_is_read(given: object, wanted: int) -> None:
    assert duration_ms(given) == wanted


@pytest.mark.parametrize(
    "given",
    [
        0,
        -1,
        math.inf,
        math.nan,
        True,
        None,
        [],
        "",
        "soon",
        "15 parsecs",
        "-5m",
        "0s",
        "PT",
        10**12,
    ],
)
def test_what_is_no_duration_is_refused(given: object) -> None:
    with pytest.raises(DurationError) as refused:
        duration_ms(given)
    assert str(refused.value)
