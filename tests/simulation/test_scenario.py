"""Scenario files: every fault has a place, every mismatch a sentence, and ours all pass."""

from __future__ import annotations

import copy

import pytest

from coordinator.core.definition import Workflow
from coordinator.core.schema_checks import check_schema
from coordinator.definitions.faults import Faults
from coordinator.simulation import Outcome, Scenario, play, read_scenario, scenario_schema
from tests.core.build import ask, human, repeat, wait, workflow

LOOP = workflow(
    ask("plan"),
    repeat(
        "build",
        "plan",
        steps=[ask("fix"), ask("qa", "fix")],
        until="state.qa_status == 'pass'",
        most=3,
    ),
    human("release", "build", gate="pass"),
    ask("merge", "release"),
)
APPROVED = "signals: [{at: 10m, approve: release}]\n"


def read(text: str) -> Scenario:
    faults = Faults("a.scenario.yml")
    scenario = read_scenario("a.scenario.yml", text, faults)
    assert scenario is not None, faults.found
    return scenario


def faults_of(text: str) -> list[str]:
    faults = Faults("a.scenario.yml")
    assert read_scenario("a.scenario.yml", text, faults) is None
    return [str(fault).removeprefix("a.scenario.yml:") for fault in faults.found]


def played(expect: str, *, more: str = APPROVED, definition: Workflow = LOOP) -> Outcome:
    return play(read(f"workflow: w\n{more}expect: {expect}\n"), definition)


# Reading


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("workflow: w\nexpct: {status: failed}\n", '2:1: error WF020: "expct" is no key'),
        ("workflow: w\nexpect: {stats: failed}\n", '2:10: error WF020: "stats" is no key'),
        ("workflow: w\nexpect: {status: fialed}\n", "2:18: error WF022: expect.status"),
        ("workflow: w\nexpect: {}\n", "2:9: error WF022: expect is empty"),
        ("workflow: w\n", '1:1: error WF021: a scenario needs "expect"'),
        ("expect: {status: failed}\n", '1:1: error WF021: a scenario needs "workflow"'),
        ("[1]\n", "1:1: error WF022: a scenario has to be a mapping"),
        ("workflow: w\nexpect: {within: soon}\n", "2:18: error WF029: expect.within"),
        ("workflow: w\nexpect: {never: qa}\n", "2:17: error WF022: expect.never has to be a list"),
        ("workflow: w\nexpect: {nodes: {a: sukceeded}}\n", "2:21: error WF022: expect.nodes.a"),
        ("workflow: w\nexpect: {attempts: {a: true}}\n", "2:24: error WF022: expect.attempts.a"),
        ("workflow: w\nexpect: {attempts: {a: -1}}\n", "2:24: error WF022: expect.attempts.a"),
        ("workflow: w\nreplies: {a: {verdct: pass}}\n", '2:15: error WF020: "verdct"'),
        ("workflow: w\nreplies: {a: [{}, {verdict: no}]}\n", "2:29: error WF022: replies.a[2]"),
        ("workflow: w\nreplies: {a: {error: timout}}\n", "2:22: error WF022: replies.a.error"),
        ("workflow: w\nsignals: [{at: 1m}]\n", "2:11: error WF022: signals[1] has to name"),
        ("workflow: w\nsignals: [{aprove: x}]\n", '2:12: error WF020: "aprove"'),
        ("workflow: w\nworkflow: v\n", '2:1: error WF005: "workflow" is given twice'),
        ("workflow: {{ x }}\n", "1:11: error WF009"),
        ("workflow: w\nexpect: [\n", "error WF002"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, fault: str) -> None:
    assert any(fault in each for each in faults_of(text)), faults_of(text)


def test_a_slip_is_answered_with_the_nearest_word() -> None:
    (fault, *_) = faults_of("workflow: w\nexpct: {status: failed}\n")
    assert 'Did you mean "expect"?' in fault
    (fault,) = faults_of("workflow: w\nexpect: {status: fialed}\n")
    assert 'Did you mean "failed"?' in fault


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = "wrkflow: w\nexpect: {status: no, within: x}\nreplies: {a: 1}\n"
    assert [each.partition(" ")[0] for each in faults_of(text)] == [
        "1:1:", "2:18:", "2:30:", "3:14:", "1:1:",
    ]  # fmt: skip


def test_a_scenario_without_a_title_is_called_as_its_file() -> None:
    assert read("workflow: w\nexpect: {status: failed}\n").title == "a"


def test_the_schema_says_what_the_reader_checks() -> None:
    schema = scenario_schema()
    assert schema["required"] == ["workflow", "expect"]
    assert schema["properties"]["expect"]["additionalProperties"] is False


# Comparing


@pytest.mark.parametrize(
    "expect",
    [
        "{status: succeeded}",
        "{nodes: {plan: succeeded, 'build#*': succeeded}}",
        "{nodes: {'build#2/qa': skipped}}",
        "{never: ['build#2*', 'build#3/fix']}",
        "{order: [plan, build, 'build#1/fix', 'build#1/qa', release, merge]}",
        "{order: [plan, 'build#*/qa', merge]}",
        "{attempts: {plan: 1, 'build#2/qa': 0, 'build#1/*': 1}}",
        "{outputs: {commit: null}}",
        "{within: 10m}",
    ],
)
def test_what_is_so_passes(expect: str) -> None:
    assert played(expect).failures == ()


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ("{status: failed}", "status: expected failed, actual succeeded"),
        ("{nodes: {plan: failed}}", "nodes.plan: expected failed, actual succeeded"),
        ("{nodes: {'build#*/qa': failed}}", "nodes.build#1/qa: expected failed, actual succeeded"),
        (
            "{nodes: {'build#2/qa': failed}}",
            "nodes.build#2/qa: expected failed, actual: it was never reached",
        ),
        ("{nodes: {mrge: failed}}", 'nodes.mrge: wf has no node "mrge"; did you mean "merge"?'),
        ("{never: [merge]}", "never.merge: expected it never runs, actual merge ran"),
        ("{never: ['build*qa']}", "never.build*qa: expected it never runs, actual build#1/qa ran"),
        ("{never: [qa]}", 'never: wf has no node "qa"; did you mean "build#1/qa"?'),
        ("{order: [merge, plan]}", "order: expected merge before plan, actual: plan came first"),
        (
            "{order: [plan, 'build#2/qa']}",
            "order: expected build#2/qa to run, actual: it never ran",
        ),
        ("{attempts: {plan: 2}}", "attempts.plan: expected 2, actual 1"),
        (
            "{attempts: {'build#2/qa': 1}}",
            "attempts.build#2/qa: expected 1, actual none, it was never reached",
        ),
        ("{outputs: {commit: abc}}", 'outputs.commit: expected "abc", actual null'),
        ("{within: 5m}", "within: expected at most 300 s, actual 600 s"),
    ],
)
def test_what_is_not_so_is_told_with_what_was_expected_and_what_is(
    expect: str, sentence: str
) -> None:
    assert [each.replace(LOOP.id, "wf", 1) for each in played(expect).failures] == [sentence]


def test_a_run_that_fails_unexpectedly_says_where_and_why() -> None:
    more = "replies: {plan: {error: refused, message: not today}}\n"
    (sentence,) = played("{status: succeeded}", more=more).failures
    assert sentence == "status: expected succeeded, actual failed (plan: not today)"


def test_every_mismatch_is_told() -> None:
    expect = "{status: failed, nodes: {plan: failed, merge: skipped}, within: 1m}"
    assert len(played(expect).failures) == 4


@pytest.mark.parametrize(
    ("made", "expected", "is_same"),
    [
        ("1", "1", True), ("1", "1.0", True), ("1", "true", False), ("true", "1", False),
        ("{a: [1, {b: x}]}", "{a: [1, {b: x}]}", True), ("{a: 1, b: 2}", "{a: 1}", False),
        ("[1, 2]", "[1]", False), ("null", "null", True), ("'1'", "1", False),
    ],
)  # fmt: skip
def test_outputs_are_compared_as_json(made: str, expected: str, is_same: bool) -> None:
    definition = workflow(
        ask("x"), outputs={"made": "{{ steps.x.result.made }}", "other": "{{ task.id }}"}
    )
    more = f"replies: {{x: {{result: {{made: {made}}}}}}}\n"
    outcome = played(f"{{outputs: {{made: {expected}}}}}", more=more, definition=definition)
    assert outcome.has_passed is is_same


def test_a_step_that_was_escalated_and_skipped_ran() -> None:
    definition = workflow(ask("x", on_error="escalate"))
    more = "replies: {x: {error: refused}}\nsignals: [{at: 1m, skip: x}]\n"
    outcome = played("{nodes: {x: skipped}, never: [x]}", more=more, definition=definition)
    assert len(outcome.failures) == 1


def test_a_reply_for_nobody_and_a_signal_that_cannot_apply_are_pointed_out() -> None:
    more = "replies: {qa: {verdict: fail}}\nsignals: [{at: 1m, abort: release}]\n"
    outcome = played("{status: waiting}", more=more)
    assert outcome.failures == ()
    unheard, refused = outcome.warnings
    assert 'has no node "qa"; did you mean "build#1/qa"?' in unheard
    assert "'abort' is no answer here" in refused


def test_a_scenario_sends_signals_by_name() -> None:
    definition = workflow(wait("w", signal="go"), outputs={"by": "{{ steps.w.by }}"})
    more = "signals: [{at: 10m, signal: go, by: ann, values: {n: 1}}]\n"
    expect = "{status: succeeded, outputs: {by: ann}, within: 10m}"
    outcome = played(expect, more=more, definition=definition)
    assert (outcome.failures, outcome.warnings) == ((), ())
    [fault] = faults_of("workflow: w\nsignals: [{signal: 7}]\nexpect: {status: failed}\n")
    assert fault.startswith("2:20: error WF022: signals[1].signal has to be text, not a number")


def test_a_scenario_says_when_its_clock_begins() -> None:
    definition = workflow(wait("w", until="2026-08-01T09:00:00Z"))
    more = 'starts_at: "2026-08-01T10:30:00+02:00"\n'
    expect = "{status: succeeded, within: 30m}"
    assert played(expect, more=more, definition=definition).failures == ()
    [fault] = faults_of("workflow: w\nstarts_at: 2026-08-01\nexpect: {status: failed}\n")
    assert fault.startswith("2:12: error WF064: starts_at: '2026-08-01' is not a time")
    [early] = faults_of("workflow: w\nstarts_at: 1969-12-31T00:00:00Z\nexpect: {status: failed}\n")
    assert early.startswith("2:12: error WF022: starts_at: the clock begins in 1970")


def test_parameters_that_do_not_fit_are_told_with_their_place() -> None:
    (sentence,) = played("{status: failed}", more="params: {brnch: x}\n").failures
    assert sentence.startswith("a.scenario.yml:2:9: params: ")


def test_a_word_for_a_verdict_is_read_as_that_of_a_persona() -> None:
    more = "replies: {'build#1/qa': {status: failed}}\n" + APPROVED
    assert played("{order: ['build#2/qa', merge]}", more=more).failures == ()


def test_the_same_scenario_gives_the_same_outcome() -> None:
    scenario = read("workflow: w\nreplies: {plan: {error: timeout}}\nexpect: {status: waiting}\n")
    assert play(scenario, LOOP).failures == play(copy.copy(scenario), LOOP).failures


def test_a_scripted_reply_brings_artifacts_that_outputs_read() -> None:
    made = workflow(ask("x"), outputs={"n": "{{ artifacts[0].name }}"})
    more = "replies: {x: {verdict: pass, artifacts: [{name: report}]}}\n"
    assert played("{outputs: {n: report}}", more=more, definition=made).failures == ()


def test_a_scripted_result_is_held_against_the_schema_and_a_stand_in_is_not() -> None:
    schema, _ = check_schema({"type": "object", "required": ["n"]})
    x = ask("x", result_schema=schema, outputs={"n": "{{ result.n | default(0) }}"})
    made = workflow(x, outputs={"n": "{{ x.n }}"})
    wrong = "replies: {x: {verdict: pass, result: {m: 1}}}\n"
    [told] = played("{status: succeeded}", more=wrong, definition=made).failures
    assert "does not fit the step's result_schema" in told
    right = "replies: {x: {verdict: pass, result: {n: 3}}}\n"
    assert played("{outputs: {n: 3}}", more=right, definition=made).failures == ()
    assert played("{outputs: {n: 0}}", more="", definition=made).failures == ()


def test_artifacts_of_a_reply_are_a_list_of_mappings() -> None:
    text = "workflow: w\nreplies: {x: {artifacts: [report]}}\nexpect: {status: failed}\n"
    [told] = faults_of(text)
    assert told.startswith("2:27: error WF022: replies.x.artifacts[1] has to be a mapping")
