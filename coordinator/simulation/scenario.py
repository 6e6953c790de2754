"""A scenario: a claim about a workflow, tried out with the real decider on a virtual clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.core.definition import Workflow
from coordinator.core.durations import duration_ms
from coordinator.core.tasks import TaskError, normalise_task
from coordinator.definitions.faults import Faults
from coordinator.definitions.layout import stem_of
from coordinator.definitions.parameters import check_params
from coordinator.definitions.read import Path, Place, Positions, read
from coordinator.definitions.report import Reporter
from coordinator.simulation.expectation import Expectation, names_a_node, near_to
from coordinator.simulation.script import Script, ScriptError
from coordinator.simulation.shape import SCENARIO, check_shape
from coordinator.simulation.simulate import Simulation, simulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file without faults."""

    file: str
    title: str
    workflow: str
    task: Mapping[str, object]
    params: Mapping[str, object]
    script: Script
    expect: Expectation
    positions: Positions
    env: str | None = None
    """The environment whose overlay counts; None leaves it to the command."""

    def place(self, *path: str | int) -> Place:
        """The line and column of a part of the file."""
        return self.positions.value(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a scenario went."""

    failures: tuple[str, ...] = ()
    """A sentence for each expectation that did not hold, or for what kept it from running."""
    warnings: tuple[str, ...] = ()
    """What is probably a slip of the file: replies for nobody, signals that could not apply."""
    simulation: Simulation | None = None
    """None where the workflow could not be started."""

    @property
    def has_passed(self) -> bool:
        """Whether everything that was claimed is so."""
        return not self.failures


def read_scenario(path: str, text: str | bytes, faults: Faults) -> Scenario | None:
    """The scenario in a file; None, and at least one fault with its place, if it has errors."""
    before = faults.count_errors()
    document = read(path, text, faults)
    if document is None:
        return None
    report = Reporter(document.positions, faults)
    check_shape(document.value, SCENARIO, (), report)
    if faults.count_errors() > before or not isinstance(document.value, dict):
        return None
    data: dict[str, Any] = document.value
    task, script = _task(data, report), _script(data, report)
    if task is None or script is None:
        return None
    return Scenario(
        file=path,
        title=data.get("scenario") or stem_of(path).removesuffix(".scenario"),
        workflow=data["workflow"],
        task=task,
        params=data.get("params", {}),
        script=script,
        expect=_expectation(data["expect"]),
        positions=document.positions,
        env=data.get("env"),
    )


def play(scenario: Scenario, workflow: Workflow) -> Outcome:
    """Run the workflow as the scenario says, and compare what happens with what it expects.

    The same scenario and workflow always give the same outcome.
    """
    params, problems = check_params(workflow, scenario.params)
    if problems:
        line, column = scenario.place("params")
        told = tuple(f"{scenario.file}:{line}:{column}: params: {each}" for each in problems)
        return Outcome(failures=told)
    simulation = simulate(workflow, task=scenario.task, params=params, script=scenario.script)
    return Outcome(
        failures=scenario.expect.mismatches(simulation),
        warnings=(*_unheard(scenario, simulation), *_refused(simulation)),
        simulation=simulation,
    )


def _task(data: Mapping[str, Any], report: Reporter) -> Mapping[str, object] | None:
    try:
        return normalise_task(data.get("task", {}), entry_id="0-1")
    except TaskError as error:
        report.value("WF022", ("task",), f"task: {error}"[:300])
        return None


def _script(data: Mapping[str, Any], report: Reporter) -> Script | None:
    at: Path = ()
    try:
        given = data.get("replies"), data.get("signals")
        more = {"starts_at": data.get("starts_at"), "advance": data.get("advance")}
        return Script.read(*given, **more)
    except ScriptError as error:
        at = (re.split(r"[.:\[]", str(error))[0],)
        report.value("WF022", at, str(error)[:300])
        return None


def _expectation(said: Mapping[str, Any]) -> Expectation:
    within = said.get("within")
    return Expectation(
        status=said.get("status"),
        nodes=said.get("nodes", {}),
        never=tuple(said.get("never", ())),
        order=tuple(said.get("order", ())),
        attempts=said.get("attempts", {}),
        outputs=said.get("outputs", {}),
        within_ms=None if within is None else duration_ms(within) if within else 0,
    )


def _unheard(scenario: Scenario, simulation: Simulation) -> list[str]:
    """Replies under a path that the workflow does not have; the real node gets a pass instead."""
    definition = simulation.definition
    return [
        f'replies: {definition.id} has no node "{path}"{near_to(path, simulation)}'
        for path in scenario.script.exact
        if "@" not in path and not names_a_node(definition, path)
    ]


def _refused(simulation: Simulation) -> list[str]:
    return [f"signals: {each}" for each in simulation.refusals]
