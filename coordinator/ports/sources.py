"""Where a coordinator's work comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coordinator.core.ids import RunId
from coordinator.ports.runs import Delivery


class EventSource(Protocol):
    """Where a coordinator's work comes from: new tasks, replies, due timers and signals."""

    async def read(self, *, wait_ms: int, count: int = 128) -> list[Delivery]:
        """New deliveries; waits up to `wait_ms` for the first one. May return an empty list early.

        After a connection was lost, entries that this consumer owns already come first.
        """

    async def claim_abandoned(self, *, idle_ms: int, count: int = 128) -> list[Delivery]:
        """Deliveries that their consumers have not settled for `idle_ms`; they are ours now."""

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge and delete deliveries that need no transition (late, repeated)."""

    async def refuse(self, delivery: Delivery, *, reason: str) -> None:
        """Move a delivery that can never apply to the dead letters, in one step; the idempotency
        key of a task is free again, so that a corrected or replayed one may run."""

    async def is_queued(self, run: RunId) -> bool:
        """Whether what begins this run, a task or a step of another run, is still in a queue, read
        or not.
        """

    def follow(self, personas: Sequence[str]) -> None:
        """Read the replies of these personas too, from their beginning."""

    async def close(self) -> None:
        """Stop reading; what is owned and unsettled stays for others to claim."""


class Timers(Protocol):
    """Fires what `SetTimer` asked for."""

    async def fire_due(self, *, count: int = 200) -> int | None:
        """Turn due timers into inbox events; the milliseconds until the next one, None = there is
        none. The store's clock decides; each timer fires once, however many call this."""
