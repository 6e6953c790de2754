"""The workflows below a compiled one: in its document, and read from there again.

A document names the workflows that its steps run by their digests, and holds their documents, those
of all levels side by side and each once. So the digest of a workflow changes with any of them, and
the definition of a run is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from coordinator.core.ids import Digest
from coordinator.definitions.compiled import Compiled

CHILDREN: Final = "children"
"""Of a document: workflow id -> digest, of those that its own steps run."""
CLOSURE: Final = "closure"
"""Of a document: digest -> document without its own closure."""

Document = Mapping[str, Any]


def below(direct: Iterable[Compiled]) -> dict[Digest, Compiled]:
    """The workflows, and those that they run, by digest."""
    found: dict[Digest, Compiled] = {}
    for each in direct:
        found |= {each.digest: each, **each.children}
    return found


def closure_keys(direct: Iterable[Compiled]) -> dict[str, object]:
    """What a document says of the workflows that its steps run; nothing if they run none."""
    called = list(direct)
    if not called:
        return {}
    return {
        CHILDREN: {each.workflow.id: each.digest for each in called},
        CLOSURE: {digest: _alone(each.document) for digest, each in below(called).items()},
    }


def _alone(document: bytes) -> Document:
    content: dict[str, Any] = json.loads(document)
    content.pop(CLOSURE, None)
    return content
