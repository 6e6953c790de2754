"""Environments: the files in `envs/`, each an overlay over the workflows and personas.

What a file says is put over the documents before anything is checked (`overlay`), so that what
comes out is held to all rules, and another overlay makes another definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from pydantic import Field

from coordinator.core.references import Reference
from coordinator.definitions.check import check, fields_of, refuse_unknown
from coordinator.definitions.faults import Fault, Faults, listed, nearest
from coordinator.definitions.layout import is_env_path, stem_of
from coordinator.definitions.models import (
    DefaultsKeys,
    Duration,
    Each,
    Inner,
    Keys,
    Mapped,
    Shown,
)
from coordinator.definitions.read import Document, Path, read
from coordinator.definitions.report import Reporter, canonical
from coordinator.definitions.rules import Severity

FOLDER: Final = "envs"
FIXED_IN_STEPS: Final = ("id", "type", "dependencies", "condition", "join")
"""With the steps inside a step: what decides which steps there are, and when they run."""
FIXED_IN_PERSONAS: Final = ("name", "kind")
OVERLAID_OF_PARAMETERS: Final = ("default", "enum")

_MAPPINGS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "object"}}
_PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"default": {}, "enum": {"type": ["array", "null"]}},
        "additionalProperties": False,
    },
}
_Mappings = Annotated[dict[str, Mapped] | None, Shown(_MAPPINGS)]


class OverlaidWorkflowKeys(Keys):
    """What an overlay may change of one workflow."""

    variables: Mapped | None = None
    params: Annotated[dict[str, Mapped] | None, Shown(_PARAMETERS)] = None
    defaults: Annotated[Any, Inner(DefaultsKeys)] = None
    timeout: Duration = None
    concurrency: Mapped | None = None
    steps: _Mappings = None


class EnvironmentKeys(Keys):
    """The top level of a file in `envs/`."""

    description: str = ""
    values: Mapped | None = Field(None, description="readable as env.<name>; no templates")
    variables: Mapped | None = Field(None, description="over those that workflows declare")
    defaults: Annotated[Any, Inner(DefaultsKeys)] = None
    workflows: Annotated[Any, Each(OverlaidWorkflowKeys)] = None
    personas: _Mappings = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """One environment, its file being without faults of its own."""

    name: str
    document: Document
    values: Mapping[str, object] = field(default_factory=dict)

    def part(self, *path: str) -> Mapping[str, object]:
        """The mapping at a place of the file; empty where there is none."""
        value: object = self.document.value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The overlays there are, and the one that was chosen."""

    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    """Names whose files have faults of their own."""
    chosen: str = ""
    is_trial: bool = False
    """Each overlay is tried in turn, so that none of them is expected to be the one."""
    stored: Mapping[str, object] | None = None
    """The values of a definition that was compiled before; then nothing else is asked."""

    @property
    def overlay(self) -> Overlay | None:
        """The one that was chosen."""
        return self.overlays.get(self.chosen)

    @property
    def values(self) -> Mapping[str, object]:
        """What `env` has."""
        if self.stored is not None:
            return self.stored
        return self.overlay.values if self.overlay else {}

    def choosing(self, name: str, *, is_trial: bool = False) -> Environments:
        """The same ones with another one chosen."""
        return replace(self, chosen=name, is_trial=is_trial)

    def refusal(self) -> list[Fault]:
        """The fault of choosing one that is not there."""
        if not self.chosen or self.chosen in {*self.overlays, *self.broken}:
            return []
        near = nearest(self.chosen, list(self.overlays))
        there = listed(sorted({*self.overlays, *self.broken})) or "none"
        hint = f'Did you mean "{near}"? ' if near else ""
        message = f'there is no environment "{self.chosen}"'
        file = f"{FOLDER}/{self.chosen}.yaml"
        return [Fault(file, 1, 1, "SRC010", Severity.ERROR, message, f"{hint}There are: {there}.")]

    def problem(self, about: Reference) -> tuple[str, str, str] | None:
        """Why a value of `env` that a text reads is not there, or not everywhere: the rule, the
        message and a hint; None when nothing is wrong.
        """
        name = about.path[1]
        if self.stored is not None or name in self.values:
            return None
        defining = sorted(each for each, one in self.overlays.items() if name in one.values)
        if not defining and (self.overlays or self.broken):
            return None if self.broken else self._unknown(name)
        if about.guarded:
            return None
        if not defining:
            hint = f"Add {FOLDER}/<name>.yaml with values, or write | default(...)."
            return "WF083", f"nothing gives env.{name}: there are no environments", hint
        return self._lacking(name, defining)

    def _unknown(self, name: str) -> tuple[str, str, str]:
        known = sorted({key for one in self.overlays.values() for key in one.values})
        near = nearest(name, known)
        hint = f'Did you mean "{near}"?' if near else f"There are: {listed(known) or 'none'}."
        return "WF082", f'no environment has a value "{name}"', hint

    def _lacking(self, name: str, defining: list[str]) -> tuple[str, str, str] | None:
        having = f"only in {listed(defining)}"
        if not self.is_trial and self.chosen:
            if self.overlay is None:
                return None
            message = f'the environment "{self.chosen}" has no value "{name}"; it is {having}'
            return "WF082", message, ""
        lacking = sorted(set(self.overlays) - set(defining))
        if self.is_trial:
            message = f"env.{name} is missing in {listed(lacking)}; it is {having}"
            return ("WF083", message, "") if lacking else None
        message = f"env.{name} has no value while no environment is chosen; it is {having}"
        return "WF083", message, "Choose one with --env, or write | default(...)."


NO_ENVIRONMENTS: Final = Environments()


def read_environments(
    files: Mapping[str, str | bytes],
) -> tuple[Environments, list[Fault], int]:
    """The overlays among `files`, their faults, and how many files that were."""
    paths = sorted(path for path in files if is_env_path(path))
    overlays: dict[str, Overlay] = {}
    broken: set[str] = set()
    faults: list[Fault] = []
    for path in paths:
        overlay, more = read_overlay(path, files[path])
        faults += more
        if overlay is None:
            broken.add(stem_of(path))
        elif overlay.name in overlays:
            notes = Faults(path)
            other = overlays[overlay.name].document.path
            notes.add("WF038", (1, 1), f'the environment "{overlay.name}" is {other} too')
            faults += notes.found
        else:
            overlays[overlay.name] = overlay
    return Environments(overlays=overlays, broken=frozenset(broken)), faults, len(paths)


def read_overlay(path: str, text: str | bytes) -> tuple[Overlay | None, list[Fault]]:
    """The environment in one file, if it has no errors, and its faults."""
    faults = Faults(path)
    document = read(path, text, faults)
    if document is None:
        return None, faults.found
    report = Reporter(document.positions, faults)
    named = canonical(document.value, (), {}, report, "an environment file")
    if named is not None:
        _refuse_fixed(document.value, report)
        refuse_unknown(
            named, fields_of(EnvironmentKeys), report, what="an environment", elsewhere={}
        )
        checked = check(EnvironmentKeys, named, report, "an environment")
        _refuse_templates(checked["values"] or {}, ("values",), report)
    if named is None or faults.has_errors:
        return None, sorted(set(faults.found))
    overlay = Overlay(stem_of(path), document)
    return replace(overlay, values=overlay.part("values")), sorted(set(faults.found))


def _refuse_templates(value: object, at: Path, report: Reporter) -> None:
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, str) and "{{" in value:
        report.value("WF022", at, "values are plain data; templates in them are not rendered")
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        _refuse_templates(part, (*at, key), report)


def _refuse_fixed(value: object, report: Reporter) -> None:
    """Report the keys of parameters and personas that no overlay may change."""
    for workflow, each in _items(value, "workflows"):
        for name, keys in _items(each, "params"):
            for key in [one for one in keys if one not in OVERLAID_OF_PARAMETERS]:
                at = ("workflows", workflow, "params", name, key)
                refuse(key, at, report, "Of a parameter: default and enum.")
    for name, keys in _items(value, "personas"):
        for key in [one for one in keys if one in FIXED_IN_PERSONAS]:
            refuse(key, ("personas", name, key), report)


def refuse(key: str, at: Path, report: Reporter, hint: str = "") -> None:
    """Report that an overlay cannot change a key."""
    report.key("WF080", at, f'an overlay cannot change "{key}"', hint)


def _items(value: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings in the mapping under a key."""
    inner = value.get(key) if isinstance(value, Mapping) else None
    for name, each in inner.items() if isinstance(inner, Mapping) else ():
        if isinstance(each, Mapping):
            yield name, each
