"""What a file means: edges, joins, retries, time limits, fallbacks, results that may be missing."""

from __future__ import annotations

import pytest

from coordinator.core.definition import (
    Ask,
    Backoff,
    Channel,
    Choose,
    ErrorClass,
    Files,
    Join,
    Loop,
    Node,
    OnErrorAction,
    Scope,
    Workflow,
)
from coordinator.core.templates import Value
from tests.definitions.corpus import bad_faults, compiled

HEAD = 'name: some work\nversion: "1.0.0"\n'


def workflow(steps: str, top: str = "") -> Workflow:
    return compiled(f"{HEAD}{top}\nsteps:\n{steps}").workflow


def rules(steps: str, top: str = "") -> list[str]:
    return [fault.rule for fault in bad_faults("f", f"{HEAD}{top}\nsteps:\n{steps}")]


def ask(found: Workflow, path: str) -> Ask:
    primitive = found.nodes[path].primitive
    assert isinstance(primitive, Ask)
    return primitive


def _edges(found: Workflow) -> dict[str, tuple[str, ...]]:
    return {path: node.dependencies for path, node in found.nodes.items()}


def test_named_dependencies_come_before_those_made_by_reading_which_are_in_file_order() -> None:
    found = workflow("""
  - {id: a, persona: worker}
  - {id: b, persona: worker}
  - {id: c, persona: worker}
  - {id: d, persona: worker, dependencies: [c], params: {x: "{{ b.result }} {{ steps.a.result }}"}}
""")

    assert found.nodes["d"].dependencies == ("c", "a", "b")
    assert found.nodes["a"].dependents == ("d",)
    assert found.graph.roots == ("a", "b", "c")
    assert [node.index for node in found.graph.nodes.values()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        "params: {x: \"{{ steps['first-step'].result }}\"}",
        'params: {x: ["{{ first_step.output }}"]}',
        "condition: \"first_step.result contains 'x'\"",
        "condition: \"steps.first_step.verdict == 'pass'\"",
        'timeout: "{{ steps.first_step.result.seconds }}"',
        "condition: \"context.personaResults.first_step.verdict == 'pass'\"",
    ],
)
def test_reading_a_step_makes_an_edge(text: str) -> None:
    found = workflow(f"""
  - {{id: first-step, persona: worker}}
  - {{id: second, persona: worker, {text}}}
""")

    assert found.nodes["second"].dependencies == ("first-step",)


@pytest.mark.parametrize(
    "text",
    [
        "condition: \"state.first_status == 'pass'\"",
        "condition: \"context.state.get('first_result')\"",
        'params: {x: "{{ state.first_result | default(1) }}"}',
        'name: "after {{ steps.first.result }}"',
        'params: {x: "{{ task.first }} {{ run.id }} {{ env.first }} {{ artifacts }}"}',
    ],
)
def test_reading_state_or_a_label_makes_no_edge(text: str) -> None:
    found = workflow(f"""
  - {{id: first, persona: worker}}
  - {{id: second, persona: worker, {text}}}
""")

    assert found.nodes["second"].dependencies == ()


def test_edges_across_containers_join_the_outermost_ones_that_differ() -> None:
    found = workflow("""
  - id: p
    type: parallel
    steps:
      - {id: x, persona: worker}
      - id: r
        type: repeat
        max_iterations: 2
        steps:
          - {id: y, persona: worker, params: {x: "{{ steps.x.result }}"}}
  - id: q
    type: parallel
    steps:
      - {id: z, persona: worker, params: {a: "{{ y.result }}", b: "{{ steps.p.result }}"}}
""")

    assert _edges(found) == {
        "p": (), "p/x": (), "p/r": ("x",), "p/r/y": (), "q": ("p",), "q/z": (),
    }  # fmt: skip


def test_static_paths_name_undo_fallback_finally_and_on_failure() -> None:
    found = workflow(
        """
  - id: a
    persona: worker
    undo: [{id: ua, persona: worker, params: {was: "{{ steps.a.result }}"}}]
    on_error: {fallback: [{id: x, persona: worker, params: {why: "{{ steps.a.error }}"}}]}
""",
        top="""
on_failure: [{id: f, persona: worker}]
finally: [{id: cleanup, persona: worker}]
""",
    )

    assert list(found.nodes) == [
        "a",
        "a/undo/ua",
        "a/fallback/x",
        "on_failure/f",
        "finally/cleanup",
    ]
    node = found.nodes["a"]
    assert node.undo is not None
    assert node.undo.path == "a/undo"
    assert node.on_error.action is OnErrorAction.FALLBACK
    assert node.on_error.graph is not None
    assert list(node.on_error.graph.nodes) == ["x"]
    assert found.finally_ is not None
    assert found.finally_.path == "finally"


def test_containers_lower_to_their_primitives() -> None:
    found = workflow("""
  - id: c
    type: conditional
    condition: task.a
    then_steps: [{id: t, persona: worker}]
    else_steps: [{id: e, persona: worker}]
  - id: p
    type: parallel
    wait_for: any
    on_rest: keep
    on_branch_error: ignore
    steps: {m: {persona: worker}, n: {persona: worker}}
  - id: r
    type: repeat
    until: "t.verdict == 'x'"
    max_iterations: 4
    steps: [{id: s, persona: worker}]
""")

    choose, scope, loop = (found.nodes[each].primitive for each in ("c", "p", "r"))
    assert isinstance(choose, Choose)
    assert [list(branch.graph.nodes) for branch in choose.branches] == [["t"]]
    assert choose.otherwise is not None
    assert list(choose.otherwise.nodes) == ["e"]
    assert found.nodes["c"].condition is None
    assert isinstance(scope, Scope)
    assert (scope.need, scope.on_rest, scope.on_branch_error) == (1, "keep", "ignore")
    assert isinstance(loop, Loop)
    assert loop.max_iterations == 4
    assert found.nodes["r"].dependencies == ("c",)


def test_time_limits_come_from_the_step_then_the_persona_then_the_file_then_an_hour() -> None:
    steps = """
  - {id: own, persona: tester, timeout: 5}
  - {id: of-persona, persona: tester}
  - {id: of-file, persona: worker}
  - {id: text, persona: worker, timeout: "{{ params.t }}"}
  - {id: git, type: git-operation, operation: push}
"""
    top = "params: {t: {type: string, default: 5m}}\ndefaults: {timeout: 2m}"
    found = workflow(steps, top=top)

    assert ask(found, "own").timeout == 5_000
    assert ask(found, "of-persona").timeout == 600_000
    assert ask(found, "of-file").timeout == 120_000
    assert isinstance(ask(found, "text").timeout, Value)
    assert ask(found, "git").timeout == 120_000
    assert ask(workflow("  - {id: a, persona: worker}"), "a").timeout == 3_600_000


def test_a_humans_time_limit_is_a_deadline_and_without_one_there_is_none() -> None:
    found = workflow(
        """
  - {id: plain, type: human}
  - {id: soon, type: human, deadline: 1h, on_deadline: approve}
  - {id: asked, persona: boss}
  - {id: asked-soon, persona: boss, timeout: 1h}
""",
        top="defaults: {timeout: 1m}",
    )

    assert ask(found, "plain").deadline is None
    assert ask(found, "soon").deadline == 3_600_000
    assert ask(found, "soon").on_deadline == {"answer": "approve"}
    assert ask(found, "asked").deadline == 2 * 86_400_000
    assert ask(found, "asked-soon").deadline == 3_600_000


def test_what_a_persona_file_says_is_part_of_the_request() -> None:
    found = workflow("""
  - {id: test, persona: tester}
  - {id: edit, persona: editor, git: {paths: ["src/**"], push: false}}
  - {id: alias, persona: hand}
  - {id: human, persona: boss}
""")

    test, edit, human = (ask(found, each) for each in ("test", "edit", "human"))
    assert (test.files, test.tests_required) == (Files.READ, True)
    assert (edit.files, edit.limits.paths, edit.limits.push) == (Files.PATCH, ("src/**",), False)
    assert ask(found, "alias").target == "worker"
    assert (human.channel, human.target, human.assignees) == (Channel.HUMAN, "boss", ("ann",))
    assert human.form == {"why": {"type": "text"}}
    assert found.uses_files


@pytest.mark.parametrize(
    ("steps", "uses"),
    [
        ("  - {id: a, persona: worker}", False),
        ("  - {id: a, persona: tester}", True),
        ("  - {id: a, type: git-operation, operation: diff}", True),
        ("  - {id: p, type: parallel, steps: [{id: a, persona: editor}]}", True),
        ("  - {id: a, persona: worker, undo: [{id: b, persona: editor}]}", True),
    ],
)
def test_a_workflow_uses_files_when_some_step_does(steps: str, uses: bool) -> None:
    assert workflow(steps).uses_files is uses


def _retry(keys: str, defaults: str = "") -> Node:
    top = f"defaults: {{retry: {{{defaults}}}}}" if defaults else ""
    return workflow(f"  - {{id: a, persona: worker{keys}}}", top=top).nodes["a"]


def test_retries_count_attempts_after_the_first() -> None:
    assert _retry("").retry.max_attempts == 1
    assert _retry(", retries: 2").retry.max_attempts == 3
    assert _retry(", retries: 0", "max_attempts: 5").retry.max_attempts == 1
    assert _retry(", retry: {max_attempts: 4}").retry.max_attempts == 4


def test_each_retry_key_that_a_step_does_not_give_comes_from_the_defaults() -> None:
    retry = _retry(
        ", retry: {delay: 5}", "max_attempts: 4, backoff: linear, delay: 1m, on: [timeout, gate]"
    ).retry

    assert (retry.max_attempts, retry.delay_ms, retry.backoff) == (4, 5_000, Backoff.LINEAR)
    assert retry.on == {ErrorClass.TIMEOUT, ErrorClass.GATE}


def test_on_error_retry_tries_three_times_unless_told_otherwise_and_then_aborts() -> None:
    assert _retry(", on_error: retry").retry.max_attempts == 3
    assert _retry(", on_error: retry, retries: 1").retry.max_attempts == 2
    assert _retry(", on_error: retry", "max_attempts: 7").retry.max_attempts == 7
    assert _retry(", on_error: retry").on_error.action is OnErrorAction.ABORT


def test_default_retries_are_for_requests_and_work_only() -> None:
    found = workflow(
        """
  - {id: p, type: parallel, steps: [{id: a, persona: worker}]}
  - {id: h, type: human}
  - {id: g, type: git-operation, operation: push}
""",
        top="defaults: {retry: {max_attempts: 5}}",
    )

    attempts = {path: node.retry.max_attempts for path, node in found.nodes.items()}
    assert attempts == {"p": 1, "p/a": 5, "h": 1, "g": 5}


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("abort", "abort"),
        ("continue", "continue"),
        ("log_and_continue", "continue"),
        ("escalate", "escalate"),
        ("rollback", "rollback"),
    ],
)
def test_on_error_words(word: str, action: str) -> None:
    assert _retry(f", on_error: {word}").on_error.action == OnErrorAction(action)


def test_a_fallback_persona_is_known_by_its_name() -> None:
    found = compiled(f"{HEAD}steps:\n  - {{id: a, persona: editor, on_error: {{fallback: hand}}}}")

    assert found.workflow.nodes["a"].on_error.persona == "worker"
    assert found.personas == ("editor", "worker")


def test_always_is_all_settled() -> None:
    assert _retry(", join: always").join is Join.ALL_SETTLED


def test_steps_without_type_are_tools_commands_or_personas() -> None:
    found = workflow("""
  - {id: tool, tool: worker, action: fetch, parameters: {limit: 3}}
  - {id: argv, run: [ruff, check, "{{ task.slug }}"]}
  - {id: worker}
""")

    assert ask(found, "tool").params.source == {"action": "fetch", "limit": 3}
    assert ask(found, "argv").target == "run"
    assert ask(found, "argv").params.source == {"run": ["ruff", "check", "{{ task.slug }}"]}
    assert ask(found, "argv").files is Files.READ
    assert ask(found, "worker").target == "worker"


# The reader is the last step. `a` may be skipped, `t` may fail and be tolerated, `c` always runs.
_STEPS = """
  - {{id: a, persona: worker, condition: task.a}}
  - {{id: t, persona: worker, on_error: continue}}
  - {{id: c, persona: worker}}
  - {{id: d, persona: worker, dependencies: [a]}}
  - {{id: reader, persona: worker, {keys}}}
"""


@pytest.mark.parametrize(
    "keys",
    [
        # the only dependency of none_failed has succeeded
        'params: {x: "{{ a.result }}"}',
        # so has what that one needed
        'params: {x: "{{ d.result }} {{ a.result }}"}, join: all_succeeded',
        'dependencies: [d, c], join: all_succeeded, params: {x: "{{ steps.a.result }}"}',
        # the reader's own condition, a default, an if
        'dependencies: [a, c], condition: "a.verdict", params: {x: "{{ a.result }}"}',
        'dependencies: [a, c], condition: "state.a_status", params: {x: "{{ a.x }}"}',
        'dependencies: [a, c], params: {x: "{{ a.result | default(none) }}"}',
        'dependencies: [a, c], params: {x: "{{ a.result if a.result else 1 }}"}',
        'params: {x: "{{ t.result | default(1) }}"}',
        # facts about a step are there even when it was skipped
        'dependencies: [a, c], params: {x: "{{ a.outcome }} {{ steps.a.verdict }} {{ t.error }}"}',
        # a condition reads null
        'dependencies: [a, c], condition: "a.result == null"',
        # nobody promises anything about state that the reader does not wait for
        'params: {x: "{{ state.c_result }}"}',
        'dependencies: [c], params: {x: "{{ state.c_result }}"}',
    ],
)
def test_a_result_that_is_there_or_guarded_may_be_read(keys: str) -> None:
    assert rules(_STEPS.format(keys=keys)) == []


@pytest.mark.parametrize(
    "keys",
    [
        'dependencies: [a, c], params: {x: "{{ steps.a.result }}"}',
        'dependencies: [a, c], params: {x: "{{ a.some.key }}"}',
        'dependencies: [a, c], timeout: "{{ a.result.seconds }}"',
        'dependencies: [a, c], join: always, params: {x: "{{ c.result }}"}, on_error: continue',
        'dependencies: [c], join: all_settled, params: {x: "{{ c.result }}"}',
        'dependencies: [c], join: any_failed, params: {x: "{{ c.result }}"}',
        'dependencies: [a, c], join: any_succeeded, params: {x: "{{ c.result }}"}',
        'params: {x: "{{ t.result }}"}',
        'join: all_succeeded, params: {x: "{{ t.result }}"}',
        'dependencies: [a, c], params: {x: "{{ state.a_result }}"}',
        'dependencies: [c, d], params: {x: "{{ d.result }}"}',
    ],
)
def test_an_unguarded_result_that_may_be_missing_is_a_fault(keys: str) -> None:
    assert rules(_STEPS.format(keys=keys)) == ["WF058"]


_CONTAINER = """
  - id: box
    {keys}
    steps:
      - {{id: in, persona: worker}}
      - {{id: maybe, persona: worker, condition: task.a}}
  - {{id: reader, persona: worker, params: {{x: "{{{{ steps.{target}.result }}}}"}}}}
"""


@pytest.mark.parametrize(
    ("keys", "target", "expected"),
    [
        ("type: parallel", "in", []),
        ("type: parallel", "box", []),
        ("type: parallel", "maybe", ["WF058"]),
        ("{type: parallel, wait_for: any}", "in", ["WF058"]),
        ("{type: parallel, on_branch_error: ignore}", "in", ["WF058"]),
        ("{type: repeat, max_iterations: 2}", "in", []),
        ("{type: repeat, max_iterations: 2}", "maybe", ["WF058"]),
        ("{type: parallel, on_error: continue}", "box", ["WF058"]),
        ("{type: parallel, on_error: continue}", "in", ["WF058"]),
        ("{type: parallel, on_error: escalate}", "in", []),
    ],
)
def test_what_a_containers_success_means_for_the_steps_in_it(
    keys: str, target: str, expected: list[str]
) -> None:
    inner = keys.strip("{}").replace(", ", "\n    ")

    assert rules(_CONTAINER.format(keys=inner, target=target)) == expected


def test_a_step_inside_a_container_knows_what_the_container_waited_for() -> None:
    steps = """
  - {id: a, persona: worker}
  - id: p
    type: parallel
    steps: [{id: x, persona: worker, params: {x: "{{ a.result }}", y: "{{ state.a_result }}"}}]
"""
    assert rules(steps) == []


def test_outputs_may_read_anything_and_have_null_for_what_is_missing() -> None:
    found = workflow(
        "  - {id: a, persona: worker, condition: task.a}",
        top='outputs: {x: "{{ a.result.y }}"}',
    )

    assert list(found.outputs) == ["x"]


def test_a_chain_behind_a_step_that_never_runs_never_runs() -> None:
    steps = """
  - {id: a, persona: worker, condition: "false"}
  - {id: b, persona: worker, dependencies: [a]}
  - {id: c, persona: worker, dependencies: [b], join: always}
"""
    assert rules(steps) == ["WF044", "WF044"]


def test_every_cycle_is_named_once() -> None:
    steps = """
  - {id: a, persona: worker, dependencies: [b]}
  - {id: b, persona: worker, dependencies: [a]}
  - {id: c, persona: worker, dependencies: [a, d]}
  - {id: d, persona: worker, params: {x: "{{ e.result | default(1) }}"}}
  - {id: e, persona: worker, dependencies: [d]}
  - {id: f, persona: worker, dependencies: [c]}
"""
    faults = [fault for fault in bad_faults("f", f"{HEAD}\nsteps:{steps}") if fault.rule == "WF043"]

    assert [fault.message.split(": ")[1].split(" (")[0] for fault in faults] == [
        "a -> b -> a",
        "d -> e -> d",
    ]


def test_the_id_of_a_workflow_is_its_name_in_small_letters_and_dashes() -> None:
    found = compiled(
        'name: "Daily  Email_Check (v2)!"\nversion: "1.0.0"\nsteps: {a: {persona: worker}}'
    )

    assert found.workflow.id == "daily-email_check-v2"
    assert found.workflow.name == "Daily  Email_Check (v2)!"


def test_match_is_kept_for_routing() -> None:
    found = compiled(
        f"{HEAD}match: {{types: [task], scopes: [large], labels: [x], when: 'task.repo != null'}}\n"
        "steps: {a: {persona: worker}}"
    )

    assert found.match is not None
    assert (found.match.types, found.match.scopes, found.match.labels) == (
        ("task",),
        ("large",),
        ("x",),
    )
    assert found.match.when is not None
    assert found.match.when.truth({"task": {"repo": "r"}})
    assert not found.match.when.truth({"task": {}})
