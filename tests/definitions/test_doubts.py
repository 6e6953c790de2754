"""What is well written and hardly meant is warned of, and what may be meant is not."""

from __future__ import annotations

import pytest

from coordinator.core.comparisons import is_same
from coordinator.core.expressions import compile_expression
from coordinator.core.tasks import ALWAYS_THERE, normalise_task
from coordinator.gitx.names import BranchName, InvalidNameError
from coordinator.gitx.request import STRATEGIES as USED
from steps.git_doubts import STRATEGIES, can_be_a_name
from tests.definitions.corpus import bad_faults

HEAD = "name: w\nversion: '1.0.0'\n"
QA = "{id: qa, persona: tester}"
PUSH = "{id: push, type: git-operation, operation: push, dependencies: [qa]}"
FINALIZE = "{id: end, type: git-operation, operation: finalize, dependencies: [qa]}"


def told(*steps: str, top: str = "") -> list[str]:
    """Rule and cure of each fault of a workflow with these steps."""
    listed = "".join(f"  - {each}\n" for each in steps)
    found = bad_faults("w", f"{HEAD}{top}steps:\n{listed}")
    return [f"{each.rule} {each.hint}" for each in found]


def rules(*steps: str, top: str = "") -> list[str]:
    """The rules that a workflow with these steps breaks."""
    return [each.split()[0] for each in told(*steps, top=top)]


def of_condition(condition: str, top: str = "") -> list[str]:
    """What is told of a condition of a step behind a tester, a push and a question."""
    reader = f'{{id: r, persona: worker, dependencies: [qa], condition: "{condition}"}}'
    push = "{id: push, type: git-operation, operation: push}"
    ask = "{id: ask, type: human, on_error: escalate}"
    return told(QA, push, ask, reader, top=top)


# WF070


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("state.qa_status == 'passed'", "pass"),
        ("state.qa_status === 'PASS'", "pass"),
        ("'ok' == state.qa_status", "pass"),
        ("state.qa_status == 'succeeded'", "pass"),
        ("state.qa_status != 'rejected'", "fail"),
        ("state.qa_status in ['pass', 'success']", "pass"),
        ("context.state.get('qa_status') === 'passed'", "pass"),
        ("steps.qa.verdict == 'failed'", "fail"),
        ("qa.verdict == 'approved'", "pass"),
        ("steps.qa.outcome == 'pass'", "succeeded"),
        ("steps.qa.outcome == 'error'", "failed"),
        ("context.personaResults.qa.outcome == 'fail'", "failed"),
        ("state.push_status == 'pass'", "succeeded"),
        ("steps.push.status == 'passed'", "succeeded"),
        ("run.status == 'FAILED'", "failed"),
        ("task.type == 'Hotfix'", "hotfix"),
        ("task.status == 'In_Progress'", "in_progress"),
    ],
)
def test_a_word_that_never_comes_is_told_with_the_one_that_is_meant(
    condition: str, meant: str
) -> None:
    assert of_condition(condition) == [f'WF070 Did you mean "{meant}"?']


@pytest.mark.parametrize(
    "condition",
    [
        "state.qa_status == true",
        "steps.qa.attempts == '2'",
        "task.labels == 'urgent'",
        "task.title == 3",
        "params.count == '3'",
        "count == '3'",
        "params.mode == 'fsat'",
        "params.flag == 'true'",
        "params.names == 'a'",
        "run.status == 'lost'",
    ],
)
def test_a_value_of_another_kind_or_outside_an_enum_is_told(condition: str) -> None:
    top = (
        "params: {count: {type: integer}, mode: {enum: [fast, slow]}, flag: {type: boolean}, "
        "names: {type: list}}\n"
    )
    assert [each.split()[0] for each in of_condition(condition, top)] == ["WF070"]


@pytest.mark.parametrize(
    "condition",
    [
        "state.qa_status == 'pass'",
        "state.qa_status == 'skipped'",
        "state.qa_status != 'failed'",
        "state.qa_status == null",
        "state.qa_result == 'passed'",
        "state.push_status == 'succeeded'",
        "state.ask_status == 'succeeded'",
        "steps.qa.outcome == 'failed'",
        "steps.qa.result.status == 'passed'",
        "qa.result.verdict == 'passed'",
        "qa.said == 'passed'",
        "task.title == 'Passed'",
        "task.severity == 'Critical'",
        "task.type == 'hotfix'",
        "params.count == 3.0",
        "state.qa_status.length == 4",
        "task.labels contains 'urgent'",
        "state.get('qa_status', 'none') == 'none'",
    ],
)
def test_what_may_come_is_not_told(condition: str) -> None:
    assert of_condition(condition, "params: {count: {type: integer}}\n") == []


def test_a_case_of_a_switch_that_never_comes_is_told() -> None:
    way = (
        '{id: way, type: switch, on: "{{ %s }}", cases: {%s: [{id: a, persona: worker}], '
        "~: [{id: b, persona: worker}]}}"
    )
    assert told(QA, way % ("steps.qa.verdict", "passed")) == ['WF070 Did you mean "pass"?']
    assert told(QA, way % ("state.qa_status", "pass")) == []
    assert told(QA, way % ("task.type", "True")) == []


def test_the_name_of_an_item_is_not_taken_for_a_step_or_a_parameter() -> None:
    each = (
        "{id: all, type: foreach, items: [1], as: mode, steps: "
        "[{id: a, persona: worker, condition: \"mode == 'x'\"}]}"
    )
    assert rules(each, top="params: {mode: {type: integer}}\n") == []


def test_a_state_that_the_workflow_writes_itself_may_be_anything() -> None:
    write = "{id: s, type: set, values: {qa_status: passed}}"
    read = "{id: r, persona: worker, dependencies: [s], condition: \"state.qa_status == 'passed'\"}"
    assert rules(QA, write, read) == ["WF063"]


def test_the_condition_of_a_match_is_looked_at_too() -> None:
    top = "match: {when: \"task.type == 'Bug'\"}\n"
    assert told(QA, top=top) == ['WF070 Did you mean "bug"?']


# WF071


@pytest.mark.parametrize(
    "condition",
    [
        "task.a && task.b && task.a",
        "task.a == 'x' && task.a == 'y'",
        "task.a != 'x' || task.a !== 'y'",
        "task.b && (task.a || task.a)",
    ],
)
def test_a_condition_that_decides_nothing_is_told(condition: str) -> None:
    assert [each.split()[0] for each in of_condition(condition)] == ["WF071"]


@pytest.mark.parametrize(
    "condition",
    [
        "task.a == 'x' || task.a == 'y'",
        "task.a != 'x' && task.a != 'y'",
        "task.a == 1 && task.a == 1.0",
        "task.a == 'x' && task.b == 'y'",
        "task.a && !task.b",
    ],
)
def test_a_condition_that_decides_something_is_not_told(condition: str) -> None:
    assert of_condition(condition) == []


def test_spaces_and_spellings_make_no_other_condition() -> None:
    assert is_same(compile_expression("a=== 'x'&&b"), compile_expression('a == "x" and  b'))
    assert not is_same(compile_expression("a"), compile_expression("b"))


# WF072 and WF073


@pytest.mark.parametrize(
    "steps",
    [
        (QA, PUSH),
        (QA, FINALIZE),
        (QA, "{id: end, persona: worker, dependencies: [qa], required: true}"),
        (QA, "{id: mid, persona: worker, dependencies: [qa]}", PUSH.replace("[qa]", "[mid]")),
        ("{id: all, type: parallel, steps: [" + QA + "]}", PUSH.replace("[qa]", "[all]")),
        ("{id: qa, type: human}", PUSH),
        ("{id: qa, persona: boss}", PUSH),
    ],
)
def test_a_verdict_that_nobody_reads_before_something_final_is_told(steps: tuple[str, ...]) -> None:
    assert rules(*steps) == ["WF072"]


@pytest.mark.parametrize(
    "steps",
    [
        ("{id: qa, persona: tester, gate: pass}", PUSH),
        (QA, PUSH.replace("}", ", condition: \"state.qa_status == 'pass'\"}")),
        (QA, PUSH.replace("}", ", condition: steps.qa.result.ok}")),
        (
            "{id: all, type: parallel, gate: pass, steps: [" + QA + "]}",
            PUSH.replace("[qa]", "[all]"),
        ),
        (QA, "{id: fix, persona: worker, params: {told: '{{ steps.qa.result }}'}}", PUSH),
        (QA, "{id: ok, type: human, gate: pass, dependencies: [qa]}", PUSH.replace("qa", "ok")),
        ("{id: qa, persona: tester, on_error: continue}", PUSH),
        ("{id: qa, persona: worker}", PUSH),
        ("{id: qa, persona: editor}", PUSH),
        (QA, "{id: end, persona: worker, dependencies: [qa]}"),
        (QA, "{id: push, type: git-operation, operation: push}"),
    ],
)
def test_a_verdict_that_is_read_or_that_nothing_final_follows_is_not_told(
    steps: tuple[str, ...],
) -> None:
    assert rules(*steps) == []


def test_a_test_in_a_loop_is_read_by_until() -> None:
    loop = '{id: qa-loop, type: repeat, max_iterations: 2, until: "%s", steps: [%s, %s]}'
    other = "{id: lint, persona: tester}"
    push = PUSH.replace("[qa]", "[qa-loop]")
    assert rules(loop % ("state.qa_status == 'pass'", QA, "{id: a, persona: worker}"), push) == []
    assert rules(loop % ("state.qa_status == 'pass'", QA, other), push) == ["WF072"]


def test_a_gate_on_a_step_without_a_verdict_is_told_and_what_waits_for_it() -> None:
    push = "{id: push, type: git-operation, operation: push, gate: pass}"
    after = "{id: after, persona: worker, dependencies: [push]}"
    around = "{id: all, type: parallel, steps: [" + push + "]}"
    assert rules(push) == ["WF073"]
    assert rules(push, after) == ["WF073", "WF044"]
    assert rules(around, after.replace("push", "all")) == ["WF073", "WF044"]
    assert rules(push, after.replace("}", ", join: always}")) == ["WF073"]
    assert rules(push.replace("}", ", on_error: continue}"), after) == ["WF073"]


def test_a_gate_that_does_nothing_is_told_as_that_alone() -> None:
    assert rules("{id: a, type: wait, for: 1m, gate: pass}") == ["WF039"]


# WF074 and WF075


def loop(until: str, most: int = 3, inside: str = QA) -> str:
    return f'{{id: l, type: repeat, max_iterations: {most}, until: "{until}", steps: [{inside}]}}'


@pytest.mark.parametrize(
    "until",
    [
        "task.done", "context.task.done && params.x", "x", "steps.before.outcome", "true",
        "state.before_status && variables.v", "state.n > 3",
    ],
)  # fmt: skip
def test_until_that_reads_nothing_that_changes_is_told(until: str) -> None:
    before = "{id: before, type: set, values: {n: 1}}"
    inside = loop(until).replace("}]}", "}], dependencies: [before]}")
    top = "params: {x: {type: boolean}}\nvariables: {v: 1}\n"
    assert rules(before, inside, top=top) == ["WF074"]


@pytest.mark.parametrize(
    "until",
    [
        "state.qa_status == 'pass'", "steps.qa.verdict == 'pass' || task.done", "iteration > 2",
        "qa.result.done", "state.n > 3", "state.beside_status == 'pass'", "l.verdict == 'pass'",
    ],
)  # fmt: skip
def test_until_that_reads_what_may_change_is_not_told(until: str) -> None:
    inside = QA + ", {id: s, type: set, values: {n: '{{ iteration }}'}}"
    assert rules("{id: beside, persona: worker}", loop(until, 3, inside)) == []


def test_a_loop_that_never_succeeds_is_told_with_what_waits_for_it() -> None:
    after = "{id: after, persona: worker, dependencies: [l]}"
    assert rules(loop("false"), after) == ["WF074", "WF044"]
    assert rules(loop("false").replace("}]}", "}], on_error: escalate}"), after) == ["WF074"]


def test_a_loop_beyond_max_steps_is_told_once_where_it_first_is() -> None:
    inner = loop("state.qa_status == 'pass'", 40)
    outer = "{id: o, type: repeat, max_iterations: 4, until: steps.qa.verdict, steps: [%s]}"
    assert rules(inner, top="max_steps: 40\n") == []
    assert rules(inner, top="max_steps: 39\n") == ["WF075"]
    assert rules(outer % inner, top="max_steps: 39\n") == ["WF075"]
    assert rules(outer % inner, top="max_steps: 100\n") == ["WF075"]
    assert rules(outer % inner, top="max_steps: 160\n") == []


def test_of_a_choice_only_one_branch_counts() -> None:
    either = (
        "{id: c, type: conditional, condition: task.a, then_steps: [{id: a, persona: worker}], "
        "else_steps: [{id: b, persona: worker}]}"
    )
    inside = loop("c.verdict == 'pass'", 10, either)
    assert rules(inside, top="max_steps: 10\n") == []
    assert rules(inside, top="max_steps: 9\n") == ["WF075"]


def test_a_foreach_over_a_written_list_counts_its_items() -> None:
    each = "{id: f, type: foreach, items: [1, 2, 3], steps: [" + QA + "]}"
    assert rules(each, top="max_steps: 2\n") == ["WF075"]
    assert rules(each, top="max_steps: 3\n") == []


# WF076


@pytest.mark.parametrize(
    ("step", "top"),
    [
        ("{id: a, persona: worker, timeout: 2h}", "timeout: 1h\n"),
        ("{id: a, type: human, deadline: 2h}", "timeout: 1h\n"),
        ("{id: a, type: wait, for: 2h}", "timeout: 1h\n"),
        ("{id: a, persona: worker}", "timeout: 1h\ndefaults: {timeout: 2h}\n"),
        ("{id: a, persona: worker, retries: 1, retry: {delay: 5m, max_delay: 1m}}", ""),
        ("{id: a, persona: worker, retries: 1, retry: {delay: 5m, max_total: 5m}}", ""),
        ("{id: a, persona: worker}", "defaults: {retry: {delay: 5m, max_total: 1m}}\n"),
    ],
)
def test_a_time_that_never_passes_is_told(step: str, top: str) -> None:
    assert rules(step, top=top) == ["WF076"]


@pytest.mark.parametrize(
    ("step", "top"),
    [
        ("{id: a, persona: worker, timeout: 1h}", "timeout: 1h\n"),
        ("{id: a, persona: worker, timeout: '{{ params.t }}'}", "timeout: 1h\nparams: {t: {}}\n"),
        (
            "{id: a, persona: worker, retries: 1, retry: {delay: 1, max_delay: 2m, max_total: 1h}}",
            "",
        ),
        ("{id: a, persona: worker, retries: 1, retry: {max_total: 1h}}", ""),
    ],
)
def test_a_time_that_may_pass_is_not_told(step: str, top: str) -> None:
    assert rules(step, top=top) == []


# WF077


def test_a_key_that_a_run_does_not_have_is_told() -> None:
    assert of_condition("run.staus == 'failed'") == ['WF077 Did you mean "status"?']
    assert [each.split()[0] for each in of_condition("run.weather")] == ["WF077"]
    assert of_condition("run.error && run.created_ms > 3 && run.revision") == []


def test_a_slip_of_a_key_that_every_task_has_is_told_and_no_other_key() -> None:
    assert of_condition("task.titel == 'x'") == ['WF077 Did you mean "title"?']
    for key in (*ALWAYS_THERE, "summary", "types", "milestone", "repository", "tags", "severity"):
        assert of_condition(f"task.{key}") == []


def test_every_task_has_the_keys_that_are_always_there() -> None:
    assert set(ALWAYS_THERE) <= set(normalise_task({}, entry_id="1-0"))


# WF044, branches


CHOICE = (
    "{id: c, type: conditional, condition: %s, then_steps: [%s], "
    "else_steps: [{id: z, persona: worker}]}"
)
DO = "{id: a, persona: worker}"


@pytest.mark.parametrize("condition", ['"true"', '"1 > 2"', "true"])
def test_a_branch_that_is_never_chosen_is_told(condition: str) -> None:
    assert rules(CHOICE % (condition, DO)) == ["WF044"]


def test_a_question_that_was_answered_around_it_is_told() -> None:
    inner = "{id: i, type: conditional, condition: %s, then_steps: [%s], else_steps: [%s]}"
    two = (DO, "{id: b, persona: worker}")
    assert rules(CHOICE % ("task.a", inner % ("task.a", *two))) == ["WF044"]
    assert rules(CHOICE % ("task.a", inner % ("task.b", *two))) == []
    skip = "{id: z, persona: worker, condition: task.a}"
    text = (CHOICE % ("task.a", DO)).replace("{id: z, persona: worker}", skip)
    assert rules(text) == ["WF044"]


def test_a_question_about_what_changes_may_be_asked_again() -> None:
    before = "{id: q, persona: worker}"
    skip = "{id: z, persona: worker, condition: state.a_status}"
    text = (CHOICE % ("state.a_status", DO)).replace("{id: z, persona: worker}", skip)
    assert rules(before, text) == []


# Keys that do nothing, and values that fail the step


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, persona: worker, retry: {delay: 5s}}",
        "{id: a, persona: worker, retry: {max_attempts: 1, on: [timeout]}}",
        "{id: a, persona: worker, retries: 0, on_error: retry}",
        "{id: p, type: parallel, on_rest: keep, steps: [" + QA + "]}",
        "{id: a, type: human, on_deadline: reject}",
        "{id: a, persona: worker, git: {paths: [a]}}",
    ],
)
def test_a_key_that_does_nothing_is_told(step: str) -> None:
    assert rules(step) == ["WF039"]


@pytest.mark.parametrize("part", ["finally", "on_failure"])
def test_nothing_is_undone_once_everything_is(part: str) -> None:
    top = f"{part}: [{{id: f, persona: worker, undo: [{{id: u, persona: worker}}]}}]\n"
    assert rules("{id: a, persona: worker}", top=top) == ["WF039"]


@pytest.mark.parametrize(
    ("step", "top"),
    [
        ("{id: a, persona: worker, retry: {delay: 5s}, retries: 1}", ""),
        ("{id: a, persona: worker, retry: {delay: 5s}, on_error: retry}", ""),
        ("{id: a, persona: worker, retry: {max_attempts: 1}}", ""),
        ("{id: a, persona: worker, retry: {delay: 5s}}", "defaults: {retry: {max_attempts: 2}}\n"),
        ("{id: p, type: parallel, wait_for: any, on_rest: keep, steps: [" + QA + "]}", ""),
        ("{id: a, type: human, on_deadline: reject, deadline: 1h}", ""),
        ("{id: a, type: human, on_deadline: reject, timeout: 1h}", ""),
        ("{id: a, persona: editor, git: {paths: [a]}}", ""),
        ("{id: a, persona: worker, git: {paths: [a]}, on_error: {fallback: editor}}", ""),
        ("{id: a, persona: worker, undo: [{id: u, persona: worker}]}", ""),
    ],
)
def test_a_key_that_does_something_is_not_told(step: str, top: str) -> None:
    assert rules(step, top=top) == []


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ("{id: a, type: git-operation, operation: tag}", "4:45"),
        (
            "{id: a, type: git-operation, operation: finalize, params: {merge_strategy: sqash}}",
            "4:80",
        ),
        ("{id: a, type: git-operation, operation: merge, params: {strategy: octopus}}", "4:71"),
        ("{id: a, type: git-operation, operation: push, branch: 'a b'}", "4:59"),
        ("{id: a, type: git-operation, operation: sync, params: {base_branch: -x}}", "4:73"),
        ("{id: a, type: human, form: {n: {type: integer, default: x}}}", "4:61"),
        ("{id: a, type: human, form: {n: {enum: [a, b], default: c}}}", "4:60"),
        (
            "{id: a, type: parallel, on_error: {fallback: worker}, steps: [" + QA + "]}",
            "4:50",
        ),
    ],
)
def test_what_fails_the_step_when_it_runs_is_told_at_its_place(step: str, place: str) -> None:
    [fault] = bad_faults("w", f"{HEAD}steps:\n  - {step}\n")
    assert (fault.rule, f"{fault.line}:{fault.column}") == ("WF078", place)


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, type: git-operation, operation: tag, params: {name: v1}}",
        "{id: a, type: git-operation, operation: tag, params: {name: '{{ task.slug }}'}}",
        "{id: a, type: git-operation, operation: finalize, params: {merge_strategy: squash}}",
        "{id: a, type: git-operation, operation: finalize, params: {merge_strategy: merge_commit}}",
        "{id: a, type: git-operation, operation: push, branch: 'feat/{{ task.title }}'}",
        "{id: a, type: human, form: {n: {type: integer, default: 3}, m: text}}",
        "{id: a, type: git-operation, operation: push, on_error: {fallback: worker}}",
    ],
)
def test_what_does_not_fail_the_step_is_not_told(step: str) -> None:
    assert rules(step) == []


@pytest.mark.parametrize(
    "name",
    [
        "main", "feat/a-b_c.d", "a", "v1.0", "a@b", "x" * 50, "-a", "a b", "a..b", "a/", "/a",
        "a//b",
        "a.lock", "a.lock/b", ".a", "a/.b", "a.", "@", "HEAD", "refs/heads/a", "a~1", "a^", "a:b",
        "a?", "a*", "a[", "a\\b", "a@{1}", "", "a\tb", "a/-b",
    ],
)  # fmt: skip
def test_names_of_branches_are_taken_and_refused_as_by_the_program_that_uses_them(
    name: str,
) -> None:
    try:
        BranchName(name)
    except InvalidNameError:
        assert not can_be_a_name(name)
    else:
        assert can_be_a_name(name)


def test_the_strategies_are_those_of_the_program_that_uses_them() -> None:
    assert set(STRATEGIES) == USED


def test_a_param_that_a_command_reads_has_to_be_given() -> None:
    assert rules("{id: a, persona: greeter}") == ["WF079"]
    assert rules("{id: a, persona: greeter, params: {whom: x}}") == ["WF079"]
    assert rules("{id: a, persona: greeter, params: {who: x}}") == []
    assert rules("{id: a, persona: worker, on_error: {fallback: greeter}}") == ["WF079"]


def test_kinds_of_tasks_are_in_small_letters() -> None:
    assert told(QA, top="match: {types: [task, Hotfix]}\n") == ['WF070 Did you mean "hotfix"?']
    assert told(QA, top="match: {scopes: [Large], labels: [Any]}\n") == [
        'WF070 Did you mean "large"?'
    ]


def test_a_parameter_without_any_possible_value_is_told() -> None:
    assert rules(QA, top="params: {a: {enum: []}}\n") == ["WF037"]


def test_a_loop_over_nothing_is_told() -> None:
    assert rules("{id: f, type: foreach, items: [], steps: [" + QA + "]}") == ["WF044"]


@pytest.mark.parametrize(
    ("condition", "expected"), [("'no'", ["WF071"]), ("1", ["WF071"]), ("true", [])]
)
def test_a_text_that_is_always_true_is_told(condition: str, expected: list[str]) -> None:
    assert [each.split()[0] for each in of_condition(condition)] == expected
