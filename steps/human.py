"""`human`: ask a human, and wait as long as it takes or until the deadline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import field_validator

from coordinator.core.definition import Ask, Channel
from coordinator.core.forms import form_problems
from coordinator.core.lowering import Doubt, Mark, Need, Parts, StepType
from coordinator.core.templates import compile_value
from steps.keys import OwnKeys

FIELD_TYPES: Final = ("string", "text", "integer", "number", "boolean", "list", "object")
_FIELD_KEYS: Final = ("type", "required", "enum", "default", "description")


class HumanKeys(OwnKeys):
    """The form, who may answer, and what happens when nobody does."""

    form: dict[str, Any] | None = None
    assignees: list[str] | None = None
    deadline: Annotated[Any, Mark.DURATION_TEMPLATE] = None
    on_deadline: dict[str, Any] | str | None = None

    @field_validator("form")
    @classmethod
    def _has_known_fields(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        for name, spec in (value or {}).items():
            _check_field(name, spec)
        return value

    @field_validator("on_deadline")
    @classmethod
    def _is_an_answer(cls, value: dict[str, Any] | str | None) -> dict[str, Any] | str | None:
        answer = value.get("answer") if isinstance(value, dict) else value
        unknown = set(value) - {"answer", "comment", "values"} if isinstance(value, dict) else set()
        if value is None or (answer in ("approve", "reject") and not unknown):
            return value
        raise ValueError("it has to be approve, reject, or {answer: approve, comment, values}")


def _check_field(name: str, spec: object) -> None:
    field = spec if isinstance(spec, Mapping) else {"type": spec}
    unknown = sorted(set(field) - set(_FIELD_KEYS))
    if unknown:
        raise ValueError(f"field {name!r} has no key {unknown[0]!r}; {', '.join(_FIELD_KEYS)} do")
    if field.get("type", "string") not in FIELD_TYPES:
        raise ValueError(f"the type of field {name!r} has to be one of {', '.join(FIELD_TYPES)}")


def lower(parts: Parts) -> Ask:
    """A question for a human's inbox; without a deadline it waits for ever."""
    return Ask(
        channel=Channel.HUMAN,
        target="human",
        params=compile_value(parts.params),
        timeout=parts.timeout,
        deadline=parts.own.get("deadline") or parts.given_timeout,
        form=parts.own.get("form") or {},
        assignees=tuple(parts.own.get("assignees") or ()),
        on_deadline=_answer(parts.own.get("on_deadline")),
    )


def _answer(given: object) -> Mapping[str, object] | None:
    if isinstance(given, str):
        return {"answer": given}
    return given if isinstance(given, dict) else None


def doubts(own: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Doubt]:
    """Defaults that the form refuses, and an answer for a deadline that there is not."""
    for name, spec in (own.get("form") or {}).items():
        field = spec if isinstance(spec, Mapping) else {"type": spec}
        if field.get("default") is not None:
            for problem in form_problems({name: field}, {name: field["default"]}):
                yield Doubt(("form", name, "default"), f"the default does not fit: {problem}")
    if own.get("on_deadline") and not (own.get("deadline") or common.get("timeout")):
        message = '"on_deadline" has no effect without a deadline'
        yield Doubt(("on_deadline",), message, is_idle=True)


RESULT: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "the answer, with the fields of the form beside it",
    "properties": {
        "answer": {"enum": ["approve", "reject"]},
        "by": {"type": "string", "description": "who answered; deadline where nobody did"},
        "comment": {"type": "string"},
    },
    "required": ["answer", "by", "comment"],
}

HUMAN: Final = StepType(
    name="human",
    description="Ask a human with a form; approve, reject, or let the deadline decide.",
    keys=HumanKeys,
    lower=lower,
    result=RESULT,
    also_needs=(Need.HUMAN,),
    doubts=doubts,
)
