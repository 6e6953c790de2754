"""Putting changes over a document, so that every value still knows which file it came from.

The rule is that of JSON Merge Patch: mappings merge key by key, a null removes the key, anything
else replaces what was there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coordinator.definitions.read import Document, Path, Positions


class Merge:
    """A document on its way; the one that it began with stays as it was."""

    def __init__(self, base: Document) -> None:
        self._path = base.path
        self._value = base.value
        there = base.positions
        self._positions = Positions(
            dict(there.keys), dict(there.values), dict(there.texts), dict(there.files)
        )

    @property
    def document(self) -> Document:
        """What has come out so far."""
        return Document(self._path, self._value, self._positions)

    def put(self, to: Path, change: object, *, source: Document, at: Path) -> None:
        """Merge `change`, which is at `at` of `source`, into what is at `to`."""
        self._value = self._changed(self._value, to, (), _Change(change, source, at))

    def _changed(self, value: object, to: Path, done: Path, change: _Change) -> object:
        """`value`, which is at `done`, with the change at `to` in it; a copy as far as needed."""
        if done == to:
            return self._merged(value, change, to)
        step = to[len(done)]
        if isinstance(value, list) and isinstance(step, int):
            copied = list(value)
            copied[step] = self._changed(value[step], to, (*done, step), change)
            return copied
        inner = dict(value) if isinstance(value, Mapping) else {}
        if change.value is None and len(done) == len(to) - 1:
            inner.pop(str(step), None)
            return inner
        inner[str(step)] = self._changed(inner.get(str(step)), to, (*done, step), change)
        return inner

    def _merged(self, base: object, change: _Change, to: Path) -> object:
        if not isinstance(change.value, Mapping):
            self._note(change, to)
            return change.value
        if not isinstance(base, Mapping):
            self._note_place(change, to)
        merged = dict(base) if isinstance(base, Mapping) else {}
        for key in change.value:
            inner = change.inside(key)
            if inner.value is None:
                merged.pop(key, None)
            else:
                merged[key] = self._merged(merged.get(key), inner, (*to, key))
        return merged

    def _note(self, change: _Change, to: Path) -> None:
        """Remember where a whole value came from."""
        self._note_place(change, to)
        parts: Iterable[str | int] = ()
        if isinstance(change.value, Mapping):
            parts = change.value
        elif isinstance(change.value, list):
            parts = range(len(change.value))
        for part in parts:
            self._note(change.inside(part), (*to, part))

    def _note_place(self, change: _Change, to: Path) -> None:
        theirs, ours = change.source.positions, self._positions
        ours.files[to] = change.source.path
        ours.values[to] = theirs.value(change.at)
        ours.keys[to] = theirs.key(change.at)
        ours.texts.pop(to, None)
        if change.at in theirs.texts:
            ours.texts[to] = theirs.texts[change.at]


class _Change:
    """A value, and where it is in which document."""

    __slots__ = ("at", "source", "value")

    def __init__(self, value: object, source: Document, at: Path) -> None:
        self.value = value
        self.source = source
        self.at = at

    def inside(self, key: str | int) -> _Change:
        """The part of it under `key`."""
        value: Any = self.value
        return _Change(value[key], self.source, (*self.at, key))
