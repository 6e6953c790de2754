"""What people hand to commands: JSON and YAML files, `-` for stdin, `K=V` pairs, durations."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from coordinator.cli.errors import BadUsageError, CommandError

_MOST_BYTES: Final = 8 * 1024 * 1024


def read_text(place: str) -> str:
    """The text of a file, or of stdin for `-`.

    Raises:
        CommandError: it is not UTF-8, or too long.
    """
    if place == "-":
        data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    else:
        if Path(place).is_dir():
            raise CommandError(f"{place} is a folder; name a file")
        with Path(place).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    shown = "stdin" if place == "-" else place
    if len(data) > _MOST_BYTES:
        raise CommandError(f"{shown} has more than {_MOST_BYTES} bytes; make it smaller")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{shown} is not UTF-8 (at byte {error.start}); save it so") from None


def read_data(place: str) -> Any:
    """The data of a JSON or YAML file, or of stdin for `-`.

    Raises:
        CommandError: it is neither.
    """
    text = read_text(place)
    shown = "stdin" if place == "-" else place
    is_yaml = place.endswith((".yml", ".yaml"))
    if not is_yaml:
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            is_json = place.endswith(".json") or isinstance(error, _NoJsonError)
            if not text.strip() or is_json:
                raise CommandError(f"{shown} is not JSON: {error}; correct it") from None
    from coordinator.cli.folder import read_document

    return read_document(shown, text.encode()).value


class _NoJsonError(ValueError):
    """A constant that Python's reader knows and JSON does not."""


def _refuse_constant(name: str) -> object:
    raise _NoJsonError(f"{name} is no JSON")


def read_object(place: str, what: str) -> dict[str, Any]:
    """The mapping in a JSON or YAML file.

    Raises:
        CommandError: there is none in it.
    """
    value = read_data(place)
    if not isinstance(value, dict):
        shown = "stdin" if place == "-" else place
        raise CommandError(f"{shown}: {what} has to be a JSON object; write it in {{ }}")
    return value


def pairs(given: Iterable[str]) -> dict[str, object]:
    """`K=V` arguments as a mapping; the values stay text and are read as their declared types.

    Raises:
        BadUsageError: one has no name or no `=`.
    """
    found: dict[str, object] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise BadUsageError(f'"{each}" is not K=V; write a name, "=", and a value')
        found[name] = value
    return found


def typed_pairs(given: Iterable[str]) -> dict[str, object]:
    """`K=V` arguments, whose values are text, and `K:=V` ones, whose values are JSON.

    Raises:
        BadUsageError: one is neither.
    """
    found: dict[str, object] = {}
    for each in given:
        name, _, value = each.partition("=")
        if not name.endswith(":"):
            found |= pairs([each])
        elif name == ":":
            raise BadUsageError(f'"{each}" is not K:=JSON; write a name before ":="')
        else:
            found[name.removesuffix(":")] = _json(each, value)
    return found


def _json(argument: str, text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadUsageError(f'"{argument}": the value is not JSON: {error}') from None


class Duration(click.ParamType[int]):
    """A time on the command line, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds of `90s`, `15m` or a number of seconds."""
        from coordinator.core.durations import DurationError, duration_ms

        try:
            return duration_ms(value)
        except DurationError as error:
            self.fail(str(error), param, ctx)
