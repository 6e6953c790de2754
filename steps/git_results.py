"""What each git operation leaves as its result, as JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_Schema = Mapping[str, Any]

_TEXT: Final[_Schema] = {"type": "string"}
_FLAG: Final[_Schema] = {"type": "boolean"}
_COUNT: Final[_Schema] = {"type": "integer", "minimum": 0}
_SHA: Final[_Schema] = {"type": "string", "pattern": "^[0-9a-f]{40,64}$"}
_COMMIT: Final[_Schema] = {**_SHA, "description": "the commit that was made"}
_REASON: Final[_Schema] = {**_TEXT, "description": "why there was nothing to do"}

_COMMON: Final[_Schema] = {
    "operation": _TEXT,
    "revision": {**_SHA, "description": "the newest revision of the run"},
    "branch": {**_TEXT, "description": "the run's work branch"},
    "base_branch": _TEXT,
    "changed": {"type": "array", "items": _TEXT, "description": "changed files, the first ones"},
    "changed_count": _COUNT,
    "pushed": _FLAG,
    "already_done": {**_FLAG, "description": "an earlier attempt had done it"},
}


def _result(required: _Schema | None = None, optional: _Schema | None = None) -> _Schema:
    needed, may = required or {}, optional or {}
    return {
        "type": "object",
        "properties": {**_COMMON, **needed, **may},
        "required": [*_COMMON, *needed],
        "additionalProperties": False,
    }


RESULT: Final[_Schema] = {"type": "object", "properties": _COMMON, "required": [*_COMMON]}
"""What the results of all operations have in common."""

_MERGED: Final = _result({"merged": _FLAG}, {"commit": _COMMIT, "reason": _REASON})

RESULTS: Final[Mapping[str, _Schema]] = {
    "checkout-branch": _result(),
    "commit": _result(optional={"commit": _COMMIT}),
    "push": _result(optional={"reason": _REASON}),
    "merge": _MERGED,
    "rebase": _result({"commit": _COMMIT}),
    "tag": _result({"tag": _TEXT}),
    "sync": _result({"commit": _COMMIT}),
    "diff": _result(
        {"patch": _TEXT, "truncated": _FLAG, "insertions": _COUNT, "deletions": _COUNT}
    ),
    "apply-patch": _result(optional={"commit": _COMMIT}),
    "finalize": _MERGED,
    "rollback": _result(
        {
            "rolled_back": {"type": "array", "items": _SHA},
            "commit": {**_COMMIT, "type": ["string", "null"]},
        }
    ),
}
"""By operation."""
