"""Persona files: checked, with every default filled in, and found by name or alias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coordinator.core.definition import Channel, Files
from coordinator.core.ids import OURSELVES, STEP_ID
from coordinator.core.lowering import Addressee
from coordinator.core.schemas import Contract
from coordinator.core.templates import TemplateError, compile_template
from coordinator.definitions.check import Checked, check, fields_of, refuse_unknown
from coordinator.definitions.contracts import read_schema
from coordinator.definitions.infer import RUN
from coordinator.definitions.models import PERSONA_KINDS, PersonaKeys
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.definitions.read import Document
from coordinator.definitions.report import Named, Reporter, canonical

PAYLOAD_ROOTS: Final = frozenset({"task", "params", "context", "files", "attempt", "feedback"})
"""What the command line of a persona may name."""

_WITHOUT_EFFECT: Final = ("concurrency", "rate_limit", "budget")
_VERDICTS: Final = ("pass", "fail", "unknown")
_PROMPT_ENDINGS: Final = (".md", ".j2", ".txt")

RUN_PERSONA: Final = Persona(
    name=RUN,
    kind=PersonaKind.COMMAND,
    description="Runs the command that the step gives as params.run",
    files=Files.READ,
)
"""Asked by steps with `run: [argv]`; it needs no file."""


@dataclass(frozen=True, slots=True)
class PersonaFile:
    """A checked persona, and what goes into the canonical document."""

    persona: Persona
    plain: Mapping[str, object]


def read_persona(
    document: Document, report: Reporter, *, beside: Mapping[str, str] | None = None
) -> PersonaFile | None:
    """The persona of a file; None, and at least one fault, if there is none.

    `beside` are the texts of the files in its folder, for prompts.
    """
    before = report.faults.count_errors()
    named = canonical(document.value, (), {}, report, "a persona file")
    if named is None:
        return None
    kind = named.values.get("kind")
    own_keys = PERSONA_KINDS.get(kind) if isinstance(kind, str) else None
    known = {**fields_of(PersonaKeys), **(fields_of(own_keys) if own_keys else {})}
    what = f"a persona of kind {kind}" if own_keys else "a persona"
    if own_keys is not None:
        refuse_unknown(named, known, report, what=what, elsewhere=_homes())
    common = check(PersonaKeys, named, report, "a persona")
    own = check(own_keys, named, report, what) if own_keys else Checked()
    _check_names(common, named, report)
    _check_command(own, named, report)
    _read_prompt(own, named, report, beside)
    contract = Contract(
        *(
            read_schema(common[key], named.origin(key), report)
            for key in ("input_schema", "result_schema")
        )
    )
    if report.faults.count_errors() > before:
        return None
    _check_effect(common, named, report)
    return PersonaFile(_persona(common, own, contract), {**common.plain, **own.plain})


def _check_names(common: Checked, named: Named, report: Reporter) -> None:
    names = [(common["name"], named.origin("name"))]
    names += [
        (alias, named.origin("aliases", index))
        for index, alias in enumerate(common["aliases"] or ())
    ]
    for name, at in names:
        if name is not None and not STEP_ID.match(name):
            report.value("WF024", at, f'"{name}"'[:80] + " is not an id")
        elif name == OURSELVES:
            report.value("WF026", at, f'the id "{name}" is reserved')


def _check_effect(common: Checked, named: Named, report: Reporter) -> None:
    for key in _WITHOUT_EFFECT:
        if key in common.plain:
            message = f'"{key}" has no effect in this version'
            report.key("WF039", named.origin(key), message, "It is checked and kept.")


def _check_command(own: Checked, named: Named, report: Reporter) -> None:
    for index, argument in enumerate(own["command"] or ()):
        at = named.origin("command", index)
        try:
            template = compile_template(argument)
        except TemplateError as error:
            report.inside("WF051", at, error.column, error.message, error.hint)
            continue
        for each in template.references:
            if each.path[0] not in PAYLOAD_ROOTS:
                near = report.faults.did_you_mean(each.path[0], PAYLOAD_ROOTS)
                known = f"Known here: {', '.join(sorted(PAYLOAD_ROOTS))}."
                message = f'"{each.path[0]}" is not part of what a persona is sent'
                report.inside("WF052", at, each.column, message, near or known)
    codes = own["exit_codes"]
    if codes is None:
        return
    is_map = isinstance(codes, Mapping) and all(
        str(code).isdigit() and int(code) <= 255 and verdict in _VERDICTS
        for code, verdict in codes.items()
    )
    if not is_map:
        report.value(
            "WF022",
            named.origin("exit_codes"),
            f"exit_codes maps codes from 0 to 255 to {', '.join(_VERDICTS)}",
        )


def _read_prompt(
    own: Checked, named: Named, report: Reporter, beside: Mapping[str, str] | None
) -> None:
    """Put the text of a prompt file in the place of its name."""
    prompt = own["prompt"]
    if not isinstance(prompt, str) or "\n" in prompt or not prompt.endswith(_PROMPT_ENDINGS):
        return
    text = (beside or {}).get(prompt)
    if text is None:
        report.value("WF062", named.origin("prompt"), f'there is no file "{prompt}" beside it')
        return
    own.values["prompt"] = own.plain["prompt"] = text


def _persona(common: Checked, own: Checked, contract: Contract) -> Persona:
    kind = PersonaKind(common["kind"])
    settings = {
        key: value for key, value in own.plain.items() if key not in ("command", "exit_codes")
    }
    for key in ("rate_limit", "budget"):
        if common[key] is not None:
            settings[key] = common[key].plain
    codes: Mapping[Any, str] = own["exit_codes"] or {0: "pass", 1: "fail"}
    return Persona(
        name=common["name"],
        kind=kind,
        description=common["description"],
        aliases=tuple(common["aliases"] or ()),
        status=common["status"],
        capabilities=tuple(common["capabilities"] or ()),
        intents=tuple(common["intents"] or ()),
        files=Files(common["files"]),
        timeout_ms=common["timeout"],
        concurrency=common["concurrency"],
        tests_required=common["tests"] == "required",
        input_schema=common["input_schema"] or {},
        result_schema=common["result_schema"] or {},
        contract=contract,
        command=tuple(own["command"] or ()),
        exit_codes={int(code): verdict for code, verdict in codes.items()},
        form=own["form"] or {},
        assignees=tuple(own["assignees"] or ()),
        settings=settings if kind not in (PersonaKind.HUMAN,) else {},
    )


def _homes() -> dict[str, str]:
    return {
        key: f'"{key}" belongs to kind: {kind}.'
        for kind, model in PERSONA_KINDS.items()
        for key in fields_of(model)
    }


@dataclass(slots=True)
class Personas:
    """The personas that workflows may name."""

    files: dict[str, PersonaFile] = field(default_factory=dict)
    """By name."""
    has_folder: bool = True
    """Without any folder of personas, an unknown one is only a warning."""
    broken: set[str] = field(default_factory=set)
    """Names whose files have faults of their own."""
    _names: dict[str, str] = field(default_factory=dict)
    """Every name and alias, to the name."""

    def add(self, found: PersonaFile) -> str | None:
        """Add a persona; or add nothing, and return the name of it that another one has."""
        persona = found.persona
        for name in (persona.name, *persona.aliases):
            if self._names.get(name, persona.name) != persona.name or name in self.files:
                return name
        self.files[persona.name] = found
        self._names.update(dict.fromkeys((persona.name, *persona.aliases), persona.name))
        return None

    def find(self, name: str) -> Persona | None:
        """The persona of this name or alias."""
        own = self._names.get(name)
        if own is not None:
            return self.files[own].persona
        return RUN_PERSONA if name == RUN else None

    def names(self) -> Iterable[str]:
        """Every name and alias."""
        return self._names


def addressee_of(persona: Persona) -> Addressee:
    """What a step that asks the persona has to know of it."""
    is_human = persona.kind is PersonaKind.HUMAN
    return Addressee(
        name=persona.name,
        channel=Channel.HUMAN if is_human else Channel.PERSONA,
        files=persona.files,
        tests_required=persona.tests_required,
        form=persona.form,
        assignees=persona.assignees,
    )
