"""Whether a scenario speaks of what its workflow has, told before anything is played."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.core.definition import Wait, Workflow
from coordinator.definitions.faults import Faults
from coordinator.definitions.parameters import check_params
from coordinator.definitions.read import Path
from coordinator.definitions.report import Reporter
from coordinator.definitions.rules import Severity
from coordinator.simulation.expectation import names_a_node, near_path
from coordinator.simulation.paths import every_path
from coordinator.simulation.scenario import Scenario
from coordinator.simulation.script import SIGNAL


def check_fit(scenario: Scenario, workflow: Workflow, faults: Faults) -> None:
    """Note every name in the scenario that means nothing to the workflow, at its place.

    What an expectation names is an error, because it can never be as expected; a reply or a signal
    for nobody is a warning.
    """
    report = Reporter(scenario.positions, faults)
    for text in check_params(workflow, scenario.params)[1]:
        named = next((name for name in scenario.params if f'"{name}"' in text), None)
        report.value("WF090", ("params",) if named is None else ("params", named), text)
    for path, at in _answered(scenario):
        if not names_a_node(workflow, path):
            _tell(workflow, path, at, report, severity=Severity.WARNING)
    _check_signals(scenario, workflow, report)
    for path, at in _expected(scenario):
        if not names_a_node(workflow, path):
            _tell(workflow, path, at, report)
    _check_outputs(scenario, workflow, report)


def _tell(
    workflow: Workflow, path: str, at: Path, report: Reporter, *, severity: Severity | None = None
) -> None:
    near = near_path(path, every_path(workflow))
    hint = f'Did you mean "{near}"?' if near else ""
    message = f'{workflow.id} has no node "{path}"'
    report.faults.add("WF090", report.positions.key(at), message, hint, severity=severity)


def _check_signals(scenario: Scenario, workflow: Workflow, report: Reporter) -> None:
    awaited = _awaited(workflow)
    for index, signal in enumerate(scenario.script.signals):
        if signal.kind == SIGNAL and signal.name not in awaited:
            near = report.faults.did_you_mean(signal.name, awaited)
            message = f'nothing in {workflow.id} waits for the signal "{signal.name}"'
            at = ("signals", index, signal.kind)
            report.value("WF090", at, message, near, severity=Severity.WARNING)


def _check_outputs(scenario: Scenario, workflow: Workflow, report: Reporter) -> None:
    for name, value in scenario.expect.outputs.items():
        if name not in workflow.outputs:
            near = report.faults.did_you_mean(name, workflow.outputs)
            message = f'{workflow.id} has no output "{name}"'
            severity = Severity.WARNING if value is None else None
            at = ("expect", "outputs", name)
            report.faults.add("WF090", report.positions.key(at), message, near, severity=severity)


def _awaited(workflow: Workflow) -> set[str]:
    """The signals that the workflow or a run below it waits for."""
    nodes = [
        node for each in (workflow, *workflow.children.values()) for node in each.nodes.values()
    ]
    asked = [node.primitive for node in nodes]
    return {each.signal for each in asked if isinstance(each, Wait) and each.signal}


def _answered(scenario: Scenario) -> Iterator[tuple[str, Path]]:
    """The paths that replies and signals are for; `@` marks what stands in for a node."""
    for path in scenario.script.paths:
        if "@" not in path:
            yield path, ("replies", path)
    for index, signal in enumerate(scenario.script.signals):
        if signal.node and "@" not in signal.node:
            yield signal.node, ("signals", index, signal.kind)


def _expected(scenario: Scenario) -> Iterator[tuple[str, Path]]:
    expect = scenario.expect
    for key, named in (("nodes", expect.nodes), ("attempts", expect.attempts)):
        yield from ((path, ("expect", key, path)) for path in named)
    for key, listed in (("never", expect.never), ("order", expect.order)):
        yield from ((path, ("expect", key, index)) for index, path in enumerate(listed))
