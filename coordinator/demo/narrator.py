"""How the demonstration speaks: a live tree on a terminal, one plain line per change in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from coordinator.core.definition import Workflow
from coordinator.core.state import RunState
from coordinator.demo.play import Narrator

if TYPE_CHECKING:
    from rich.live import Live


class PlainNarrator:
    """Lines, each with the time since the beginning."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = time.monotonic()

    def say(self, text: str = "") -> None:
        """A line."""
        print(text, file=self._out, flush=True)

    def moved(self, path: str, status: str, state: RunState) -> None:
        """One line for a change of one node."""
        known = state.nodes.get(path)
        verdict = f" {known.verdict}" if known and known.verdict and status == "succeeded" else ""
        reason = f"  ({known.reason})" if known and known.reason and status != "running" else ""
        seconds = time.monotonic() - self._began
        self.say(f"  {seconds:5.1f}s  {path:<28} {status}{verdict}{reason}")

    def drawn(self, definition: Workflow, state: RunState) -> None:
        """Lines have said it already."""

    def settled(self) -> None:
        """Nothing more to say."""


class TreeNarrator:
    """A tree that is drawn again with every change; what is said stays above it."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._live: Live | None = None

    def say(self, text: str = "") -> None:
        """A line."""
        self._console.print(text, markup=False)

    def moved(self, path: str, status: str, state: RunState) -> None:
        """The tree shows it."""

    def drawn(self, definition: Workflow, state: RunState) -> None:
        """The whole run."""
        from rich.live import Live

        from coordinator.cli.live import tree

        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(tree(definition, state), refresh=True)

    def settled(self) -> None:
        """The tree stays as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None


@contextmanager
def narrator_for(out: TextIO) -> Iterator[Narrator]:
    """The narrator that suits where the output goes."""
    if not out.isatty():
        yield PlainNarrator(out)
        return
    narrator = TreeNarrator()
    try:
        yield narrator
    finally:
        narrator.settled()
