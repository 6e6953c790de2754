"""Exit codes, and what a person is told when something goes wrong: what, where, what to do."""

from __future__ import annotations

import traceback
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What scripts can rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    RUN_FAILED = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    WAITING_ON_HUMAN = 8
    TIMED_OUT = 124
    INTERRUPTED = 130


RUN_EXIT: Final = {
    "succeeded": ExitCode.DONE,
    "failed": ExitCode.RUN_FAILED,
    "stopped": ExitCode.RUN_FAILED,
    "cancelled": ExitCode.RUN_FAILED,
    "waiting": ExitCode.WAITING_ON_HUMAN,
    "paused": ExitCode.WAITING_ON_HUMAN,
}
"""Of a simulation or a followed run, by how it ended."""


class CommandError(Exception):
    """The command cannot do its job; the message says what, where and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(CommandError):
    """What the command line names does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NOT_FOUND)


class BadUsageError(CommandError):
    """The command line itself is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)


_EXPECTED: Final = frozenset(
    {
        "BadMessageError",
        "BadSignalError",
        "BusError",
        "ConfigError",
        "DefinitionError",
        "DefinitionUnusableError",
        "DurationError",
        "EndpointError",
        "GitError",
        "NotJsonError",
        "PluginError",
        "ProcessEndedError",
        "ScriptError",
        "SourceError",
        "StoreUnavailableError",
        "StoreUnsuitableError",
        "TaskError",
        "TooLargeError",
        "UnknownFaultPointError",
        "UnknownFormatError",
        "UnknownWorkflowError",
    }
)
"""Errors of ours whose message is meant for people; by name, so that none has to be imported."""

_CURES: Final = {
    "StoreUnavailableError": "; start it, or name another one with --redis (see coordinator doctor)"
}
"""What to do, for errors that do not know it themselves."""


def the_one(error: BaseException) -> BaseException:
    """The error itself, out of groups that hold nothing else."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def told(error: BaseException, *, debug: bool, advice: str = "") -> tuple[str, ExitCode]:
    """The text for stderr and the exit code of whatever a command raised; `advice` ends it."""
    text, code = _short(error)
    text += advice
    if debug:
        text += "\n\n" + "".join(traceback.format_exception(error)).rstrip()
    return text, code


def _short(error: BaseException) -> tuple[str, ExitCode]:
    if isinstance(error, CommandError):
        return f"error: {error}", error.code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ExitCode.INTERRUPTED
    if any(kind.__name__ in _EXPECTED for kind in type(error).__mro__):
        cure = _CURES.get(type(error).__name__, "")
        return f"error: {str(error).rstrip('.') if cure else error}{cure}", ExitCode.FAILED
    if isinstance(error, FileNotFoundError):
        return f"error: {error.filename}: no such file; correct the path", ExitCode.NOT_FOUND
    if isinstance(error, PermissionError):
        place = error.filename or "access"
        return f"error: {place}: {error.strerror or error}; allow it", ExitCode.NOT_ALLOWED
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"error: {place}{error.strerror or error}", ExitCode.FAILED
    what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return (
        f"error: {what}: this is a bug of ours; the same command with --debug shows where",
        ExitCode.FAILED,
    )
