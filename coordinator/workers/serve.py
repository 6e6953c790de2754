"""The loop of a worker: take what fits, show life, answer, and leave without losing anything.

A request belongs to this worker while it shows life for it. A worker that dies stops doing so, and
a sibling claims its requests: the same attempt with the same token, so at most one answer counts.

Stopping: after the first `stop` nothing is taken any more, and what is running may end within the
drain time; the rest is stopped and handed back. The second `stop` does that at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from coordinator import faults
from coordinator.core.definition import ErrorClass
from coordinator.ports import Reply, Request, RequestQueue, StoreUnavailableError
from coordinator.workers.replies import Answer, failed

_T = TypeVar("_T")

Answers = Callable[[Request], Awaitable[Answer]]
"""Who does the work: `Personas.answer`, or that of a coordinator's own executor.

A failure is an answer too. Cancelled, it leaves nothing running. When it raises
`StoreUnavailableError` nothing was started, and it is asked again.
"""

_REMEMBERED_CANCELLATIONS: Final = 1_000
_REMEMBERED_ANSWERS: Final = 1_000
_ANSWERS_KEPT_SECONDS: Final = 3_600.0
_LONGEST_PAUSE_SECONDS: Final = 5.0
_IMPATIENT_SECONDS: Final = 0.05


class Log(Protocol):
    """Where a loop says what happens: one event name, and fields."""

    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...


class Quiet:
    """Says nothing."""

    def info(self, event: str, **fields: object) -> None: ...
    def warning(self, event: str, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How one worker works."""

    name: str
    concurrency: int = 2
    lease_seconds: float = 15.0
    """A request without a sign of life for so long is taken over by a sibling."""
    drain_seconds: float = 30.0
    """What runs when the worker is told to stop may take so long to end."""
    poll_ms: int = 1_000
    max_deliveries: int = 5
    """A request delivered more often is answered with an error: it may be what kills workers."""

    @property
    def beat_seconds(self) -> float:
        """How often to show life, and to look for requests of dead siblings."""
        return self.lease_seconds / 3


class _Job:
    """A request being worked on."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.work: asyncio.Task[Answer] | None = None
        self.has_started = False
        self.is_cancelled = False
        self.is_answered = False

    def cancel(self) -> None:
        """Stop the work for the coordinator; an answer that is under way is sent all the same."""
        self.is_cancelled = True
        if self.work is not None:
            self.work.cancel()


class Worker:
    """Serves the requests of one queue."""

    def __init__(
        self,
        queue: RequestQueue,
        answers: Answers,
        settings: WorkerSettings,
        *,
        log: Log | None = None,
    ) -> None:
        self._queue = queue
        self._answers = answers
        self._settings = settings
        self._log = log or Quiet()
        self._jobs: dict[asyncio.Task[None], _Job] = {}
        self._hands = asyncio.Semaphore(settings.concurrency)
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._cancelled: deque[str] = deque(maxlen=_REMEMBERED_CANCELLATIONS)
        self._answered: OrderedDict[tuple[str, str], tuple[Request, float]] = OrderedDict()
        """Answered, and maybe not settled yet; with the loop's time of the answer."""
        self._next_claim = 0.0

    def stop(self) -> None:
        """Stop taking and finish what runs; called again, stop at once."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self._changed.set()
        for task, job in self._jobs.items():
            if not job.has_started:
                task.cancel()

    @property
    def busy(self) -> int:
        """How many requests are being worked on."""
        return len(self._jobs)

    async def serve(self) -> None:
        """Serve until stopped. Nothing that was taken is left without an answer or a new owner."""
        life = [
            asyncio.create_task(self._keep_forever()),
            asyncio.create_task(self._listen_forever()),
        ]
        try:
            await self._unless_hurried(self._take_until_stopped())
            await self._unless_hurried(self._drain())
        finally:
            await self._give_up_rest()
            await _cancelled(life)
            await self._queue.close()

    async def _take_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            free = self._settings.concurrency - len(self._jobs)
            if free <= 0:
                await self._changed.wait()
                continue
            try:
                requests = await self._take_next(free)
            except StoreUnavailableError as error:
                self._log.warning("queue_unavailable", error=str(error))
                await self._pause(1.0)
                continue
            for request in requests:
                self._begin(request)

    async def _take_next(self, free: int) -> list[Request]:
        now = asyncio.get_running_loop().time()
        if now >= self._next_claim:
            self._next_claim = now + self._settings.beat_seconds
            idle_ms = int(self._settings.lease_seconds * 1000)
            if claimed := await self._queue.claim_abandoned(idle_ms=idle_ms, count=free):
                self._log.info("requests_taken_over", count=len(claimed))
                return claimed
        return await self._queue.take(wait_ms=self._settings.poll_ms, count=free)

    def _begin(self, request: Request) -> None:
        entry = (request.stream, request.entry_id)
        if any((j.request.stream, j.request.entry_id) == entry for j in self._jobs.values()):
            return  # our own sign of life came too late; the work goes on
        # Given to us again although answered: the server may have lost the answer.
        self._answered.pop(entry, None)
        job = _Job(request)
        job.is_cancelled = request.msg_id in self._cancelled
        task = asyncio.create_task(self._do(job))
        self._jobs[task] = job
        task.add_done_callback(self._ended)
        if self._stopping.is_set():
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        job = self._jobs[task]
        if job.is_answered or not self._stopping.is_set():
            del self._jobs[task]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("request_lost", msg_id=job.request.msg_id, error=repr(error))

    async def _do(self, job: _Job) -> None:
        if job.is_cancelled:
            given = _was_cancelled()
        else:
            job.work = asyncio.create_task(self._work_on(job))
            try:
                given = await job.work
            except asyncio.CancelledError:
                if not job.is_cancelled:
                    raise
                given = _was_cancelled()
        await self._send(job.request, given)
        job.is_answered = True
        self._remember(job.request)

    async def _work_on(self, job: _Job) -> Answer:
        # A queue may give more than was asked for: its count is for each of the streams it reads.
        async with self._hands:
            job.has_started = True
            return await self._answer(job.request)

    async def _answer(self, request: Request) -> Answer:
        if request.deliveries > self._settings.max_deliveries:
            return failed(
                ErrorClass.TRANSPORT,
                f"delivered {request.deliveries} times and never answered; the workers that had it "
                f"may have died of it",
            )
        try:
            faults.point("work.before")
            answer = await self._patiently(lambda: self._answers(request))
            faults.point("work.after")
            return answer
        except Exception as error:
            self._log.warning("answer_failed", msg_id=request.msg_id, error=repr(error))
            return failed(
                ErrorClass.TRANSPORT, f"the worker failed: {type(error).__name__}: {error}"
            )

    async def _send(self, request: Request, given: Answer) -> None:
        try:
            await self._patiently(lambda: self._queue.reply(request, self._reply(request, given)))
        except (TypeError, ValueError) as error:
            unfit = failed(ErrorClass.INVALID_REPLY, f"the answer cannot be sent: {error}")
            await self._patiently(lambda: self._queue.reply(request, self._reply(request, unfit)))
        self._log.info(
            "request_answered",
            msg_id=request.msg_id,
            persona=request.target,
            status=given.status.value,
            verdict=given.verdict,
            error_class=given.failure.error_class if given.failure else None,
        )

    def _reply(self, request: Request, given: Answer) -> Reply:
        return Reply(
            msg_id=request.msg_id,
            token=request.token,
            status=given.status,
            verdict=given.verdict,
            result=given.result,
            failure=given.failure,
            patch=given.patch,
            files=given.files,
            usage=given.usage,
            artifacts=given.artifacts,
            worker=self._settings.name,
        )

    async def _keep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.beat_seconds)
            with contextlib.suppress(StoreUnavailableError):
                await self._keep()

    async def _keep(self) -> None:
        """Show life for what is worked on, and for what is answered until a coordinator settles it:
        with no coordinator there, siblings would claim it and do the work again.
        """
        oldest = asyncio.get_running_loop().time() - _ANSWERS_KEPT_SECONDS
        answered = [one for one, since in self._answered.values() if since > oldest]
        if mine := [*(job.request for job in self._jobs.values()), *answered]:
            kept = {(one.stream, one.entry_id) for one in await self._queue.keep(mine)}
            for one in answered:
                if (one.stream, one.entry_id) not in kept:
                    self._answered.pop((one.stream, one.entry_id), None)

    def _remember(self, request: Request) -> None:
        now = asyncio.get_running_loop().time()
        self._answered[request.stream, request.entry_id] = (request, now)
        while len(self._answered) > _REMEMBERED_ANSWERS:
            self._answered.popitem(last=False)

    async def _listen_forever(self) -> None:
        while True:
            stopped = await self._patiently(
                lambda: self._queue.cancellations(wait_ms=self._settings.poll_ms)
            )
            self._cancelled.extend(stopped)
            for job in list(self._jobs.values()):
                if job.request.msg_id in stopped:
                    self._log.info("request_cancelled", msg_id=job.request.msg_id)
                    job.cancel()

    async def _drain(self) -> None:
        if self._jobs:
            self._log.info("draining", requests=len(self._jobs))
            await asyncio.wait(self._jobs, timeout=self._settings.drain_seconds)

    async def _give_up_rest(self) -> None:
        """Stop what still runs and let others have what is not answered."""
        self._stopping.set()
        running = {task for task in self._jobs if not task.done()}
        for task in running:
            task.cancel()
        while running:
            patience = _IMPATIENT_SECONDS if self._hurry.is_set() else self._settings.beat_seconds
            _, running = await asyncio.wait(running, timeout=patience)
            if self._hurry.is_set():
                for task in running:
                    task.cancel()
        rest = [job.request for job in self._jobs.values() if not job.is_answered]
        if rest:
            self._log.info("handed_back", requests=len(rest))
            with contextlib.suppress(StoreUnavailableError):
                await self._queue.hand_back(rest)

    async def _unless_hurried(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait((task, hurry), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            await _cancelled((task, hurry))

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """What `call` gives, tried again for as long as the store cannot be reached."""
        pause = 0.1
        while True:
            try:
                return await call()
            except StoreUnavailableError as error:
                self._log.warning("queue_unavailable", error=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _was_cancelled() -> Answer:
    return failed(ErrorClass.CANCELLED, "stopped, as the coordinator asked", retryable=False)


async def _cancelled(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel and wait; what a task raises then is of no interest any more."""
    pending = list(tasks)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
