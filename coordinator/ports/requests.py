"""A worker's and an executor's end: requests come, replies go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coordinator.core.events import Failure, ReplyStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as a worker or executor gets it."""

    stream: str
    entry_id: str
    target: str
    """The persona, or the work type."""
    msg_id: str
    run: str
    node: str
    attempt: int
    token: str
    workflow: str
    digest: str
    """Of the run's definition; the persona as the run knows it is in that document."""
    payload: Mapping[str, object]
    deadline_ms: int | None
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A worker's answer to a request."""

    msg_id: str
    token: str
    status: ReplyStatus
    verdict: str | None = None
    result: object = None
    failure: Failure | None = None
    patch: Mapping[str, object] | None = None
    files: Mapping[str, object] | None = None
    usage: Mapping[str, object] | None = None
    artifacts: Sequence[Mapping[str, object]] = ()
    worker: str = ""


class RequestQueue(Protocol):
    """A worker's or an executor's end of the request streams it serves."""

    async def take(self, *, wait_ms: int, count: int) -> list[Request]:
        """New requests; waits up to `wait_ms` for the first. Entries that are no request at all are
        moved to the dead letters and not returned. Own pending entries come first after a
        (re)start.
        """

    async def claim_abandoned(self, *, idle_ms: int, count: int) -> list[Request]:
        """Requests whose worker was silent for `idle_ms`; the same attempt, the same token."""

    async def keep(self, requests: Sequence[Request]) -> list[Request]:
        """Show life, so that nobody claims these; those that are still ours, and not settled."""

    async def reply(self, request: Request, reply: Reply) -> None:
        """Send the answer. The commit that applies a final one takes the request off the queue."""

    async def hand_back(self, requests: Sequence[Request]) -> None:
        """Let others claim these at once; used when shutting down."""

    async def cancellations(self, *, wait_ms: int) -> list[str]:
        """Message ids that are to be stopped, as they come; waits up to `wait_ms`."""

    async def close(self) -> None:
        """Stop reading."""
