"""What a workflow says of runs that must not all go at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.core.templates import Value


class OnConflict(StrEnum):
    """What a run does when all slots of its concurrency key are held."""

    QUEUE = "queue"
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many runs of one key may go at a time, whatever their workflows are."""

    key: Value
    limit: int = 1
    on_conflict: OnConflict = OnConflict.QUEUE
