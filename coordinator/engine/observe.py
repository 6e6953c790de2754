"""What the loops say about themselves, to whoever counts."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    """Counts what happens. Each method returns at once, never raises, and touches no network.

    Names are handed on as they are in definitions and messages; bounding how many different ones
    are kept is the business of whoever counts.
    """

    def run_started(self, workflow: str) -> None:
        """A run of this workflow was created."""

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        """A run ended, so long after it was created."""

    def slot_granted(self, workflow: str, seconds: float) -> None:
        """A run of this workflow got a slot of its concurrency key, so long after it had asked."""

    def slot_refused(self, workflow: str) -> None:
        """A run of this workflow was refused one."""

    def node_settled(self, type: str, status: str, seconds: float) -> None:
        """A node of this step type reached its end, so long after it was started."""

    def requested(self, persona: str) -> None:
        """A request to this persona, or to this kind of work, was committed."""

    def replied(self, persona: str, status: str) -> None:
        """A reply of this persona was committed."""

    def batch(self, size: int) -> None:
        """So many deliveries were read at once."""

    def committed(self, result: str, count: int) -> None:
        """So many transitions came back as `ok`, `conflict` or `duplicate`."""

    def ignored(self, kind: str) -> None:
        """An event of this kind was late or repeated, and changed nothing."""

    def refused(self, stream: str) -> None:
        """A message of this stream was moved to the dead letters."""


class Silent:
    """Counts nothing."""

    def run_started(self, workflow: str) -> None:
        """Nothing happens."""

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        """Nothing happens."""

    def slot_granted(self, workflow: str, seconds: float) -> None:
        """Nothing happens."""

    def slot_refused(self, workflow: str) -> None:
        """Nothing happens."""

    def node_settled(self, type: str, status: str, seconds: float) -> None:
        """Nothing happens."""

    def requested(self, persona: str) -> None:
        """Nothing happens."""

    def replied(self, persona: str, status: str) -> None:
        """Nothing happens."""

    def batch(self, size: int) -> None:
        """Nothing happens."""

    def committed(self, result: str, count: int) -> None:
        """Nothing happens."""

    def ignored(self, kind: str) -> None:
        """Nothing happens."""

    def refused(self, stream: str) -> None:
        """Nothing happens."""
