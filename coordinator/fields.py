"""Fields of text as they come from outside, bounded and checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from coordinator.core.jsontext import NotJsonError, parse

MAX_FIELD: Final = 2 * 1024 * 1024
"""The longest field, in characters."""
MAX_FIELDS: Final = 64
MAX_KEY: Final = 200
"""The longest idempotency key, workflow name, token, name of a worker."""


class BadMessageError(ValueError):
    """The message can never apply."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


E = TypeVar("E", bound=StrEnum)


def member(kind: type[E], text: object) -> E | None:
    """The member of `kind` that `text` names, or None."""
    try:
        return kind(text) if isinstance(text, str) else None
    except ValueError:
        return None


def bounded(fields: Mapping[str, str], *, but: str = "") -> None:
    """Return only if the fields are few, short (`but` may be long), and text that can be stored.

    Raises:
        BadMessageError: they are not.
    """
    if len(fields) > MAX_FIELDS:
        raise BadMessageError(f"{len(fields)} fields; at most {MAX_FIELDS}")
    for name, text in fields.items():
        if len(text) > MAX_FIELD and name != but:
            raise BadMessageError(f"the field {name[:40]!r} is longer than {MAX_FIELD:,}")
        try:
            name.encode(), text.encode()
        except UnicodeEncodeError:
            raise BadMessageError(f"the field {name[:40]!r} is not UTF-8") from None


def short(fields: Mapping[str, str], name: str) -> str:
    """A name in a field, empty where there is none.

    Raises:
        BadMessageError: it is too long.
    """
    text = fields.get(name, "")
    if len(text) > MAX_KEY:
        raise BadMessageError(f"the field {name!r} is longer than {MAX_KEY} characters")
    return text


def parsed(fields: Mapping[str, str], name: str) -> Any:
    """The JSON value in a field.

    Raises:
        BadMessageError: there is none.
    """
    try:
        return parse(fields[name])
    except NotJsonError as error:
        raise BadMessageError(f"the field {name!r} is {error}") from None
    except KeyError:
        raise BadMessageError(f"no field {name!r}") from None


def json_object(fields: Mapping[str, str], name: str) -> Mapping[str, Any]:
    """The JSON object in a field.

    Raises:
        BadMessageError: there is none.
    """
    value = parsed(fields, name)
    if not isinstance(value, dict):
        raise BadMessageError(f"the field {name!r} is no JSON object")
    return value
