"""`WorkflowEngine`: load a workflow, start a run of it, signal it, wait for its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest, RunId, run_id_for
from coordinator.core.state import RunState
from coordinator.ports import DefinitionStore, Desk, RunStore

LoadFile = Callable[[str], tuple[Workflow, Mapping[Digest, bytes]]]
"""Compile a workflow file: the workflow, and the documents that runs of it need, by digest.

Raises with all its faults.
"""


class RunTimeoutError(Exception):
    """The run had not ended when the waiting was over; it goes on."""

    def __init__(self, run: RunId, seconds: float) -> None:
        super().__init__(f"run {run} had not ended after {seconds:g} s; it goes on")
        self.run = run


class RunNotAcceptedError(Exception):
    """The task can never become a run."""

    def __init__(self, run: RunId, reason: str) -> None:
        super().__init__(reason)
        self.run = run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended. It succeeded only if `status` is `succeeded`."""

    run: RunId
    status: str
    outputs: Mapping[str, object]
    error: Mapping[str, object] | None
    state: RunState

    @property
    def succeeded(self) -> bool:
        """Whether the run got where it was to go."""
        return self.status == "succeeded"


class StartOptions(TypedDict, total=False):
    """How a run is to be."""

    push: bool
    """Whether it may push to its repository; it may unless this says otherwise."""
    advance: str
    """`manual` holds each node until the signal `continue` lets it go; else `auto`."""


class WorkflowEngine:
    """Runs workflows on the coordinators that serve the same store.

    `wiring.open_engine` makes one for a Redis URL. The engine itself holds nothing: every method
    may be called from any process, and a run goes on when the process that started it is gone.
    """

    def __init__(
        self,
        store: RunStore,
        desk: Desk,
        definitions: DefinitionStore,
        load_file: LoadFile,
    ) -> None:
        self._store = store
        self._desk = desk
        self._definitions = definitions
        self._load_file = load_file

    async def load(self, path: str) -> Workflow:
        """Compile a workflow file and store it, so that runs can be pinned to its digest.

        Raises:
            DefinitionError: with all faults of the file.
        """
        workflow, documents = self._load_file(path)
        await self._definitions.put(documents)
        return workflow

    async def start(
        self,
        workflow: Workflow | str,
        task: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[StartOptions],
    ) -> RunId:
        """Put a task on the queue; the id of its run. The same key never starts a second run.

        A loaded `Workflow` is run at exactly its digest; a name means the active definition.
        """
        push, advance = options.get("push", True), options.get("advance", "auto")
        fields = {"task": json.dumps(dict(task or {})), "push": "true" if push else "false"}
        if advance != "auto":
            fields["advance"] = advance
        if isinstance(workflow, Workflow):
            fields |= {"workflow": workflow.id, "digest": workflow.digest}
        elif workflow != "auto":
            fields["workflow"] = workflow
        if params:
            fields["params"] = json.dumps(dict(params))
        if idempotency_key:
            fields["idempotency_key"] = idempotency_key
        return await self._desk.submit(fields, idempotency_key=idempotency_key)

    async def signal(self, run: RunId, kind: str, **details: object) -> None:
        """Send the run an outside event: `cancel`, `terminate`, `pause`, `resume`; `answer` with
        `node`, `answer`, and optionally `by`, `comment`, `values`; `signal` with `name`, and
        optionally `by`, `values`; `continue`, `retry`, `skip`, `patch` or `advance`, with what
        `core.steering` lists for each.
        """
        await self._desk.signal(run, {"kind": kind, **details})

    async def wait(self, run: RunId, *, timeout: float | None = None, round: int = 1) -> RunResult:
        """How the run ended, once it has; `round` is 2 after its first retry, and so on.

        Raises:
            RunTimeoutError: it had not after `timeout` seconds.
            RunNotAcceptedError: the task was refused; the reason says why.
        """
        began = await self._desk.now_ms()
        after = "0-0"
        while True:
            [record] = await self._store.records([run])
            if record is None:
                await self._check_refused(run)
            elif record.status.is_final and record.round >= round:
                [stored] = await self._store.load([run])
                if stored is not None:
                    return _result(stored.state)
            waited = (await self._desk.now_ms() - began) / 1_000
            if timeout is not None and waited >= timeout:
                raise RunTimeoutError(run, timeout)
            left = 1.0 if timeout is None else min(1.0, timeout - waited)
            records = await self._desk.journal(run, after=after, wait_ms=max(1, int(left * 1_000)))
            after = records[-1].id if records else after

    async def execute(
        self,
        workflow: Workflow | str,
        task: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> RunResult:
        """`start` and `wait`."""
        run = await self.start(workflow, task, params=params)
        return await self.wait(run, timeout=timeout)

    async def _check_refused(self, run: RunId) -> None:
        for letter in await self._desk.dead_letters(limit=200):
            if letter.stream == "tasks" and run_id_for(letter.entry_id) == run:
                raise RunNotAcceptedError(run, letter.reason)


def _result(state: RunState) -> RunResult:
    record = state.record
    outputs = record.outputs if isinstance(record.outputs, Mapping) else {}
    return RunResult(
        run=RunId(state.id),
        status=record.status.value,
        outputs=outputs,
        error=record.error,
        state=state,
    )
