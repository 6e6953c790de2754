"""Slots of concurrency keys in memory; the same rules as in the commit script on Redis."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.core.commands import AcquireSlot, ReleaseSlot
from coordinator.core.concurrency import OnConflict
from coordinator.core.ids import RunId
from coordinator.core.jsontext import dump_text
from coordinator.core.slots import replaced_by
from coordinator.memory_store.memory import Memory, Slot


def change(memory: Memory, run: RunId, command: AcquireSlot | ReleaseSlot) -> None:
    """Carry the command out, and tell whoever is concerned."""
    if isinstance(command, AcquireSlot):
        _acquire(memory, run, command)
    else:
        _release(memory, run, command)


def _acquire(memory: Memory, run: RunId, command: AcquireSlot) -> None:
    known = memory.keys.setdefault(command.key, [])
    held = [slot for slot in known if slot.is_held]
    waiting = [slot for slot in known if not slot.is_held]
    is_replacing = command.on_conflict is OnConflict.REPLACE
    signal = dump_text(replaced_by(run, command.key))
    if is_replacing:
        _cancel(memory, waiting, signal)
        known[:] = held
        waiting = []
    is_full = bool(waiting) or len(held) >= command.limit
    if is_full and command.on_conflict is OnConflict.SKIP:
        word = {"slot": "refused", "attempt": str(command.attempt), "holder": min(held).run}
        memory.add("inbox", {"run": run, **word})
        return
    if is_full and is_replacing:
        _cancel(memory, held, signal)
    known.append(Slot(run, command.attempt, command.limit))
    _take_turns(memory, command.key)


def _release(memory: Memory, run: RunId, command: ReleaseSlot) -> None:
    known = memory.keys.get(command.key, [])
    known[:] = [slot for slot in known if (slot.run, slot.attempt) != (run, command.attempt)]
    _take_turns(memory, command.key)


def _cancel(memory: Memory, slots: Sequence[Slot], signal: str) -> None:
    for slot in slots:
        memory.add("inbox", {"run": slot.run, "signal": signal})


def _take_turns(memory: Memory, key: str) -> None:
    """Nobody overtakes: while one waits, those behind it do."""
    known = memory.keys.get(key, [])
    held = sum(slot.is_held for slot in known)
    while held < len(known) and held < known[held].limit:
        slot = known[held] = known[held]._replace(is_held=True)
        memory.add("inbox", {"run": slot.run, "slot": "granted", "attempt": str(slot.attempt)})
        held += 1
    if not known:
        memory.keys.pop(key, None)
