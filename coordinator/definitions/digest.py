"""The canonical document of a definition, and its name."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from coordinator.core.ids import Digest

FORMAT: Final = 1
"""Of canonical documents; a program reads only the format it knows."""


class TamperedDefinitionError(Exception):
    """A stored definition is not what its digest says; somebody or something changed it."""

    def __init__(self, digest: str, found: str) -> None:
        super().__init__(
            f"the stored definition {digest} hashes to {found}; it must not be used. Restore it "
            "from the repository, and find out who can write to the store"
        )
        self.digest = digest
        self.found = found


class UnreadableDefinitionError(Exception):
    """A stored definition is genuine, but this program cannot compile it."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(
            f"the stored definition {digest} cannot be compiled by this program: {reason}. Run the "
            "version and the step plugins that stored it"
        )
        self.digest = digest


def canonical_bytes(document: object) -> bytes:
    """The one JSON text of a document: keys sorted, no space, only ASCII."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def digest_of(text: bytes) -> Digest:
    """`sha256:` and the hash."""
    return Digest(f"sha256:{hashlib.sha256(text).hexdigest()}")
