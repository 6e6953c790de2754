"""People take a simulated run into their own hands."""

from __future__ import annotations

from typing import Any

from coordinator.core.definition import Workflow
from coordinator.definitions.faults import Faults
from coordinator.simulation import Script, Simulation, simulate
from coordinator.simulation.scenario import play, read_scenario
from tests.core.build import ask, workflow


def _play(definition: Workflow, *signals: Any, replies: Any = None, **more: Any) -> Simulation:
    return simulate(definition, task={}, script=Script.read(replies, list(signals), **more))


def _nodes(played: Simulation) -> dict[str, str]:
    return {node["path"]: node["status"] for node in played.to_json()["nodes"]}  # type: ignore[attr-defined]  # a list of objects


def test_a_review_is_answered_by_hand_with_changed_params_and_a_prompt() -> None:
    definition = workflow(ask("a", review=True, params={"n": 1}))
    again = {"at": "1m", "retry": "a", "params": {"n": 2}, "prompt": "be brief", "by": "ann"}
    played = _play(definition, again, {"at": "2m", "continue": "a"})
    assert (played.status, played.virtual_ms) == ("succeeded", 120_000)
    assert [request.payload["params"] for request in played.requests] == [{"n": 1}, {"n": 2}]
    assert played.requests[1].payload["prompt"] == "be brief"


def test_a_run_that_advances_by_hand_waits_until_somebody_lets_it_go() -> None:
    definition = workflow(ask("a"), ask("b", "a"))
    assert _play(definition, advance="manual").status == "waiting"
    let_go = {"at": "1m", "continue": True}
    assert _nodes(_play(definition, let_go, advance="manual")) == {"a": "succeeded", "b": "ready"}
    played = _play(definition, let_go, {"at": "2m", "advance": "auto"}, advance="manual")
    assert (played.status, played.virtual_ms) == ("succeeded", 120_000)


def test_a_node_is_skipped_and_a_value_is_set() -> None:
    definition = workflow(ask("a"), ask("b", "a"), ask("c", "a"), outputs={"go": "{{ state.go }}"})
    played = _play(
        definition,
        {"at": "1s", "skip": "b", "by": "ann"},
        {"at": "1s", "patch": {"go": 7}},
        replies={"a": {"verdict": "pass", "after": "1m"}},
    )
    assert _nodes(played) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}
    assert played.state.record.outputs == {"go": 7}


def test_a_run_that_ended_goes_on_with_a_retry_that_comes_later() -> None:
    definition = workflow(ask("a"), ask("b", "a"), timeout_ms=3_600_000)
    played = _play(
        definition,
        {"at": "10m", "cancel": True},
        {"at": "2h", "retry": True},
        {"at": "3h", "cancel": True},
        replies={"b": [{"error": "refused", "after": "1m"}, {"verdict": "pass", "after": "5m"}]},
    )
    assert (played.status, played.virtual_ms) == ("succeeded", 7_500_000)
    assert [(request.path, request.attempt) for request in played.requests] == [
        ("a", 1), ("b", 1), ("b", 2),
    ]  # fmt: skip
    assert played.refusals == ()


def test_a_retry_that_cannot_be_is_told_and_the_end_stays_when_it_was() -> None:
    played = _play(workflow(ask("a")), {"at": "2h", "retry": True})
    assert (played.status, played.virtual_ms) == ("succeeded", 0)
    assert "name the node" in played.refusals[0]


def test_a_scenario_file_says_all_of_it() -> None:
    text = """\
workflow: test
advance: manual
replies: {a: [{error: refused}, {verdict: pass}]}
signals:
  - {at: 1m, continue: true}
  - {at: 2m, retry: a, params: {n: 2}, prompt: more}
  - {at: 3m, advance: auto}
expect: {status: succeeded, attempts: {a: 2}}
"""
    faults = Faults("a.scenario.yml")
    scenario = read_scenario("a.scenario.yml", text, faults)
    assert scenario is not None, list(faults)
    assert play(scenario, workflow(ask("a"))).has_passed


def test_a_scenario_file_is_told_what_it_cannot_say() -> None:
    text = "workflow: t\nadvance: fast\nsignals: [{skip: true}, {patch: 1}]\n"
    text += "expect: {status: failed}\n"
    faults = Faults("a.scenario.yml")
    assert read_scenario("a.scenario.yml", text, faults) is None
    assert [(fault.line, fault.rule) for fault in faults.found] == [
        (2, "WF022"), (3, "WF022"), (3, "WF022"),
    ]  # fmt: skip
