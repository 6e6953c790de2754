"""Who waits for a signal, and signals that came before anybody did.

What concerns one name is one small entry of the run, and what came with a signal that is kept has a
place beside it; so a signal costs those who wait for it, however large the run is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypedDict, cast

from coordinator.core.turn import CHUNK, Turn

MOST_KEPT: Final = 100
"""Signals of one name that a run keeps for later, and ids of signals by which it knows repeats."""
_PREFIX: Final = "@signal/"


class Signal(TypedDict):
    """What came with a signal."""

    by: str
    values: Mapping[str, object]


class Delivery(NamedTuple):
    """A signal, and some of the nodes that waited when it came, with the attempt that did."""

    signal: Signal
    nodes: Mapping[str, int]


class _Batch(TypedDict):
    signal: Signal
    nodes: dict[str, int]


class _Entry(TypedDict):
    waiting: dict[str, int]
    """Node -> the attempt that waits."""
    kept: list[int]
    """The numbers of those not used yet, the oldest first; each has a place of its own."""
    last: int
    """The number of the newest that was kept."""
    going: list[_Batch]
    """Signals that came, and the nodes that did not go on yet."""
    seen: list[str]
    """Ids of the events of the last ones."""


def _entry(turn: Turn, name: str) -> _Entry:
    """The entry of this name, for this turn to change."""
    key = _PREFIX + name
    if key not in turn.results:
        known = cast("_Entry", turn.state.results.get(key) or {})
        turn.results[key] = {
            "waiting": dict(known.get("waiting", {})),
            "kept": list(known.get("kept", ())),
            "last": known.get("last", 0),
            "going": list(known.get("going", ())),
            "seen": list(known.get("seen", ())),
        }
    return cast("_Entry", turn.results[key])


def _place(name: str, number: int) -> str:
    """Where a kept signal is."""
    return f"{_PREFIX}{name}/{number}"


def arrive(turn: Turn, name: str, signal: Signal) -> bool:
    """Take a signal in: for all who wait now, else for whoever waits next.

    Whether somebody waited. What is repeated, or too much to keep, is told to the turn.
    """
    entry = _entry(turn, name)
    if turn.event.id in entry["seen"]:
        turn.ignored = "repeated"
        return False
    if not entry["waiting"] and len(entry["kept"]) >= MOST_KEPT:
        turn.refused = f"{MOST_KEPT} signals {name!r} are kept already, and nothing waits for one"
        return False
    entry["seen"] = [*entry["seen"], turn.event.id][-MOST_KEPT:]
    if not entry["waiting"]:
        entry["last"] += 1
        entry["kept"].append(entry["last"])
        turn.results[_place(name, entry["last"])] = signal
        return False
    entry["going"].append({"signal": signal, "nodes": entry["waiting"]})
    entry["waiting"] = {}
    return True


def take(turn: Turn, name: str) -> Signal | None:
    """The oldest signal that was kept; nobody gets it again."""
    entry = _entry(turn, name)
    if not entry["kept"]:
        return None
    place = _place(name, entry["kept"].pop(0))
    signal = cast("Signal", turn.result(place))
    turn.results[place] = None
    return signal


def join(turn: Turn, name: str, path: str, attempt: int) -> None:
    """This attempt of the node waits from now on."""
    _entry(turn, name)["waiting"][path] = attempt


def leave(turn: Turn, name: str, path: str) -> None:
    """The node does not wait any more."""
    _entry(turn, name)["waiting"].pop(path, None)


def next_delivery(turn: Turn, name: str) -> Delivery | None:
    """Some of the nodes that the oldest signal under way is for; None when all have it."""
    going = _entry(turn, name)["going"]
    if not going:
        return None
    batch = going[0]
    nodes = list(batch["nodes"].items())
    if len(nodes) > CHUNK:
        going[0] = {"signal": batch["signal"], "nodes": dict(nodes[CHUNK:])}
    else:
        del going[0]
    return Delivery(batch["signal"], dict(nodes[:CHUNK]))
