"""Results that are too large for a run's state: kept apart by their hash, named by a reference.

| bytes of JSON   | what becomes of it                                                   |
|-----------------|----------------------------------------------------------------------|
| up to 256 KiB   | part of the run, readable by expressions                             |
| up to 16 MiB    | a blob of the store; the run has `{ref, bytes, sha256}` in its place |
| more            | the attempt fails as `invalid_reply`                                 |

What the whole result concludes is read here, where it is still at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from coordinator.core.verdicts import read_verdict, says_no_tests_ran
from coordinator.fields import BadMessageError, parsed

MAX_INLINE: Final = 256 * 1024
MAX_RESULT: Final = 16 * 1024 * 1024


def result_values(
    fields: Mapping[str, str], verdict: str | None, *, is_persona: bool
) -> dict[str, Any]:
    """What a reply says of its result, as parts of the event `Replied`.

    Raises:
        BadMessageError: the result is no JSON, or too large for anybody.
    """
    text = fields.get("result") or ""
    if not text:
        return {"verdict": verdict, "result": None}
    content = text.encode()
    if len(content) > MAX_RESULT:
        raise BadMessageError(
            f"the result has {len(content):,} bytes; at most {MAX_RESULT:,} are kept. Keep large "
            "data in files or a store of your own and send a reference"
        )
    value = parsed(fields, "result")
    if len(content) <= MAX_INLINE:
        return {"verdict": verdict, "result": value}
    return {
        "verdict": read_verdict(value, verdict) if is_persona else verdict,
        "result": reference_to(content),
        "is_reference": True,
        "no_tests_ran": is_persona and says_no_tests_ran(value),
    }


def reference_to(content: bytes) -> dict[str, object]:
    """What stands in the place of a large result."""
    digest = hashlib.sha256(content).hexdigest()
    return {"ref": f"sha256:{digest}", "bytes": len(content), "sha256": digest}
