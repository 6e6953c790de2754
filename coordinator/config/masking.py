"""Settings as people may see them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from coordinator.config.settings import Settings
from coordinator.config.table import SETTINGS
from coordinator.core.durations import duration_text

_PASSWORD: Final = re.compile(
    r"(?P<start>://[^/@:\s]*:)\S*(?=@)|(?P<key>[?&](?:password|token)=)[^&\s]*", re.IGNORECASE
)
_BARE_TOKEN: Final = re.compile(r"(?<=://)[^/@:\s]{16,}(?=@)")


def masked(settings: Settings) -> dict[str, tuple[str, str]]:
    """Setting -> its value as text without secrets, and its origin; in the table's order."""
    return {
        one.key: (_shown(settings.value(one.key)), settings.origins[one.key]) for one in SETTINGS
    }


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return duration_text(round(value / timedelta(milliseconds=1)))
    if isinstance(value, tuple):
        return ", ".join(_shown(one) for one in value)
    return mask_url(str(value))


def mask_url(text: str) -> str:
    """The text with the passwords of its URLs replaced by stars."""
    text = _PASSWORD.sub(lambda found: f"{found['start'] or found['key']}***", text)
    return _BARE_TOKEN.sub("***", text)
