"""How the demonstration speaks: a live tree on a terminal, one plain line per change in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from coordinator.core.state import RunState
from coordinator.demo.play import Narrator


class PlainNarrator:
    """Lines, each with the time since the beginning."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = time.monotonic()

    def say(self, text: str = "") -> None:
        """A line."""
        print(text, file=self._out, flush=True)

    def moved(self, run: str, path: str, status: str, state: RunState | None) -> None:
        """One line for a change of one node."""
        known = state.nodes.get(path) if state else None
        verdict = f" {known.verdict}" if known and known.verdict and status == "succeeded" else ""
        reason = f"  ({known.reason})" if known and known.reason and status != "running" else ""
        seconds = time.monotonic() - self._began
        self.say(f"  {seconds:5.1f}s  {path:<28} {status}{verdict}{reason}")

    def settled(self) -> None:
        """Nothing more to say."""


@contextmanager
def narrator_for(out: TextIO) -> Iterator[Narrator]:
    """The narrator that suits where the output goes."""
    yield PlainNarrator(out)
