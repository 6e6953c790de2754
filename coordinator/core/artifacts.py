"""What replies say they made: kept with their node, and listed for expressions in settle order.

| among the results   | holds                                                        |
|---------------------|--------------------------------------------------------------|
| `<path>@artifacts`  | `{kept, left_out}` of the node's last final reply            |
| `@artifacts/<n>`    | `[path, settled]` of the n-th node to succeed with artifacts |

So a reply writes two small entries however many there are already, and only who reads `artifacts`
pays for the list. A node that began anew is no longer the one that its old entry names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from coordinator.core.ids import static_path
from coordinator.core.jsontext import dump
from coordinator.core.places import RunReader
from coordinator.core.state import NodeStatus
from coordinator.core.turn import Turn

MOST: Final = 100
"""Artifacts of one reply."""
MAX_BYTES: Final = 4_096
"""Of one artifact, as JSON."""
_OF: Final = "@artifacts"
_MOST_NAMED: Final = 10

Artifact = Mapping[str, Any]


def keep_artifacts(turn: Turn, path: str, artifacts: Sequence[Artifact]) -> None:
    """Keep what a final reply brought; what is too much is named in the node's reason."""
    if not artifacts:
        forget_artifacts(turn, path)
        return
    kept: list[Artifact] = []
    left_out: list[str] = []
    for number, each in enumerate(artifacts, 1):
        if len(kept) < MOST and len(dump(each)) <= MAX_BYTES:
            kept.append(each)
        else:
            left_out.append(name_of(each, number))
    turn.results[path + _OF] = {"kept": kept, "left_out": left_out[:MOST]}
    if left_out:
        turn.note(path, turn.node(path)._replace(reason=_told(left_out)))


def forget_artifacts(turn: Turn, path: str) -> None:
    """Another attempt begins: what the last one made counts no more."""
    if turn.result(path + _OF) is not None:
        turn.results[path + _OF] = None


def list_artifacts(turn: Turn, path: str, settled: int) -> None:
    """The node succeeds as the `settled`-th: what it made joins the list."""
    if turn.result(path + _OF) is None:
        return
    number = turn.record.artifacts + 1
    turn.record = turn.record._replace(artifacts=number)
    turn.results[f"{_OF}/{number}"] = [path, settled]


def artifacts_of(run: RunReader) -> list[dict[str, object]]:
    """All artifacts of the nodes that succeeded, in the order in which those settled."""
    found: list[dict[str, object]] = []
    for path in _listed(run):
        step = static_path(path).rpartition("/")[2]
        kept, _ = node_artifacts(run.result(path + _OF))
        found += ({**each, "step": step, "node": path} for each in kept)
    return found


def _listed(run: RunReader) -> Iterator[str]:
    for number in range(1, run.record.artifacts + 1):
        match run.result(f"{_OF}/{number}"):
            case [str(path), int(settled)]:
                state = run.find(path)
                is_same = state is not None and state.settled == settled
                if is_same and state is not None and state.status is NodeStatus.SUCCEEDED:
                    yield path


def place_of(path: str) -> str:
    """Where among the results a node's artifacts are."""
    return path + _OF


def node_artifacts(entry: object) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
    """What the entry of a node holds: its artifacts, and the names of those left out."""
    if not isinstance(entry, Mapping):
        return (), ()
    return tuple(entry.get("kept", ())), tuple(entry.get("left_out", ()))


def name_of(artifact: Artifact, number: int = 0) -> str:
    """What people call the artifact."""
    for key in ("name", "path", "url", "ref"):
        if isinstance(artifact.get(key), str) and artifact[key]:
            return str(artifact[key])[:120]
    return f"number {number}" if number else "one without a name"


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    limits = f"at most {MOST} of {MAX_BYTES:,} bytes each are kept"
    return f"artifacts left out ({limits}): {', '.join(names[:_MOST_NAMED])}{more}"
