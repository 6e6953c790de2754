"""Where compiled definitions are kept, and which of them serve new runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coordinator.core.ids import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBundle:
    """Which definitions serve new runs."""

    bundle: str
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """Workflow id -> digest."""
    revision: str = ""
    """`ref@sha1:<commit>`, or `dir:<path>` outside git."""
    routes: Sequence[Mapping[str, object]] = ()
    """`match:` rules in order: `{workflow, types, when}`."""
    personas: Sequence[str] = ()
    activated_ms: int = 0


class DefinitionStore(Protocol):
    """Keeps compiled definitions by their digest, and which of them are active."""

    async def put(self, documents: Mapping[Digest, bytes]) -> None:
        """Store canonical documents under their digests; storing again changes nothing."""

    async def get(self, digest: Digest) -> bytes | None:
        """The document, as stored; the caller checks that it hashes to `digest`."""

    async def active(self) -> list[ActiveBundle]:
        """All active bundles."""

    async def activate(self, bundle: ActiveBundle, *, replaces: str | None) -> bool:
        """Make `bundle` the active one if the active revision is still `replaces`; else False."""

    async def put_status(self, bundle: str, status: Mapping[str, object]) -> None:
        """Keep what the last look at the bundle's source found, in place of the one before."""

    async def get_status(self, bundle: str) -> Mapping[str, object] | None:
        """What was kept last; None if nobody has looked yet."""
