"""Which values a name can have in any run, where the file or the language tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from coordinator.core.definition import Parameter
from coordinator.core.ids import underscored
from coordinator.core.lowering import Need
from coordinator.core.state import SETTLED, NodeStatus, RunStatus
from coordinator.core.tasks import STATUS_WORDS
from coordinator.core.verdicts import FAIL, FAIL_WORDS, PASS, PASS_WORDS, UNKNOWN
from coordinator.definitions.report import kind_of
from coordinator.definitions.resolve import CONTEXT_KEYS
from coordinator.definitions.step import Names, Part, Step

VERDICTS: Final = (PASS, FAIL, UNKNOWN)
_OUTCOMES: Final = tuple(each.value for each in NodeStatus if each in SETTLED)
_TEXT: Final = ("text",)
_NUMBER: Final = ("a number",)
_KINDS: Final = {
    "string": _TEXT,
    "integer": _NUMBER,
    "number": _NUMBER,
    "boolean": ("a truth value",),
    "list": ("a list",),
    "object": ("a mapping",),
}


class Possible(NamedTuple):
    """What a name can be besides null."""

    what: str
    """The name in words."""
    kinds: tuple[str, ...]
    values: tuple[object, ...] | None = None
    """All that there are; None where any value of the kinds may come."""
    is_lower: bool = False
    """Whether it is text in small letters."""

    def excludes(self, value: object) -> bool:
        """Whether the name never has this value."""
        if value is None:
            return False
        if kind_of(value) not in self.kinds:
            return True
        if self.values is not None:
            return value not in self.values
        return self.is_lower and isinstance(value, str) and value != value.lower()

    def meant(self, value: object) -> str:
        """The possible value that somebody who writes this one has in mind; empty if none is."""
        if not isinstance(value, str):
            return ""
        if self.values is None:
            return value.lower() if self.is_lower else ""
        word = value.strip().lower()
        wanted = {"succeeded", PASS} if word in PASS_WORDS else set[str]()
        wanted |= {"failed", FAIL} if word in FAIL_WORDS else set[str]()
        wanted.add(word)
        return next((str(each) for each in self.values if each in wanted), "")


_TASK: Final[Mapping[str, Possible]] = {
    **{
        key: Possible(f"task.{key}", _TEXT)
        for key in ("id", "title", "slug", "description", "repo", "branch")
    },
    **{key: Possible(f"task.{key}", _TEXT, is_lower=True) for key in ("type", "scope")},
    "status": Possible("task.status", _TEXT, STATUS_WORDS),
    "labels": Possible("task.labels", ("a list",)),
}
_RUN: Final[Mapping[str, Possible]] = {
    "status": Possible("run.status", _TEXT, tuple(each.value for each in RunStatus)),
    "workflow": Possible("run.workflow", _TEXT),
    "version": Possible("run.version", _TEXT),
    "created_ms": Possible("run.created_ms", _NUMBER),
}
_LOOP_NAMES: Final = ("iteration", "index")
_SAME_AS_STEPS: Final = ("personaResults", "persona_results")


@dataclass(slots=True)
class Possibilities:
    """What the names of one file can be."""

    names: Names
    _concludes: dict[Step, bool] = field(default_factory=dict)

    def of(self, path: tuple[str, ...]) -> Possible | None:
        """What the value at `path` can be; None where nothing is known."""
        if path[0] == "context" and len(path) > 1 and path[1] in CONTEXT_KEYS:
            path = ("steps" if path[1] in _SAME_AS_STEPS else path[1], *path[2:])
        match path:
            case ("task", key):
                return _TASK.get(key)
            case ("run", key):
                return _RUN.get(key)
            case ("state", key):
                return self._state(key)
            case ("params", name):
                return self._parameter(name)
            case ("steps", name, fact):
                return self._fact(name, fact)
            case (name,) if name in _LOOP_NAMES:
                return Possible(name, _NUMBER)
            case (name,):
                return self._parameter(name)
            case (name, fact) if name not in self.names.parameters:
                return self._fact(name, fact)
        return None

    def concludes(self, step: Step) -> bool:
        """Whether the step may have a verdict."""
        if step not in self._concludes:
            inner = [each for each in step.lists.values() if each.part is Part.INNER]
            fallback = step.lists.get("fallback")
            lists = [*inner, *([fallback] if fallback else [])]
            own = step.type is None or (not inner and step.type.has_verdict)
            self._concludes[step] = own or any(
                self.concludes(each) for steps in lists for each in steps.steps.values()
            )
        return self._concludes[step]

    def is_shut(self, step: Step) -> bool:
        """Whether a gate fails the step whatever it does."""
        if step.common["gate"] is None or self.concludes(step):
            return False
        return step.type is None or "gate" not in step.type.unused(step.own.values)

    def _parameter(self, name: str) -> Possible | None:
        about = self.names.declared.get(name)
        return None if about is None else _of_parameter(about)

    def _state(self, key: str) -> Possible | None:
        name, _, what = key.rpartition("_")
        step = self.names.steps.get(underscored(name))
        if step is None or what != "status" or key in self.names.state:
            return None
        return self._status(f"state.{key}", step, _OUTCOMES)

    def _fact(self, name: str, fact: str) -> Possible | None:
        step = self.names.steps.get(underscored(name))
        if step is None:
            return None
        match fact:
            case "verdict":
                return Possible(f'the verdict of "{step.id}"', _TEXT, VERDICTS)
            case "outcome":
                return Possible(f'the outcome of "{step.id}"', _TEXT, _OUTCOMES)
            case "status":
                every = tuple(each.value for each in NodeStatus)
                return self._status(f'the status of "{step.id}"', step, every)
            case "attempts":
                return Possible(f'the attempts of "{step.id}"', _NUMBER)
        return None

    def _status(self, what: str, step: Step, outcomes: tuple[str, ...]) -> Possible:
        """A verdict, or where there is none the outcome."""
        if not self.concludes(step):
            return Possible(what, _TEXT, outcomes)
        if _always_concludes(step):
            outcomes = tuple(each for each in outcomes if each != NodeStatus.SUCCEEDED)
        return Possible(what, _TEXT, (*VERDICTS, *outcomes))


def _always_concludes(step: Step) -> bool:
    """Whether its success comes with a verdict."""
    if step.type is None or not {Need.PERSONA, Need.HUMAN} & set(step.type.needs):
        return False
    return step.common["on_error"] in (None, "abort", "continue", "retry", "rollback")


def _of_parameter(about: Parameter) -> Possible:
    return Possible(f"params.{about.name}", _KINDS[about.type], about.enum)
