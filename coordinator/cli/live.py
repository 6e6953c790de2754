"""A run as it happens: a live tree on a terminal, one line per change in a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from coordinator.cli.connection import definition_of, find_run
from coordinator.cli.errors import CommandError
from coordinator.cli.text import clean, json_text, one_line, rfc3339
from coordinator.core.report import NodeRow, rows
from coordinator.core.state import NodeStatus, RunState
from coordinator.ports import JournalRecord

if TYPE_CHECKING:
    from coordinator.core.definition import Workflow
    from coordinator.core.ids import RunId
    from coordinator.wiring import Connection

_POLL_MS: Final = 1_000
_REST: Final = 4
"""How many times longer than reading a run took it is left alone: many nodes take long."""
_LONGEST_REST_SECONDS: Final = 2.0
_PATIENCE: Final = 20
_PAUSE_SECONDS: Final = 0.1
_MARKS: Final = {
    NodeStatus.SUCCEEDED: ("✓", "green"),
    NodeStatus.FAILED: ("✗", "red"),
    NodeStatus.SKIPPED: ("-", "dim"),
    NodeStatus.CANCELLED: ("-", "dim"),
    NodeStatus.RUNNING: ("●", "cyan"),
    NodeStatus.WAITING: ("?", "yellow"),
    NodeStatus.BACKING_OFF: ("↻", "yellow"),
    NodeStatus.AWAITING_REVIEW: ("?", "yellow"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The run as it is now, and what led there since the last change."""

    state: RunState
    records: tuple[JournalRecord, ...]


class View(Protocol):
    """Shows changes."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *reason: object) -> None: ...

    def show(self, change: Change, definition: Workflow | None) -> None:
        """Show what is new."""


async def changes(
    connection: Connection, run: RunId, *, after: str = "0-0"
) -> AsyncIterator[Change]:
    """The run, again and again as it changes after that entry of its journal, until it has ended.

    Raises:
        CommandError: the task was refused, so that there will be no run.
    """
    is_news = True
    while True:
        records = await connection.desk.journal(run, after=after, wait_ms=_POLL_MS)
        began = monotonic()
        [stored] = await connection.store.load([run])
        took = monotonic() - began
        if stored is None:
            await _refuse(connection, run)
            continue
        after = records[-1].id if records else after
        has_ended = stored.state.record.status.is_final
        if records or (is_news and has_ended):
            is_news = False
            yield Change(state=stored.state, records=tuple(records))
            await asyncio.sleep(min(took * _REST, _LONGEST_REST_SECONDS))
        elif has_ended:
            return


async def await_run(connection: Connection, prefix: str) -> RunId:
    """The run whose id begins with `prefix`; one that was submitted a moment ago is waited for.

    Raises:
        NotFoundError: there is none.
        CommandError: its task was refused.
    """
    from coordinator.core.ids import RUN_ID, RunId

    for _ in range(_PATIENCE if RUN_ID.match(prefix) else 0):
        if await connection.desk.find(prefix):
            break
        await _refuse(connection, RunId(prefix))
        await asyncio.sleep(_PAUSE_SECONDS)
    return await find_run(connection.desk, prefix)


async def _refuse(connection: Connection, run: RunId) -> None:
    from coordinator.core.ids import run_id_for

    for letter in await connection.desk.dead_letters(limit=200):
        if letter.stream == "tasks" and run_id_for(letter.entry_id) == run:
            raise CommandError(f"the run was not accepted: {letter.reason}")


async def follow(
    connection: Connection,
    run: RunId,
    view: View,
    *,
    until: Callable[[RunState], bool] | None = None,
    after: str = "0-0",
) -> RunState:
    """Show a run until it has ended, or until `until` says so; its last state."""
    definition: Workflow | None = None
    state: RunState | None = None
    with view:
        async for change in changes(connection, run, after=after):
            if state is None:
                definition = await definition_of(connection.definitions, change.state.head.digest)
            state = change.state
            view.show(change, definition)
            if state.record.status.is_final or (until is not None and until(state)):
                break
    if state is None:
        raise CommandError(f"run {run} has no journal")
    return state


def view_for(form: str = "text", *, quiet: bool = False) -> View:
    """The view that fits where stdout leads."""
    if quiet:
        return Nothing()
    if form == "json":
        return JsonLines()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return Tree()
    return Lines(sys.stdout.write)


class Nothing:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Nothing is left to do."""

    def show(self, change: Change, definition: Workflow | None) -> None:
        """Nothing happens."""


class Lines(Nothing):
    """`<time> <path> <status> [verdict] [reason]`, one line per change."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def show(self, change: Change, definition: Workflow | None) -> None:
        """A line for each move, and one for the run when its status changed for good."""
        for record, path, status in _moves(change):
            known = change.state.nodes.get(path)
            is_last = known is not None and known.status.value == status
            told = _told(known.verdict, known.reason, known.error) if known and is_last else ""
            time = rfc3339(record.entry.event.at_ms)
            self._write(clean(f"{time} {path} {status}{told}") + "\n")
        record_ = change.state.record
        if record_.status.is_final:
            told = _told(None, "", record_.error)
            self._write(clean(f"{rfc3339(record_.ended_ms)} run {record_.status}{told}") + "\n")
        sys.stdout.flush()


class JsonLines(Nothing):
    """The same as NDJSON: one object per change."""

    def show(self, change: Change, definition: Workflow | None) -> None:
        """A line for each move, and one for the run when it ended."""
        for record, path, status in _moves(change):
            known = change.state.nodes.get(path)
            is_last = known is not None and known.status.value == status
            self._line(
                at=rfc3339(record.entry.event.at_ms),
                path=path,
                status=status,
                attempt=next(a for p, s, a in record.entry.moves if (p, s) == (path, status)),
                verdict=known.verdict if known and is_last else None,
                reason=known.reason if known and is_last else "",
            )
        ended = change.state.record
        if ended.status.is_final:
            self._line(at=rfc3339(ended.ended_ms), run=change.state.id, status=ended.status.value)

    def _line(self, **fields: object) -> None:
        sys.stdout.write(json_text(fields, indent=None) + "\n")
        sys.stdout.flush()


def _moves(change: Change) -> list[tuple[JournalRecord, str, str]]:
    return [
        (record, path, status)
        for record in change.records
        for path, status, _ in record.entry.moves
        if "@" not in path
    ]


def _told(verdict: str | None, reason: str, error: Any) -> str:
    said = reason or (f"{error.get('class')}: {error.get('message')}" if error else "")
    parts = [verdict or "", one_line(said)]
    return "".join(f" {part}" for part in parts if part)


class Tree:
    """A tree that is drawn again with every change."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._live.stop()

    def show(self, change: Change, definition: Workflow | None) -> None:
        """The whole run."""
        self._live.update(tree(definition, change.state), refresh=True)


def tree(definition: Workflow | None, state: RunState) -> Any:
    """The run as a tree of rich."""
    from rich.text import Text
    from rich.tree import Tree as RichTree

    head = f"{state.head.workflow} {state.id}  {state.record.status.value}"
    root = RichTree(Text(one_line(head), style="bold"))
    branches: dict[str, RichTree] = {}
    for row in rows(definition, state) if definition else []:
        parent, _, _ = row.path.rpartition("/")
        around = branches.get(parent) or branches.get(_base(parent)) or root
        branches[row.path] = around.add(_row(row))
    return root


def _base(path: str) -> str:
    cut = max(path.rfind("#"), path.rfind("["))
    return path[:cut] if cut > path.rfind("/") else path.rpartition("/")[0]


def _row(row: NodeRow) -> Any:
    from rich.text import Text

    mark, style = _MARKS.get(NodeStatus(row.status), ("·", "dim"))
    text = Text()
    text.append(f"{mark} ", style=style)
    text.append(clean(row.path.rpartition("/")[2] if "#" not in row.path else row.path))
    told = _told(row.verdict, row.reason, row.error)
    attempt = f" (attempt {row.attempts})" if row.attempts > 1 else ""
    text.append(f"  {row.status}{attempt}{told}", style=style)
    return text
