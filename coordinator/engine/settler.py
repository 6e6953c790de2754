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
from coordinator.engine.blobs import keep_large_results
from coordinator.engine.catalogue import (
    DefinitionUnusableError,
    NothingActiveError,
)
from coordinator.engine.intake import POISONED_AFTER, Intake, TaskRefusedError
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
    StoredRun,
    StoreUnavailableError,
    StoreUnsuitableError,
    Transition,
)

MAX_CONFLICTS: Final = 50
_MOST_CACHED: Final = 2_000


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

    __slots__ = ("conflicts", "definition", "is_fresh", "queue", "run")

    def __init__(self, run: RunId) -> None:
        self.run = run
        self.queue: deque[tuple[Delivery, Event]] = deque()
        self.conflicts = 0
        self.definition: Workflow | None = None
        """Of a run that does not exist yet."""
        self.is_fresh = False
        """Whether what is cached of the run was read, or saved, after these deliveries came."""


class _Fold:
    """One transition in the making."""

    __slots__ = (
        "changes", "commands", "decided", "definition", "ignored", "inputs", "journal", "refused",
        "state",
    )  # fmt: skip

    def __init__(self, definition: Workflow, state: RunState | None) -> None:
        self.definition = definition
        self.state = state
        self.changes: Changes | None = None
        self.commands: list[Command] = []
        self.journal: list[JournalEntry] = []
        self.inputs: list[Delivery] = []
        self.decided: list[tuple[Delivery, Event]] = []
        self.ignored: list[str] = []
        self.refused: list[tuple[Delivery, str]] = []

    def add(self, delivery: Delivery, event: Event, decision: Decision) -> None:
        """Take a decision in; later ones overwrite what earlier ones wrote."""
        self.decided.append((delivery, event))
        if decision.refused:
            self.refused.append((delivery, decision.refused))
            return
        self.inputs.append(delivery)
        if decision.ignored:
            self.ignored.append(decision.ignored)
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

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Apply deliveries; when it returns each is settled, refused, or left for a later delivery.

        Raises:
            StoreUnavailableError: what is not settled will be delivered again.
        """
        pending = await self._sorted([*await self._intake.no_longer_waiting(), *deliveries])
        while pending:
            await self._load(pending)
            await self._round(pending)
            pending = {run: one for run, one in pending.items() if one.queue}

    async def _sorted(self, deliveries: Sequence[Delivery]) -> dict[RunId, _Pending]:
        pending: dict[RunId, _Pending] = {}
        for delivery in deliveries:
            event, definition = await self._event(delivery)
            if event is None:
                continue
            run = RunId(event.run)
            one = pending.setdefault(run, _Pending(run))
            one.queue.append((delivery, event))
            one.definition = definition or one.definition
        return pending

    async def _event(self, delivery: Delivery) -> tuple[Event | None, Workflow | None]:
        if not delivery.fields:
            await self._source.settle([delivery])
            return None, None
        try:
            if self._intake.begins_run(delivery):
                return await self._intake.accept(delivery)
            return event_from_delivery(delivery), None
        except (BadMessageError, TaskRefusedError) as error:
            await self._refuse(delivery, str(error))
        except NothingActiveError:
            if self._intake.wait(delivery):
                self._log.warning("task_waits_for_definitions", entry=delivery.entry_id)
        except DefinitionUnusableError as error:
            self._log.warning("definition_unusable", digest=error.digest, why=error.why)
        except (StoreUnavailableError, StoreUnsuitableError):
            raise
        except Exception as error:  # a bug of ours must not stop other runs
            await self._failed(delivery, "reading it", error)
        return None, None

    async def _failed(self, delivery: Delivery, what: str, error: Exception) -> None:
        """Leave the delivery for another try, but not for ever."""
        self._log.exception("delivery_failed", stream=delivery.stream, entry=delivery.entry_id)
        if delivery.deliveries >= POISONED_AFTER:
            await self._refuse(delivery, f"{what} fails: {type(error).__name__}: {error}")

    async def _refuse(self, delivery: Delivery, reason: str) -> None:
        self._log.warning("refused", stream=delivery.stream, entry=delivery.entry_id, reason=reason)
        self._telemetry.refused(delivery.stream)
        await self._source.refuse(delivery, reason=reason)

    async def _load(self, pending: dict[RunId, _Pending]) -> None:
        missing = [run for run in pending if run not in self._cache]
        try:
            loaded = await self._store.load(missing)
        except (StoreUnavailableError, StoreUnsuitableError):
            raise
        except Exception:  # of a newer version, or damaged: it must not stop other runs
            if len(missing) > 1:
                for run in missing:
                    await self._load({run: pending[run]})
                return
            self._log.exception("run_unreadable", run=missing[0])
            pending[missing[0]].queue.clear()
            return
        for run, found in zip(missing, loaded, strict=True):
            pending[run].is_fresh = True
            if found is not None:
                self._cache[run] = found

    async def _round(self, pending: dict[RunId, _Pending]) -> None:
        saved: list[tuple[_Pending, _Fold, Transition]] = []
        unchanged: list[tuple[_Pending, _Fold]] = []
        for one in pending.values():
            fold = await self._fold(one)
            transition = fold and self._transition(one, fold)
            if fold and transition:
                saved.append((one, fold, transition))
            elif fold:
                unchanged.append((one, fold))
        await self._drop(await self._confirmed(unchanged))
        if saved:
            for _, fold, transition in saved:
                await keep_large_results(self._store, fold.decided, transition.journal)
            results = await self._store.commit([transition for _, _, transition in saved])
            for (one, fold, transition), result in zip(saved, results, strict=True):
                await self._after(one, fold, transition, result)

    async def _fold(self, one: _Pending) -> _Fold | None:
        known = self._cache.get(one.run)
        definition = await self._definition(one, known)
        if definition is None:
            return None
        fold = _Fold(definition, known.state if known else None)
        while one.queue and len(fold.commands) < MAX_COMMANDS:
            delivery, event = one.queue.popleft()
            try:
                fold.add(delivery, event, decide(definition, fold.state, event))
                faults.point("decide.after")
            except NoSuchRunError:
                continue  # its task is in this batch, behind it; it will be delivered again
            except Exception as error:  # a bug of ours must not stop other runs
                await self._failed(delivery, "deciding", error)
        return fold

    async def _definition(self, one: _Pending, known: StoredRun | None) -> Workflow | None:
        if known is None and one.definition is None:
            await self._without_run(one)
            return None
        if known is None:
            return one.definition
        try:
            return await self._catalogue.workflow(known.state.head.digest)
        except DefinitionUnusableError as error:
            self._log.warning(
                "definition_unusable", run=one.run, digest=error.digest, why=error.why
            )
            one.queue.clear()
            return None

    async def _without_run(self, one: _Pending) -> None:
        """A signal may be faster than the task it is for; then it is left to be delivered again."""
        if not one.queue:
            return
        if await self._source.is_queued(one.run):
            one.queue.clear()
            return
        if any(await self._store.revisions([one.run])):
            return  # it began a moment ago
        while one.queue:
            delivery, _ = one.queue.popleft()
            await self._refuse(delivery, f"run {one.run} does not exist")

    async def _confirmed(self, unchanged: Sequence[tuple[_Pending, _Fold]]) -> list[_Fold]:
        """Those that are right to change nothing; the others are decided again.

        What was cached may be older than the request that a reply answers: only a look at the
        revision says that a delivery is really late. A transition needs no such look.
        """
        doubted = [one.run for one, _ in unchanged if not one.is_fresh]
        revisions = await self._store.revisions(doubted) if doubted else []
        now = dict(zip(doubted, revisions, strict=True))
        right: list[_Fold] = []
        for one, fold in unchanged:
            known = self._cache.get(one.run)
            if one.run not in now or (known and known.revision == now[one.run]):
                right.append(fold)
            else:
                self._cache.pop(one.run, None)
                one.queue.extendleft(reversed(fold.decided))
        return right

    async def _drop(self, folds: Sequence[_Fold]) -> None:
        """Settle what was ignored, and move what was refused to the dead letters."""
        inputs = [delivery for fold in folds for delivery in fold.inputs]
        if inputs:
            await self._source.settle(inputs)
        for fold in folds:
            await self._tell_dropped(fold)

    async def _tell_dropped(self, fold: _Fold) -> None:
        for kind in fold.ignored:
            self._telemetry.ignored(kind)
        for delivery, reason in fold.refused:
            await self._refuse(delivery, reason)

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
            one.is_fresh = True
            self._remember(one.run, StoredRun(revision=result.revision, state=_state_of(fold)))
            self._report(fold.definition, transition, fold)
            await self._tell_dropped(fold)
            return
        self._cache.pop(one.run, None)
        if result.existing_run is not None:
            self._log.info("repeated_submission", run=result.existing_run)
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
            single.definition = one.definition
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
