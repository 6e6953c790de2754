"""Large results are kept before the commit that refers to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coordinator.core.events import Event, Replied
from coordinator.ports import Delivery, JournalEntry, RunStore


async def keep_large_results(
    store: RunStore, decided: Iterable[tuple[Delivery, Event]], journal: Iterable[JournalEntry]
) -> None:
    """Keep the results that the applied replies among `decided` name by reference.

    What was ignored is not kept, so that a late or forged reply fills no store. Doing it again, or
    without the commit after it, does no harm.
    """
    applied = {entry.event.id for entry in journal}
    for delivery, event in decided:
        if not isinstance(event, Replied) or event.id not in applied:
            continue
        named = event.result
        if event.is_reference and isinstance(named, Mapping):
            await store.keep_blob(str(named["sha256"]), delivery.fields["result"].encode())
