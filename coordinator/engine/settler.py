"""Load, decide, commit: what a coordinator does with the deliveries it has read.

There is no rule in here. Deliveries of one run are folded into one transition where they fit, all
transitions of a batch travel to the store together, and whoever loses a race loads the run again
and decides anew. A crash anywhere leaves the deliveries unsettled, and another coordinator has
them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Protocol

from coordinator import faults
from coordinator.core.commands import Command, SendRequest
from coordinator.core.decide import Decision, NoSuchRunError, decide
from coordinator.core.definition import Channel, Workflow
from coordinator.core.events import Event, RunStarted
from coordinator.core.ids import RunId
from coordinator.core.state import Changes, RunState, RunStatus
from coordinator.core.turn import MAX_COMMANDS
from coordinator.engine.catalogue import (
    DefinitionUnusableError,
    NothingActiveError,
)
from coordinator.engine.intake import Intake, TaskRefusedError
from coordinator.engine.observe import Telemetry
from coordinator.engine.reporting import report
from coordinator.messages import BadMessageError, event_from_delivery
from coordinator.ports import (
    CommitResult,
    CommitStatus,
    Delivery,
    EventSource,
    JournalEntry,
    RunStore,
    SourceKind,
    StoredRun,
    Transition,
)

MAX_CONFLICTS: Final = 50
POISONED_AFTER: Final = 5
"""Deliveries of one entry after which a failing one is moved to the dead letters."""
_MOST_CACHED: Final = 2_000
_YOUNG_MS: Final = 60_000
_BASE32: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class Log(Protocol):
    """Where the engine says what happens: an event name and fields."""

    def info(self, event: str, **fields: object) -> object:
        """Something worth knowing."""

    def warning(self, event: str, **fields: object) -> object:
        """Something a person should look at."""

    def exception(self, event: str, **fields: object) -> object:
        """A bug, with its traceback."""


class _Pending:
    """What is to be applied to one run, in order."""

    __slots__ = ("conflicts", "queue", "run")

    def __init__(self, run: RunId) -> None:
        self.run = run
        self.queue: deque[tuple[Delivery, Event]] = deque()
        self.conflicts = 0


class _Fold:
    """One transition in the making."""

    __slots__ = ("changes", "commands", "decided", "definition", "inputs", "journal", "state")

    def __init__(self, definition: Workflow, state: RunState | None) -> None:
        self.definition = definition
        self.state = state
        self.changes: Changes | None = None
        self.commands: list[Command] = []
        self.journal: list[JournalEntry] = []
        self.inputs: list[Delivery] = []
        self.decided: list[tuple[Delivery, Event]] = []

    def add(self, delivery: Delivery, event: Event, decision: Decision) -> None:
        """Take a decision in; later ones overwrite what earlier ones wrote."""
        self.inputs.append(delivery)
        self.decided.append((delivery, event))
        if decision.changes is None:
            return
        self.state = decision.state
        self.journal.append(JournalEntry(event=event, moves=decision.moves))
        self.commands.extend(decision.commands)
        before = self.changes
        self.changes = decision.changes if before is None else _merged(before, decision.changes)


def _merged(before: Changes, after: Changes) -> Changes:
    return Changes(
        head=before.head or after.head,
        record=after.record,
        nodes={**before.nodes, **after.nodes},
        scopes={**before.scopes, **after.scopes},
        results={**before.results, **after.results},
        values={**before.values, **after.values},
    )


class Settler:
    """Applies deliveries to runs."""

    def __init__(
        self,
        store: RunStore,
        source: EventSource,
        intake: Intake,
        *,
        telemetry: Telemetry,
        log: Log,
    ) -> None:
        self._store = store
        self._source = source
        self._catalogue = intake.catalogue
        self._intake = intake
        self._telemetry = telemetry
        self._log = log
        self._cache: OrderedDict[RunId, StoredRun] = OrderedDict()
        self._definitions: dict[RunId, Workflow] = {}

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Apply deliveries; when it returns each is settled, refused, or left for a later delivery.

        Raises:
            StoreUnavailableError: what is not settled will be delivered again.
        """
        if deliveries:
            self._telemetry.batch(len(deliveries))
        pending = await self._sorted(deliveries)
        while pending:
            await self._load(pending)
            await self._round(pending)
            pending = {run: one for run, one in pending.items() if one.queue}

    async def _sorted(self, deliveries: Sequence[Delivery]) -> dict[RunId, _Pending]:
        pending: dict[RunId, _Pending] = {}
        for delivery in deliveries:
            event = await self._event(delivery)
            if event is not None:
                run = RunId(event.run)
                pending.setdefault(run, _Pending(run)).queue.append((delivery, event))
        return pending

    async def _event(self, delivery: Delivery) -> Event | None:
        if not delivery.fields:
            await self._source.settle([delivery])
            return None
        try:
            if delivery.kind is SourceKind.TASK:
                event, workflow = await self._intake.accept(delivery)
                self._definitions[RunId(event.run)] = workflow
                return event
            return event_from_delivery(delivery)
        except (BadMessageError, TaskRefusedError) as error:
            await self._refuse(delivery, str(error))
        except NothingActiveError:
            self._log.warning("task_waits_for_definitions", entry=delivery.entry_id)
        except DefinitionUnusableError as error:
            self._log.warning("definition_unusable", digest=error.digest, why=error.why)
        return None

    async def _refuse(self, delivery: Delivery, reason: str) -> None:
        self._log.warning("refused", stream=delivery.stream, entry=delivery.entry_id, reason=reason)
        self._telemetry.refused(delivery.stream)
        await self._source.refuse(delivery, reason=reason)

    async def _load(self, pending: dict[RunId, _Pending]) -> None:
        missing = [run for run in pending if run not in self._cache]
        for run, found in zip(missing, await self._store.load(missing), strict=True):
            if found is not None:
                self._cache[run] = found

    async def _round(self, pending: dict[RunId, _Pending]) -> None:
        folds: list[tuple[_Pending, _Fold, Transition]] = []
        ignored: list[Delivery] = []
        for one in pending.values():
            fold = await self._fold(one)
            if fold is None:
                continue
            transition = self._transition(one, fold)
            if transition is None:
                ignored.extend(fold.inputs)
            else:
                folds.append((one, fold, transition))
        if ignored:
            await self._source.settle(ignored)
        if folds:
            results = await self._store.commit([transition for _, _, transition in folds])
            for (one, fold, transition), result in zip(folds, results, strict=True):
                await self._after(one, fold, transition, result)

    async def _fold(self, one: _Pending) -> _Fold | None:
        known = self._cache.get(one.run)
        definition = await self._definition(one, known)
        if definition is None:
            one.queue.clear()
            return None
        fold = _Fold(definition, known.state if known else None)
        while one.queue and len(fold.commands) < MAX_COMMANDS:
            delivery, event = one.queue.popleft()
            await self._decide(fold, delivery, event)
        return fold

    async def _decide(self, fold: _Fold, delivery: Delivery, event: Event) -> None:
        try:
            decision = decide(fold.definition, fold.state, event)
        except NoSuchRunError as error:
            await self._without_run(delivery, event, str(error))
            return
        except Exception as error:  # a bug of ours must not stop other runs
            self._log.exception("decide_failed", run=event.run, entry=delivery.entry_id)
            if delivery.deliveries >= POISONED_AFTER:
                await self._refuse(delivery, f"deciding fails: {type(error).__name__}: {error}")
            return
        faults.point("decide.after")
        if decision.refused:
            await self._refuse(delivery, decision.refused)
            return
        if decision.ignored:
            self._telemetry.ignored(decision.ignored)
        fold.add(delivery, event, decision)

    async def _without_run(self, delivery: Delivery, event: Event, reason: str) -> None:
        """A signal may be faster than the task it is for; it is left to be delivered again."""
        born_ms = 0
        for digit in event.run[:10]:
            born_ms = born_ms * 32 + _BASE32.index(digit)
        if delivery.kind is SourceKind.REPLY or delivery.at_ms - born_ms > _YOUNG_MS:
            await self._refuse(delivery, reason)

    async def _definition(self, one: _Pending, known: StoredRun | None) -> Workflow | None:
        if known is None and one.run in self._definitions:
            return self._definitions[one.run]
        if known is None:
            for delivery, event in one.queue:
                await self._without_run(delivery, event, f"run {one.run} does not exist")
            return None
        try:
            return await self._catalogue.workflow(known.state.head.digest)
        except DefinitionUnusableError as error:
            self._log.warning(
                "definition_unusable", run=one.run, digest=error.digest, why=error.why
            )
            return None

    def _transition(self, one: _Pending, fold: _Fold) -> Transition | None:
        if fold.changes is None or fold.state is None:
            return None
        known = self._cache.get(one.run)
        key = next((e.idempotency_key for _, e in fold.decided if isinstance(e, RunStarted)), None)
        return Transition(
            run=one.run,
            revision=known.revision if known else 0,
            head=fold.state.head,
            changes=fold.changes,
            commands=tuple(fold.commands),
            journal=tuple(fold.journal),
            inputs=tuple(fold.inputs),
            idempotency_key=key,
        )

    async def _after(
        self, one: _Pending, fold: _Fold, transition: Transition, result: CommitResult
    ) -> None:
        self._telemetry.committed(result.status.value, 1)
        if result.status is CommitStatus.OK:
            self._definitions.pop(one.run, None)
            self._remember(one.run, StoredRun(revision=result.revision, state=_state_of(fold)))
            self._report(fold.definition, transition, fold)
            return
        self._cache.pop(one.run, None)
        if result.existing_run is not None:
            self._log.info("repeated_submission", run=result.existing_run)
            self._definitions.pop(one.run, None)
            await self._source.settle(transition.inputs)
            return
        await self._again(one, fold, result)

    async def _again(self, one: _Pending, fold: _Fold, result: CommitResult) -> None:
        """Somebody else was faster: with the run, or with one of the deliveries."""
        if result.status is CommitStatus.DUPLICATE and len(fold.decided) == 1:
            return
        one.conflicts += 1
        if one.conflicts > MAX_CONFLICTS:
            self._log.warning("too_many_conflicts", run=one.run)
            one.queue.clear()
        elif result.status is CommitStatus.CONFLICT:
            one.queue.extendleft(reversed(fold.decided))
        else:
            await self._one_by_one(one, fold)

    async def _one_by_one(self, one: _Pending, fold: _Fold) -> None:
        """One of several deliveries was settled by somebody else: find out which."""
        for decided in fold.decided:
            single = _Pending(one.run)
            single.queue.append(decided)
            while single.queue:
                await self._load({one.run: single})
                await self._round({one.run: single})

    def _remember(self, run: RunId, stored: StoredRun) -> None:
        """Keep runs that are on the move; one that waits costs no memory here."""
        if stored.state.record.status is RunStatus.RUNNING:
            self._cache[run] = stored
            self._cache.move_to_end(run)
            while len(self._cache) > _MOST_CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.pop(run, None)

    def _report(self, definition: Workflow, transition: Transition, fold: _Fold) -> None:
        targets = [
            command.target
            for command in transition.commands
            if isinstance(command, SendRequest) and command.channel is Channel.PERSONA
        ]
        if targets:
            self._source.follow(targets)
        report(self._telemetry, definition, transition, _state_of(fold))


def _state_of(fold: _Fold) -> RunState:
    if fold.state is None:
        raise RuntimeError("a transition without a state")  # a fold with changes has one
    return fold.state
