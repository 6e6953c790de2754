"""The loop that makes what is committed what is active.

    look (cheap) ─ changed? ─► read ─► compile ─ no errors? ─► store documents ─► swap the bundle

A revision with errors never becomes active and never stops the last good one. The swap is a
compare-and-set on the revision that was active *before* looking: whoever looked longer ago loses
to whoever looked later, so of several coordinators none goes back to what another has replaced.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from coordinator.definitions import Bundle, Severity
from coordinator.gitops.activation import active_bundle, behaves_like, changed
from coordinator.gitops.files import EVERYTHING, Snapshot, SourceError, Tip, fault
from coordinator.gitops.sources import DEFAULT_BUNDLE
from coordinator.gitops.status import SyncStatus, kept
from coordinator.gitops.threads import in_thread
from coordinator.gitx import GitError
from coordinator.ports import ActiveBundle, DefinitionStore, StoreUnavailableError

Compile = Callable[[Mapping[str, bytes]], Bundle]
"""Compile all files of a snapshot; `definitions.compile_bundle` with its step types filled in."""

_RACES: Final = 3
_JITTER: Final = 0.2
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0
_LONGEST_TURN: Final = 3_600.0
_KEEP_STATUS_MS: Final = 30_000
"""How old a kept status may be while nothing but its time changes."""
_SHOWN_FAULTS: Final = 20


class Origin(Protocol):
    """A place that definitions come from. Both methods block, and raise `SourceError` or `GitError`
    when the place cannot be read now.
    """

    name: str
    """For people, without credentials."""

    def look(self) -> Tip:
        """What is newest there."""

    def read(self, tip: Tip) -> Snapshot:
        """The files of `tip`, or of what is newer by now."""


class Log(Protocol):
    """Where the loop says what happens: an event name and fields."""

    def info(self, event: str, **fields: object) -> object:
        """Something worth knowing."""

    def warning(self, event: str, **fields: object) -> object:
        """Something a person should look at."""


class Stop(Protocol):
    """Tells the loop to end, and wakes it when it sleeps."""

    @property
    def is_set(self) -> bool:
        """Whether it is to end."""

    async def within(self, seconds: float) -> bool:
        """Sleep for `seconds`, less when stopped; whether it was stopped."""


def _nobody(status: SyncStatus) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What makes one source the active bundle of one store."""

    origin: Origin
    definitions: DefinitionStore
    compile: Compile
    log: Log
    bundle: str = DEFAULT_BUNDLE
    tell: Callable[[SyncStatus], None] = _nobody
    """Called with every new status, for whoever counts."""
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


async def sync_forever(sync: Sync, *, interval: timedelta, stop: Stop) -> None:
    """Look every `interval` (a fifth more or less) until stopped; after failures wait longer.

    A source or a store that is away costs only time: what is active stays active. Every status is
    told to `sync.tell`, and kept in the store for others to read.
    """
    status = in_store = None
    failures = 0
    while not stop.is_set:
        found = await _unless_stopped(stop, sync_once(sync, status))
        if found is None:
            continue
        if failures and not found.error:
            sync.log.info("sync_recovered", bundle=sync.bundle, revision=found.observed)
        failures = failures + 1 if found.error else 0
        sync.tell(found)
        if _is_news(found, in_store) and await _kept_in_store(sync, found):
            in_store = found
        status = found
        await stop.within(_pause(interval.total_seconds(), failures))


def _is_news(found: SyncStatus, last: SyncStatus | None) -> bool:
    """Whether readers would miss it: more changed than its time, or that is long ago."""
    if last is None or found.at_ms - last.at_ms >= _KEEP_STATUS_MS:
        return True
    return replace(found, at_ms=last.at_ms) != last


async def _kept_in_store(sync: Sync, status: SyncStatus) -> bool:
    try:
        await sync.definitions.put_status(sync.bundle, status.to_document())
    except StoreUnavailableError:
        return False
    return True


async def _unless_stopped(stop: Stop, work: Coroutine[Any, Any, SyncStatus]) -> SyncStatus | None:
    """What `work` gives; None as soon as the loop is to end, because git may take minutes."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.within(_LONGEST_TURN))
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _pause(interval: float, failures: int) -> float:
    """How long to wait: 1 s, 2 s, 4 s up to five minutes while it fails."""
    seconds = min(_FIRST_PAUSE * float(2 ** min(failures - 1, 20)), _LONGEST_PAUSE)
    if not failures:
        seconds = interval
    spread = 1 + _JITTER * (2 * random.random() - 1)  # noqa: S311  # it keeps no secret
    return seconds * spread


async def sync_once(sync: Sync, before: SyncStatus | None = None) -> SyncStatus:
    """Look at the source; read, check and activate what is new. What is known now.

    `before` is what the last call gave; without it everything is read and checked once. Nothing is
    raised for a source or a store that fails: the status has the error.
    """
    status = before or SyncStatus(bundle=sync.bundle, source=sync.origin.name)
    status = replace(status, error="", at_ms=sync.now_ms())
    try:
        for _ in range(_RACES):
            active = await _active(sync)
            tip = await in_thread(sync.origin.look)
            before, status = status, _seen(status, tip, active)
            if tip.mark == before.mark and status.active == before.active:
                return status
            status, is_done = await _advance(sync, status, tip, active)
            if is_done:
                return status
    except (SourceError, GitError, OSError, StoreUnavailableError) as error:
        sync.log.warning("sync_failed", bundle=sync.bundle, error=str(error))
        return replace(status, error=str(error))
    return replace(status, mark="", error="other coordinators activate at the same time; retrying")


def _seen(status: SyncStatus, tip: Tip, active: ActiveBundle | None) -> SyncStatus:
    """The status with what one look at the source and the store gave."""
    revision = active.revision if active else ""
    observed = status.observed if tip.mark == status.mark else tip.revision
    last_good = status.last_good or revision
    return replace(status, observed=observed, active=revision, last_good=last_good)


async def _advance(
    sync: Sync, status: SyncStatus, tip: Tip, active: ActiveBundle | None
) -> tuple[SyncStatus, bool]:
    """Read, check and activate `tip`; False if another coordinator was faster."""
    snapshot = await in_thread(lambda: sync.origin.read(tip))
    if snapshot.was_rewritten:
        sync.log.warning("source_rewritten", bundle=sync.bundle, revision=snapshot.revision)
    bundle = await in_thread(lambda: _checked(sync, snapshot))
    status = replace(
        status,
        mark=tip.mark,
        observed=snapshot.revision,
        attempted=snapshot.revision,
        faults=kept(bundle.faults),
        fault_count=len(bundle.faults),
    )
    if not status.is_valid:
        _warn(sync, status)
        return status, True
    return await _activate(sync, replace(status, last_good=snapshot.revision), bundle, active)


async def _active(sync: Sync) -> ActiveBundle | None:
    bundles = await sync.definitions.active()
    return next((each for each in bundles if each.bundle == sync.bundle), None)


def _checked(sync: Sync, snapshot: Snapshot) -> Bundle:
    """What the files compile to, with the faults of the source among the faults."""
    try:
        bundle = sync.compile(snapshot.files)
    except Exception as error:  # a file that the compiler stumbles over must not stop the daemon
        sync.log.warning("compiler_failed", revision=snapshot.revision, error=repr(error))
        message = f"the files could not be checked: {type(error).__name__}: {error}"[:1_000]
        failed = fault("SRC008", EVERYTHING, message, "This is a bug here; please report it.")
        return Bundle(faults=(*snapshot.faults, failed))
    faults = tuple(sorted({*snapshot.faults, *bundle.faults}))
    if not bundle.workflows and not any(each.severity is Severity.ERROR for each in faults):
        message = "there are no workflows"
        hint = "Add one, or check source.url, source.ref and the folder's name."
        faults = (*faults, fault("SRC007", EVERYTHING, message, hint))
    return replace(bundle, faults=faults)


async def _activate(
    sync: Sync, status: SyncStatus, bundle: Bundle, active: ActiveBundle | None
) -> tuple[SyncStatus, bool]:
    new = active_bundle(sync.bundle, status.attempted, bundle, at_ms=sync.now_ms())
    if active is not None and behaves_like(new, active):
        return status, True
    compiled = bundle.workflows.values()
    # Documents first: whoever sees the bundle finds what it names.
    documents = {digest: text for each in compiled for digest, text in each.documents.items()}
    await sync.definitions.put(documents)
    replaces = active.revision if active else None
    if not await sync.definitions.activate(new, replaces=replaces):
        return replace(status, mark=""), False
    sync.log.info(
        "definitions_activated",
        bundle=sync.bundle,
        revision=new.revision,
        replaces=replaces,
        workflows=changed(new.digests, active.digests if active else {}),
    )
    return replace(status, active=new.revision), True


def _warn(sync: Sync, status: SyncStatus) -> None:
    errors = [each for each in status.faults if each.severity is Severity.ERROR]
    sync.log.warning(
        "definitions_invalid",
        bundle=sync.bundle,
        revision=status.attempted,
        active=status.active,
        faults=[str(each) for each in errors[:_SHOWN_FAULTS]],
    )
