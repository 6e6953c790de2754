"""What the server's errors mean for us: time heals it, or a person has to act."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from coordinator.ports import StoreUnavailableError, StoreUnsuitableError

_PASSING: Final = frozenset(
    {
        "LOADING",
        "BUSY",
        "MISCONF",
        "OOM",
        "READONLY",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "TRYAGAIN",
        "MOVED",
        "ASK",
        "NOREPLICAS",
        "UNKILLABLE",
    }
)
_ELSEWHERE: Final = frozenset({"READONLY", "MOVED", "ASK", "MASTERDOWN"})
"""The connection leads to a server that is not, or no longer, the right one."""


def code_of(error: Exception) -> str:
    """The word a server's error begins with, such as `NOSCRIPT`; empty when it has none."""
    code = getattr(error, "status_code", None)
    if isinstance(code, str) and code not in ("", "ERR"):
        return code
    # fakeredis says `ERR NOGROUP …` where servers say `NOGROUP …`.
    word = str(error).removeprefix("ERR ").partition(" ")[0]
    return word if word.isupper() else ""


def is_passing(error: Exception) -> bool:
    """Whether trying again later may succeed."""
    return code_of(error) in _PASSING


def is_elsewhere(error: Exception) -> bool:
    """Whether another server has to be asked."""
    return code_of(error) in _ELSEWHERE


def is_missing_group(error: object) -> bool:
    """Whether a stream or its group is gone, also while a read was blocked on it."""
    return isinstance(error, ResponseError) and (
        code_of(error) in ("NOGROUP", "UNBLOCKED") or "no longer exists" in str(error)
    )


def translated(error: Exception, place: str) -> Exception:
    """The error as the ports know it."""
    if isinstance(error.__cause__, ResponseError | AuthenticationError):
        # redis-py wraps whatever the server says while a connection is set up.
        error = error.__cause__
    what = str(error) or type(error).__name__
    code = code_of(error)
    text = what if not code or what.startswith(code) else f"{code} {what}"
    if isinstance(error, AuthenticationError | NoPermissionError) or code in ("NOAUTH", "NOPERM"):
        return StoreUnsuitableError(f"Redis at {place} refuses us: {text}. Check user and password")
    return StoreUnavailableError(f"Redis at {place} is not available: {text}")


def checked(reply: Any) -> Any:
    """The reply, if it is no error.

    Raises:
        StoreUnsuitableError: it is one; such an error does not pass by itself.
    """
    if isinstance(reply, ResponseError):
        code = code_of(reply)
        text = str(reply) if str(reply).startswith(code) else f"{code} {reply}"
        raise StoreUnsuitableError(f"Redis refused a command: {text}") from reply
    return reply
