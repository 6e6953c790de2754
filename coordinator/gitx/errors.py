"""What can go wrong with git, sorted by who must act.

GitError                    git said no and nobody knows better (class `step_error`)
├── GitTransientError       network, lock, time: the same call may work later (`transport`)
│   ├── GitRaceError        somebody else moved a ref first: look again and redo
│   └── GitStoppedError     whoever asked does not want it any more (in `stopping`)
├── GitRefusedError         it is not allowed, and never will be (`refused`)
│   ├── InvalidNameError    a name, path, URL or revision that we do not hand to git
│   └── InvalidRequestError a work request that does not have the agreed form
└── GitConflictError        two changes cannot both hold; names the files (`step_error`)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

_SHOWN_BYTES: Final = 2_000
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET: Final = re.compile(
    r"(?i)\b(authorization:\s*\w+|token|password|secret|api[_-]?key)([=:\s]+)\S+"
)
_UNPRINTABLE: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def redacted(text: str) -> str:
    """`text` without credentials, terminal escapes and control characters, cut to 2,000 of them."""
    clean = _UNPRINTABLE.sub("", text).strip()
    clean = _SECRET.sub(r"\1\2[hidden]", _USERINFO.sub("[hidden]@", clean))
    return clean if len(clean) <= _SHOWN_BYTES else clean[:_SHOWN_BYTES] + " [cut]"


class GitError(Exception):
    """A git command failed for a reason that repeating it does not cure."""

    error_class: ClassVar[str] = "step_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, command: str = "", exit_code: int | None = None, stderr: str = ""
    ) -> None:
        self.command = command
        self.exit_code = exit_code
        self.stderr = redacted(stderr)
        super().__init__(f"{message}: {self.stderr}" if self.stderr else message)


class GitTransientError(GitError):
    """The same call may well succeed later: network, a lock that is held, or time ran out."""

    error_class = "transport"
    retryable = True


class GitRaceError(GitTransientError):
    """A ref is no longer where we saw it; nothing was changed. Read it again and start over."""


class GitRefusedError(GitError):
    """The work is outside what the run may do, or what anybody may do. Nothing was changed."""

    error_class = "refused"


class InvalidNameError(GitRefusedError):
    """A value from outside that must not reach git; `what` it should be and `why` it is not."""

    def __init__(self, what: str, value: object, why: str) -> None:
        shown = ascii(value) if len(ascii(value)) <= 120 else ascii(value)[:120] + "..."
        super().__init__(f"{redacted(shown)} is not a {what}: {why}")
        self.what = what
        self.why = why


class InvalidRequestError(GitRefusedError):
    """A git work request lacks a field, has one too many, or has one of the wrong kind."""


class GitConflictError(GitError):
    """Two changes to the same places; `files` names them. Nothing was changed."""

    def __init__(self, doing: str, files: Sequence[str], cure: str) -> None:
        self.files = tuple(sorted(set(files)))
        shown = ", ".join(ascii(name)[1:-1] for name in self.files[:20]) or "(no file named)"
        more = f" and {len(self.files) - 20} more" if len(self.files) > 20 else ""
        super().__init__(f"{doing} conflicts in {shown}{more}; {cure}")
