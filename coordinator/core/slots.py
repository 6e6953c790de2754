"""Runs that share a limit: one that has a concurrency key begins when it has a slot of that key.

Who holds a key is known to the store alone. A run asks with its first commit, waits, and is told
through its inbox; it gives its slot back with the commit that ends it. Every asking has a number,
so that word of an earlier one means nothing to a run that asks again.
"""

from __future__ import annotations

from typing import Final

from coordinator.core.commands import AcquireSlot, ReleaseSlot
from coordinator.core.concurrency import Concurrency
from coordinator.core.context import RunScope
from coordinator.core.events import SlotGranted, SlotRefused
from coordinator.core.jsontext import text_of
from coordinator.core.state import Phase, RunRecord
from coordinator.core.templates import TemplateError
from coordinator.core.turn import Turn

MAX_KEY: Final = 500
"""Characters of a concurrency key."""


class NoKeyError(Exception):
    """The workflow's concurrency key cannot be made for this run."""


def ask_for_slot(turn: Turn) -> bool:
    """Have the run wait for a slot of its key; also one that begins again after its end.

    False if it needs none: its workflow has no key, or a run above it holds that key already.

    Raises:
        NoKeyError: the key is no text and no number; nothing was asked for.
    """
    concurrency, parent = turn.definition.concurrency, turn.head.parent
    if concurrency is None:
        return False
    key = _key_of(turn, concurrency)
    if parent is not None and key in parent.keys:
        return False
    attempt = turn.record.slot_attempt + 1
    turn.record = turn.record._replace(
        phase=Phase.QUEUED, slot=key, slot_attempt=attempt, asked_ms=turn.at_ms, granted_ms=0
    )
    turn.command(
        AcquireSlot(
            key=key, limit=concurrency.limit, on_conflict=concurrency.on_conflict, attempt=attempt
        )
    )
    return True


def replaced_by(run: str, key: str) -> dict[str, object]:
    """The signal to a run that has to make room for another one of its concurrency key."""
    reason = f"it takes the place of this one ({key})"
    return {"kind": "cancel", "by": f"run {run}", "reason": reason}


def _key_of(turn: Turn, concurrency: Concurrency) -> str:
    try:
        value = concurrency.key.render(RunScope(turn))
    except TemplateError as error:
        raise NoKeyError(f"concurrency.key: {error}") from None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        found = "null" if value is None else f"a {type(value).__name__}"
        raise NoKeyError(f"concurrency.key has to give text or a number, not {found}")
    key = text_of(value)
    if not key.strip():
        raise NoKeyError("concurrency.key has to give text or a number; it gave an empty text")
    if len(key) > MAX_KEY:
        raise NoKeyError(f"concurrency.key gave {len(key)} characters; at most {MAX_KEY}")
    return key


def is_awaited(turn: Turn, event: SlotGranted | SlotRefused) -> bool:
    """Whether the run waits for this word; otherwise it is late or repeated, and ignored."""
    record = turn.record
    if event.attempt == record.slot_attempt and waits_for_slot(record):
        return True
    turn.ignored = "repeated" if event.attempt == record.slot_attempt else "late"
    return False


def waits_for_slot(record: RunRecord) -> bool:
    """Whether the run has asked for a slot and has none yet."""
    return record.phase is Phase.QUEUED and not record.granted_ms


def release_slot(turn: Turn) -> None:
    """Give the slot back, or the place in the queue; the next one's turn comes."""
    concurrency, record = turn.definition.concurrency, turn.record
    if concurrency is not None and record.slot:
        turn.command(
            ReleaseSlot(key=record.slot, limit=concurrency.limit, attempt=record.slot_attempt)
        )
