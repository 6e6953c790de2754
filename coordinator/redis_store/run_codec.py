"""A run as the fields of a hash, one per entry, so that a save writes only what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coordinator.core import codec
from coordinator.core.events import Event
from coordinator.core.jsontext import dump, parse
from coordinator.core.pmap import PMap
from coordinator.core.state import Changes, RunState
from coordinator.ports import JournalEntry, StoredRun


def written_fields(changes: Changes) -> tuple[list[str | bytes], list[str]]:
    """What a save sets, as name and value in turn, and the names it removes."""
    written: list[str | bytes] = []
    removed: list[str] = []
    if changes.head is not None:
        written += ("head", dump(codec.head_data(changes.head)))
    written += ("record", dump(codec.record_data(changes.record)))
    for path, node in changes.nodes.items():
        _put(written, removed, f"n:{path}", None if node is None else codec.node_data(node))
    for path, scope in changes.scopes.items():
        _put(written, removed, f"s:{path}", None if scope is None else codec.scope_data(scope))
    for path, result in changes.results.items():
        _put(written, removed, f"r:{path}", result)
    for name, value in changes.values.items():
        _put(written, removed, f"v:{name}", value)
    return written, removed


def _put(written: list[str | bytes], removed: list[str], name: str, data: object) -> None:
    if data is None:
        removed.append(name)
    else:
        written += (name, dump(data))


def run_from(run: str, reply: list[bytes]) -> StoredRun | None:
    """The run in a hash, given as name and value in turn.

    Raises:
        UnknownFormatError: a newer version wrote it.
    """
    fields = {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}
    if "head" not in fields:
        return None
    parts: dict[str, dict[str, Any]] = {"n": {}, "s": {}, "r": {}, "v": {}}
    for name, value in fields.items():
        part, colon, path = name.partition(":")
        if colon and part in parts:
            parts[part][path] = parse(value)
    state = RunState(
        id=run,
        head=codec.head_from(parse(fields["head"])),
        record=codec.record_from(parse(fields["record"])),
        nodes=_each(parts["n"], codec.node_from),
        scopes=_each(parts["s"], codec.scope_from),
        results=PMap(parts["r"]),
        values=PMap(parts["v"]),
    )
    return StoredRun(revision=int(fields["rev"]), state=state)


def _each(parts: Mapping[str, Any], read: Callable[[Any], Any]) -> PMap[Any]:
    return PMap({path: read(data) for path, data in parts.items()})


def journal_bytes(entry: JournalEntry) -> bytes:
    """A journal entry as it is stored."""
    data: dict[str, object] = {"e": codec.event_data(entry.event)}
    if entry.moves:
        data["m"] = [list(move) for move in entry.moves]
    return dump(data)


def journal_from(text: bytes) -> JournalEntry:
    """The entry that `journal_bytes` wrote."""
    data = parse(text)
    event: Event = codec.event_from(data["e"])
    moves = tuple((str(m[0]), str(m[1]), int(m[2])) for m in data.get("m", ()))
    return JournalEntry(event=event, moves=moves)
