"""From an entry of the task queue to the first event of a run."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from coordinator import faults
from coordinator.child_messages import ChildMessage, child_from_delivery, is_child
from coordinator.core.definition import Graph, Workflow
from coordinator.core.events import AUTO, MANUAL, RunStarted
from coordinator.core.ids import Digest, run_id_for
from coordinator.core.routing import NoRouteError
from coordinator.core.tasks import TaskError, normalise_task
from coordinator.engine.catalogue import (
    Catalogue,
    DefinitionMissingError,
    UnknownDefinitionError,
    UnknownWorkflowError,
)
from coordinator.messages import BadMessageError, task_from_delivery
from coordinator.ports import (
    Delivery,
    SourceKind,
    StoreUnavailableError,
    StoreUnsuitableError,
)

POISONED_AFTER: Final = 5
"""Deliveries of one entry after which a failing one is given up."""
_MOST_WAITING: Final = 1_000
_NEVER: Final = (NoRouteError, UnknownDefinitionError, UnknownWorkflowError)

CheckParams = Callable[[Workflow, Mapping[str, object]], tuple[Mapping[str, object], list[str]]]
"""Params with defaults and declared types, and what is wrong with them, one sentence each."""


class TaskRefusedError(Exception):
    """The task can never become a run; it goes to the dead letters with this reason."""


class Intake:
    """Accepts tasks: reads, normalises and routes them, and checks their params."""

    def __init__(self, catalogue: Catalogue, check_params: CheckParams) -> None:
        self.catalogue = catalogue
        self._check_params = check_params
        self._waiting: dict[str, tuple[Delivery, float]] = {}

    def begins_run(self, delivery: Delivery) -> bool:
        """Whether the delivery is the beginning of a run: a task, or a child run."""
        if delivery.kind is SourceKind.TASK:
            return True
        return delivery.kind is SourceKind.INBOX and is_child(delivery.fields)

    async def accept(self, delivery: Delivery) -> tuple[RunStarted, Workflow]:
        """The event that starts the run, and the definition it will be pinned to.

        The run id is derived from the entry, so that a redelivered one cannot start two runs.

        Raises:
            TaskRefusedError: the task can never become a run.
            BadMessageError: no child run is asked for.
            NothingActiveError: there are no definitions yet; try again.
            DefinitionUnusableError: another coordinator may be able to use it.
        """
        if delivery.kind is SourceKind.INBOX:
            return await self._adopt(delivery)
        return await self._accept_task(delivery)

    async def _accept_task(self, delivery: Delivery) -> tuple[RunStarted, Workflow]:
        try:
            message = task_from_delivery(delivery)
            task = normalise_task(message.task, entry_id=delivery.entry_id)
            digest = message.more.get("digest")
            chosen = await self.catalogue.choose(task, message.workflow, digest=digest)
        except (BadMessageError, TaskError, *_NEVER) as error:
            raise TaskRefusedError(str(error)) from None
        params, problems = self._check_params(chosen.workflow, message.params)
        if problems:
            told = "; ".join(problems)
            raise TaskRefusedError(f"params of {chosen.workflow.id}: {told}")
        event = RunStarted(
            id=f"tasks:{delivery.entry_id}",
            run=run_id_for(delivery.entry_id),
            at_ms=delivery.at_ms,
            seed=secrets.token_hex(12),
            workflow=chosen.workflow.id,
            digest=chosen.workflow.digest,
            revision=chosen.revision or None,
            task=task,
            params=params,
            env=chosen.workflow.env,
            may_push=message.more.get("push", "true").lower() not in ("false", "no", "0"),
            idempotency_key=message.idempotency_key,
            advance=_advance(message.more.get("advance", "")),
        )
        faults.point("intake.after")
        return event, chosen.workflow

    async def _adopt(self, delivery: Delivery) -> tuple[RunStarted, Workflow]:
        """A child that cannot run begins and fails, so that the step that waits hears of it."""
        child = child_from_delivery(delivery)
        problem, workflow, params = child.problem, None, child.params
        try:
            workflow = await self.catalogue.workflow(child.digest)
        except (StoreUnavailableError, StoreUnsuitableError):
            raise
        except Exception as error:  # a bug of ours too: somebody waits for an answer
            is_last_try = delivery.deliveries >= POISONED_AFTER
            if not (is_last_try or isinstance(error, DefinitionMissingError)):
                raise
            problem = problem or str(error) or type(error).__name__
        if workflow is not None and not problem:
            params, problems = self._check_params(workflow, child.params)
            problem = f"params of {workflow.id}: {'; '.join(problems)}" if problems else ""
        event = RunStarted(
            id=f"inbox:{delivery.entry_id}",
            run=child.run,
            at_ms=delivery.at_ms,
            seed=secrets.token_hex(12),
            workflow=child.workflow,
            digest=child.digest,
            revision=child.revision,
            task=child.task,
            params=params,
            env=workflow.env if workflow is not None else child.env,
            may_push=child.may_push,
            parent=child.parent,
            files=child.files,
            problem=problem,
        )
        faults.point("intake.after")
        return event, workflow or _unknown(child)

    def wait(self, delivery: Delivery) -> bool:
        """Keep a task until there are definitions; False if it was being kept already.

        A convenience: the task stays ours and unsettled, so whatever becomes of this process, it is
        delivered again after a lease.
        """
        is_new = delivery.entry_id not in self._waiting
        if not is_new or len(self._waiting) < _MOST_WAITING:
            now = asyncio.get_running_loop().time()
            self._waiting[delivery.entry_id] = (delivery, now)
        return is_new

    async def no_longer_waiting(self) -> list[Delivery]:
        """The tasks that were kept, once there are definitions, as if they were read now.

        Raises:
            StoreUnavailableError: they are still kept.
        """
        if not self._waiting or not await self.catalogue.active():
            return []
        waiting, self._waiting = self._waiting, {}
        now = asyncio.get_running_loop().time()
        return [
            replace(delivery, at_ms=delivery.at_ms + int((now - since) * 1_000))
            for delivery, since in waiting.values()
        ]


def _unknown(child: ChildMessage) -> Workflow:
    """What stands for a definition that nobody has: its run can only fail."""
    return Workflow(
        id=child.workflow,
        name=child.workflow,
        version="",
        digest=Digest(child.digest),
        graph=Graph(path="", nodes={}, roots=()),
    )


def _advance(given: str) -> str:
    mode = given.lower() or AUTO
    if mode not in (AUTO, MANUAL):
        raise TaskRefusedError(f"the field 'advance' is {AUTO} or {MANUAL}, not {given[:40]!r}")
    return mode
