"""Log lines on stderr: one event name and fields; JSON in a pipe, for people on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Protocol, TextIO, cast

import structlog

from coordinator.telemetry.redaction import clean_fields, clean_text

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_MAX_TRACEBACK: Final = 16_000


class Logger(Protocol):
    """Writes lines: an event name such as `run_started`, and its facts as fields."""

    def bind(self, **fields: object) -> Logger:
        """A logger that adds these fields to each of its lines."""

    def debug(self, event: str, **fields: object) -> object:
        """For whoever looks for a fault."""

    def info(self, event: str, **fields: object) -> object:
        """Something happened as it should."""

    def warning(self, event: str, **fields: object) -> object:
        """Something was set right that an operator may want to know of."""

    def error(self, event: str, **fields: object) -> object:
        """Something did not happen; somebody has to act."""

    def exception(self, event: str, **fields: object) -> object:
        """The same, with the traceback of the exception that is being handled."""


def open_log(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> Logger:
    """A logger for this process; libraries that log are heard through it from warnings on.

    Every value is cleaned before it is written: secrets, terminal control, and length.
    """
    out = stream or sys.stderr
    is_console = format == "console" or (format == "auto" and out.isatty())
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _cleaned,
        _console(out) if is_console else structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    logger = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    ).bind()
    _hear_libraries(logger)
    return cast("Logger", logger)


def _console(out: TextIO) -> structlog.typing.Processor:
    colours = out.isatty() and not os.environ.get("NO_COLOR")
    # The default formatter prints every local variable of every frame, and so its secrets.
    return structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback
    )


def _cleaned(logger: object, method: str, fields: MutableMapping[str, Any]) -> Mapping[str, object]:
    event = clean_text(str(fields.pop("event", "")), 200).replace("\n", " ")
    traceback = fields.pop("exception", None)
    shown = {**clean_fields(fields), "event": event}
    if traceback:
        shown["exception"] = clean_text(str(traceback), _MAX_TRACEBACK)
    return shown


class _Forwarded(logging.Handler):
    """What libraries say, in our form."""

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        said = {"library": record.name, "message": record.getMessage()}
        write = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        write("library_message", exc_info=record.exc_info or None, **said)


def _hear_libraries(logger: object) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Forwarded):
            root.removeHandler(handler)
    root.addHandler(_Forwarded(logger))
