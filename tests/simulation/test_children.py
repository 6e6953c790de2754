"""Steps that run other workflows, on the virtual clock: same script, paths after the step's."""

from __future__ import annotations

from typing import Any

import yaml

from coordinator.core.definition import Workflow
from coordinator.definitions import compile_bundle
from coordinator.definitions.faults import Faults
from coordinator.simulation import Outcome, Simulation, check_fit, play, read_scenario, simulate
from coordinator.simulation.script import Script
from steps.registry import step_types

CHECKS = """
name: checks
version: 1.0.0
params: {level: {type: integer, default: 1}}
steps:
  - {id: test, type: persona-request, persona: tester, params: {level: "{{ params.level }}"}}
  - {id: look, type: human, dependencies: [test], condition: "params.level > 1"}
outputs: {n: "{{ steps.test.result.n | default(0) }}"}
finally:
  - {id: tidy, type: persona-request, persona: tidier}
"""
SHIP = """
name: ship
version: 1.0.0
params: {level: {type: integer, default: 1}}
steps:
  - {id: make, type: persona-request, persona: builder}
  - id: check
    type: workflow
    workflow: checks
    params: {level: "{{ params.level }}"}
    dependencies: [make]
    retry: {max_attempts: 2, delay: 1m, backoff: constant}
    timeout: 2h
  - {id: tell, type: persona-request, persona: teller, dependencies: [check]}
outputs: {n: "{{ steps.check.result.n | default(0) }}"}
"""


def ship(*more: str, top: str = "ship") -> Workflow:
    files = {f"workflows/{n}.yml": text for n, text in enumerate((SHIP, CHECKS, *more))}
    found = compile_bundle(files, step_types=step_types([]))
    assert not [each for each in found.faults if each.severity == "error"], found.faults
    return found.workflows[top].workflow


def told(
    replies: Any = None, signals: Any = None, *, level: int = 1, workflow: Workflow | None = None
) -> Simulation:
    script = Script.read(replies, signals)
    return simulate(workflow or ship(), params={"level": level}, script=script)


def statuses(simulation: Simulation) -> dict[str, str]:
    return {row.path: row.status for row in simulation.rows()}


def test_a_child_is_played_with_the_same_script_under_the_path_of_its_step() -> None:
    simulation = told({"check/test": {"verdict": "pass", "result": {"n": 7}, "after": "5m"}})

    assert (simulation.status, simulation.state.record.outputs) == ("succeeded", {"n": 7})
    assert simulation.virtual_ms == 300_000
    assert simulation.started == (
        "make", "check", "check/test", "check/finally/tidy", "tell",
    )  # fmt: skip
    assert [each.path for each in simulation.requests] == [
        "make", "check/test", "check/finally/tidy", "tell",
    ]  # fmt: skip
    assert statuses(simulation) == {
        "make": "succeeded",
        "check": "succeeded",
        "check/test": "succeeded",
        "check/look": "skipped",
        "check/finally/tidy": "succeeded",
        "tell": "succeeded",
    }


def test_the_same_script_always_plays_the_same() -> None:
    replies = {"check/test": [{"error": "transport"}, {"verdict": "pass"}]}

    assert told(replies).to_json() == told(replies).to_json()


def test_a_reply_for_the_step_itself_stands_for_the_whole_child() -> None:
    simulation = told({"check": {"verdict": "pass", "result": {"n": 3}}})

    assert simulation.state.record.outputs == {"n": 3}
    assert "check/test" not in simulation.started
    assert "check" in [each.path for each in simulation.requests]


def test_a_glob_is_no_reply_for_the_step_and_one_for_the_steps_inside() -> None:
    simulation = told({"*": {"verdict": "pass", "result": {"n": 5}}})

    assert simulation.state.record.outputs == {"n": 5}
    assert "check/test" in simulation.started


def test_a_reply_for_the_step_in_every_item_stands_for_each_child() -> None:
    each = (
        "name: each\nversion: 1.0.0\nsteps:\n  - id: all\n    type: foreach\n    items: [1, 2]\n"
        "    steps:\n"
        "      - {id: go, type: workflow, workflow: checks, params: {level: '{{ item }}'}}\n"
    )
    simulation = told({"all[*]/go": {"verdict": "pass"}}, workflow=ship(each, top="each"))

    assert simulation.status == "succeeded"
    assert simulation.started == ("all", "all[0]/go", "all[1]/go")


def test_another_attempt_is_another_run_and_goes_on_in_the_list_of_replies() -> None:
    failing = [{"error": "persona_error"}, {"verdict": "pass", "result": {"n": 2}}]
    simulation = told({"check/test": failing})

    assert (simulation.status, simulation.state.record.outputs) == ("succeeded", {"n": 2})
    assert simulation.state.nodes["check"].attempt == 2
    assert simulation.virtual_ms >= 60_000
    assert len(simulation.children) == 1


def test_a_human_inside_a_child_is_answered_by_the_path_after_the_steps() -> None:
    waiting = told(level=2)
    assert waiting.status == "failed"  # by the step's own time limit, twice

    answered = told(signals=[{"at": "10m", "approve": "check/look", "by": "ann"}], level=2)

    assert (answered.status, answered.virtual_ms) == ("succeeded", 600_000)
    assert answered.refusals == ()


def test_cancelling_the_run_cancels_the_child_which_still_tidies_up() -> None:
    simulation = told(signals=[{"at": "10m", "cancel": True}], level=2)

    assert (simulation.status, simulation.virtual_ms) == ("cancelled", 600_000)
    below = simulation.children["check"].state
    assert below is not None
    assert below.record.status == "cancelled"
    assert "check/finally/tidy" in simulation.started


def test_children_of_children_have_paths_after_paths() -> None:
    outer = (
        "name: outer\nversion: 1.0.0\nsteps:\n"
        "  - {id: all, type: workflow, workflow: ship, params: {level: 1}}\n"
    )
    simulation = told({"all/check/test": {"verdict": "fail"}}, workflow=ship(outer, top="outer"))

    assert statuses(simulation)["all/check/test"] == "succeeded"
    assert simulation.state.nodes["all"].verdict == "fail"
    assert "all/check/test" in simulation.started


SCENARIO = """
scenario: the second try of the checks passes
workflow: ship
replies:
  check/test: [{error: persona_error}, {verdict: pass, result: {n: 2}}]
expect:
  status: succeeded
  nodes: {check: succeeded, check/test: succeeded, check/look: skipped, "check/*/tidy": succeeded}
  never: [check/look]
  order: [make, check/test, tell]
  attempts: {check: 2, check/test: 1}
  outputs: {n: 2}
"""


def played(text: str, workflow: Workflow | None = None) -> Outcome:
    scenario = read_scenario("a.scenario.yml", text, Faults("a.scenario.yml"))
    assert scenario is not None
    return play(scenario, workflow or ship())


def test_a_scenario_speaks_of_the_steps_of_a_child_as_of_all_others() -> None:
    outcome = played(SCENARIO)

    assert (outcome.failures, outcome.warnings) == ((), ())


def test_what_is_not_as_expected_inside_a_child_is_told_with_its_path() -> None:
    wrong = yaml.safe_load(SCENARIO)
    wrong["expect"] = {"nodes": {"check/test": "failed"}, "never": ["check/test"]}

    failures = played(yaml.safe_dump(wrong)).failures

    assert any(each.startswith("nodes.check/test: expected failed") for each in failures)
    assert any(each.startswith("never.check/test") for each in failures)


def test_a_slip_in_a_path_inside_a_child_is_found() -> None:
    wrong = yaml.safe_load(SCENARIO)
    wrong["replies"] = {"check/tets": {"verdict": "pass"}}
    wrong["expect"] = {"nodes": {"check/loko": "skipped"}}
    faults = Faults("a.scenario.yml")
    scenario = read_scenario("a.scenario.yml", yaml.safe_dump(wrong), faults)
    assert scenario is not None

    check_fit(scenario, ship(), faults)

    told_ = {each.message: each.hint for each in faults.found}
    assert told_ == {
        'ship has no node "check/tets"': 'Did you mean "check/test"?',
        'ship has no node "check/loko"': 'Did you mean "check/look"?',
    }
