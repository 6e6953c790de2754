"""One workflow file: its top level, and everything below put together and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from coordinator.core.concurrency import Concurrency, OnConflict
from coordinator.core.definition import (
    Ask,
    Channel,
    Files,
    Graph,
    Node,
    Parameter,
    Workflow,
)
from coordinator.core.expressions import Expression, ExpressionError, compile_expression
from coordinator.core.ids import Digest
from coordinator.core.lowering import StepType
from coordinator.core.schemas import Contract
from coordinator.core.templates import compile_value
from coordinator.definitions.analyse import Analysis, Top
from coordinator.definitions.build import Builder, limits_of
from coordinator.definitions.called import Workflows, check_calls
from coordinator.definitions.check import Checked, check, fields_of, refuse_unknown
from coordinator.definitions.closure import below, closure_keys
from coordinator.definitions.compiled import Compiled, Match
from coordinator.definitions.digest import FORMAT, canonical_bytes, digest_of
from coordinator.definitions.environments import NO_ENVIRONMENTS, Environments
from coordinator.definitions.models import WorkflowKeys
from coordinator.definitions.parameters import read_parameters
from coordinator.definitions.parse import Parser, reads_of
from coordinator.definitions.personas import Personas
from coordinator.definitions.read import Document
from coordinator.definitions.report import (
    ON_CONFLICT_SPELLINGS,
    WORKFLOW_SPELLINGS,
    Named,
    Reporter,
    canonical,
)
from coordinator.definitions.step import How, Names, Part, Read, StepList, plain_steps

_VERSION: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII
)
_LISTS: Final = (
    ("steps", "", Part.MAIN),
    ("on_failure", "on_failure", Part.ON_FAILURE),
    ("finally", "finally", Part.FINALLY),
)
_TASK_ONLY: Final = frozenset({"task", "env"})
_AT_START: Final = frozenset({"task", "params", "env"})
_WITHOUT_EFFECT: Final = ("invariants",)


@dataclass(slots=True)
class WorkflowFile:
    """A workflow file whose steps are read; what they refer to is not looked at yet."""

    path: str
    report: Reporter
    errors_before: int
    """How many errors there were before it was read."""
    named: Named
    checked: Checked
    names: Names
    lists: dict[str, StepList]
    parameters: tuple[Parameter, ...]

    @property
    def id(self) -> str:
        """The id of the workflow; empty where the file has no name."""
        return workflow_id(self.checked["name"] or "")

    @property
    def top(self) -> Top:
        """Its top level."""
        return Top(self.named, self.checked)

    @property
    def has_errors(self) -> bool:
        """Whether something was found since that keeps the file from being used."""
        return self.report.faults.count_errors() > self.errors_before


def finish_workflow(
    file: WorkflowFile, personas: Personas, workflows: Workflows
) -> Compiled | None:
    """The workflow of a file that was read; None, and at least one fault, if it has errors."""
    report = file.report
    match = _match(file, report)
    _check_top(file, report, personas)
    Analysis(file.names, report, personas).run(list(file.lists.values()), file.top)
    check_calls(file.id, file.names, workflows, report)
    builder = Builder(report, personas, file.checked["defaults"] or Checked(), workflows=workflows)
    if file.has_errors:
        return None
    graphs = {key: builder.graph(steps) for key, steps in file.lists.items()}
    if file.has_errors:
        return None
    used = sorted(builder.used & set(personas.files))
    called = [each for _, each in sorted(builder.called.items())]
    plain = _plain(file, {name: personas.files[name].plain for name in used})
    text = canonical_bytes({**plain, **closure_keys(called)})
    nodes = {each.path: builder.nodes[each.path] for each in file.names.all_steps()}
    children = below(called)
    return Compiled(
        workflow=_with_children(
            _workflow(file, graphs, nodes, digest_of(text), _contracts(used, personas)), children
        ),
        document=text,
        personas=tuple(sorted({*used, *(name for each in called for name in each.personas)})),
        children=children,
        height=1 + max((each.height for each in called), default=0),
        match=match,
        file=file.path,
        about={
            key: file.checked.plain[key]
            for key in ("author", "tags", "labels", "intents", "triggers")
            if key in file.checked.plain
        },
    )


def _contracts(used: Iterable[str], personas: Personas) -> dict[str, Contract]:
    found = {name: personas.files[name].persona.contract for name in used}
    return {name: each for name, each in found.items() if each != Contract()}


def _with_children(workflow: Workflow, children: Mapping[Digest, Compiled]) -> Workflow:
    """The workflow with those that it runs: it needs what they need."""
    if not children:
        return workflow
    others = {digest: each.workflow for digest, each in children.items()}
    return replace(
        workflow,
        children=others,
        uses_files=workflow.uses_files or any(each.uses_files for each in others.values()),
        merges=workflow.merges or any(each.merges for each in others.values()),
    )


def workflow_id(name: str) -> str:
    """What people type for a workflow of this name."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")


def read_workflow(
    document: Document,
    report: Reporter,
    *,
    step_types: Mapping[str, StepType],
    environments: Environments = NO_ENVIRONMENTS,
) -> WorkflowFile | None:
    """The steps of a file; None, and at least one fault, if it is no workflow at all."""
    before = report.faults.count_errors()
    named = canonical(document.value, (), WORKFLOW_SPELLINGS, report, "a workflow file")
    if named is None:
        return None
    refuse_unknown(named, fields_of(WorkflowKeys), report, what="a workflow", elsewhere=_HOMES)
    checked = check(WorkflowKeys, named, report, "a workflow")
    _check_head(checked, named, report)
    _settle_conflict(checked["concurrency"])
    parameters = read_parameters(checked, named, report)
    parser = Parser(report, step_types)
    parser.names.environments = environments
    parser.names.parameters = frozenset(checked["params"] or ())
    parser.names.declared = {each.name: each for each in parameters}
    parser.names.variables = frozenset(checked["variables"] or ())
    lists = {
        key: parser.read_list(checked[key], named.origin(key), StepList(path, part, key))
        for key, path, part in _LISTS
        if checked[key] is not None
    }
    return WorkflowFile(
        document.path, report, before, named, checked, parser.names, lists, parameters
    )


_HOMES: Final = {
    "on": 'Use "match" for tasks, or "triggers".',
    "jobs": 'Write the steps under "steps".',
    "id": 'Use "name".',
    "env": 'Use "variables".',
}


def _check_head(checked: Checked, named: Named, report: Reporter) -> None:
    version, language, name = checked["version"], checked["schema"], checked["name"]
    if version is not None and not _VERSION.fullmatch(version):
        report.value("WF028", named.origin("version"), f'"{version}"'[:80] + " is not a version")
    if language not in (None, 1):
        report.value("WF036", named.origin("schema"), f"schema {language} is not known")
    if name is not None and not workflow_id(name):
        report.value("WF022", named.origin("name"), '"name" needs letters or digits a-z, 0-9')


def _settle_conflict(concurrency: Checked | None) -> None:
    """Give `on_conflict` its canonical word."""
    if concurrency is not None and "on_conflict" in concurrency.plain:
        given = concurrency["on_conflict"]
        word = ON_CONFLICT_SPELLINGS.get(given, given)
        concurrency.values["on_conflict"] = concurrency.plain["on_conflict"] = word


def _check_top(file: WorkflowFile, report: Reporter, personas: Personas) -> None:
    """Names that the top level's own texts read, and keys that do nothing yet."""
    checked, named = file.checked, file.named
    analysis = Analysis(file.names, report, personas)
    for key, roots in (("variables", _AT_START), ("outputs", None)):
        if checked[key] is not None:
            reads = reads_of(checked[key], named.origin(key), How.LABEL, report)
            analysis.check_names(reads, roots)
    concurrency = checked["concurrency"]
    if concurrency is not None and concurrency["key"] is not None:
        at = named.origin("concurrency", "key")
        reads = reads_of(concurrency["key"], at, How.LABEL, report)
        analysis.check_names(reads, _AT_START | {"variables"})
    for index, text in enumerate(checked["invariants"] or ()):
        at = named.origin("invariants", index)
        analysis.check_names(condition(text, (*at,), report)[1], None)
    for key in _WITHOUT_EFFECT:
        if key in checked.plain:
            message = f'"{key}" has no effect in this version'
            report.key("WF039", named.origin(key), message, "It is checked and kept.")


def condition(
    text: str, at: tuple[str | int, ...], report: Reporter
) -> tuple[Expression | None, list[Read]]:
    """The condition at a place of the file, and what it reads; a fault if it is none."""
    try:
        expression = compile_expression(text)
    except ExpressionError as error:
        report.inside("WF050", at, error.column, error.message, error.hint)
        return None, []
    return expression, [Read(each, at, How.LABEL) for each in expression.references]


def _match(file: WorkflowFile, report: Reporter) -> Match | None:
    said = file.checked["match"]
    if said is None:
        return None
    when = None
    if said["when"] is not None:
        at = file.named.origin("match", "when")
        when, reads = condition(said["when"], at, report)
        analysis = Analysis(file.names, report, Personas())
        analysis.check_names(reads, _TASK_ONLY)
        if when is not None:
            analysis.check_condition(when, at)
    for key in ("types", "scopes"):
        for index, word in enumerate(said[key] or ()):
            if word != word.lower():
                message = f"the {key[:-1]} of a task is in small letters, so it is never this"
                at = file.named.origin("match", key, index)
                report.value("WF070", at, message, f'Did you mean "{word.lower()}"?')
    return Match(
        types=tuple(said["types"] or ()),
        labels=tuple(said["labels"] or ()),
        scopes=tuple(said["scopes"] or ()),
        when=when,
    )


def _plain(file: WorkflowFile, personas: Mapping[str, object]) -> dict[str, object]:
    """The canonical document; `env` stands in it only where the workflow reads some of it."""
    lists = {key: plain_steps(steps) for key, steps in file.lists.items()}
    env = file.names.env_read()
    return {
        "format": FORMAT,
        "workflow": {**file.checked.plain, **lists},
        "personas": personas,
        **({"env": env} if env else {}),
    }


def _workflow(
    file: WorkflowFile,
    graphs: Mapping[str, Graph],
    nodes: Mapping[str, Node],
    digest: Digest,
    contracts: Mapping[str, Contract],
) -> Workflow:
    checked = file.checked
    return Workflow(
        id=workflow_id(checked["name"]),
        name=checked["name"],
        version=checked["version"],
        digest=digest,
        graph=graphs["steps"],
        on_failure=graphs.get("on_failure"),
        finally_=graphs.get("finally"),
        parameters=file.parameters,
        variables=_values(checked["variables"]),
        outputs=_values(checked["outputs"]),
        concurrency=_concurrency(checked["concurrency"]),
        timeout_ms=checked["timeout"],
        max_steps=checked["max_steps"],
        limits=limits_of(checked["git"]),
        uses_files=any(_uses_files(node) for node in nodes.values()),
        merges=any(_merges(node) for node in nodes.values()),
        description=checked["description"],
        contracts=contracts,
        nodes=nodes,
        env=file.names.env_read(),
    )


def _concurrency(given: Checked | None) -> Concurrency | None:
    if given is None:
        return None
    return Concurrency(
        key=compile_value(given["key"]),
        limit=given["limit"],
        on_conflict=OnConflict(given["on_conflict"]),
    )


def _values(given: Mapping[str, object] | None) -> dict[str, Any]:
    return {name: compile_value(value) for name, value in (given or {}).items()}


def _uses_files(node: Node) -> bool:
    asked = node.primitive
    if not isinstance(asked, Ask):
        return False
    return _is_git(asked) or asked.files is not Files.NONE


def _is_git(asked: Ask) -> bool:
    return asked.channel is Channel.WORK and asked.target == "git-operation"


def _merges(node: Node) -> bool:
    """Whether the step brings the run to its base branch, and to no other one."""
    asked = node.primitive
    if not isinstance(asked, Ask) or not _is_git(asked):
        return False
    said = asked.params.source
    return (
        isinstance(said, Mapping)
        and said.get("operation") in ("merge", "finalize")
        and said.get("target_branch") is None
    )
