"""Steps of type `set` and `wait` in files: what is checked, what they become, what may be read."""

from __future__ import annotations

import json

import pytest

from coordinator.core.definition import Compute, Node, Wait
from coordinator.core.ids import Digest
from coordinator.core.moments import moment_ms
from coordinator.core.templates import Value
from coordinator.definitions.compile import load_document
from coordinator.definitions.fmt import format_workflow
from tests.definitions.corpus import TYPES, bad_faults, compiled

HEAD = 'name: some work\nversion: "1.0.0"\n'


def listed(*steps: str, top: str = "") -> str:
    return f"{HEAD}{top}steps:\n" + "".join(f"  - {each}\n" for each in steps)


def node(step: str, top: str = "") -> Node:
    return compiled(listed(step, top=top)).workflow.nodes["a"]


def told(*steps: str, top: str = "") -> list[tuple[str, int, int]]:
    """Rule and place of each fault; the first step is in line 4."""
    return [
        (each.rule, each.line, each.column) for each in bad_faults("f", listed(*steps, top=top))
    ]


@pytest.mark.parametrize(
    ("key", "milliseconds"),
    [("5", 5_000), ("'5m'", 300_000), ("PT1H", 3_600_000), ("0.25", 250), ("1h30m", 5_400_000)],
)
def test_for_is_a_duration_and_a_bare_number_is_seconds(key: str, milliseconds: int) -> None:
    assert node(f"{{id: a, type: wait, for: {key}}}").primitive == Wait(duration=milliseconds)


@pytest.mark.parametrize("text", ["2026-08-01T09:00:00Z", "2026-08-01T11:00:00.000+02:00"])
def test_until_is_a_moment_and_all_zones_mean_the_same_instant(text: str) -> None:
    primitive = node(f"{{id: a, type: wait, until: {text}}}").primitive
    assert primitive == Wait(until=moment_ms("2026-08-01T09:00:00Z"))


def test_times_may_be_templates() -> None:
    top = "params: {at: {type: string}}\n"
    waited = node('{id: a, type: wait, until: "{{ params.at }}"}', top).primitive
    assert isinstance(waited, Wait)
    assert isinstance(waited.until, Value)
    limited = node('{id: a, type: wait, signal: go, timeout: "{{ params.at }}"}', top).primitive
    assert isinstance(limited, Wait)
    assert isinstance(limited.timeout, Value)
    assert told('{id: a, type: wait, for: "{{ params.att }}"}', top=top) == [("WF054", 5, 34)]


def test_a_time_limit_counts_for_a_signal_and_only_the_one_that_its_step_names() -> None:
    defaults = "defaults: {timeout: 5m, retry: {max_attempts: 4}}\n"
    found = node("{id: a, type: wait, signal: go}", defaults)
    assert (found.primitive, found.retry.max_attempts) == (Wait(signal="go"), 1)
    limited = node("{id: a, type: wait, signal: go, timeout: 2d}", defaults)
    assert limited.primitive == Wait(signal="go", timeout=172_800_000)


@pytest.mark.parametrize(
    ("step", "rule", "column"),
    [
        ("{id: a, type: wait}", "WF022", 5),
        ("{id: a, type: wait, for: 5, until: 2026-08-01T09:00:00Z}", "WF022", 40),
        ("{id: a, type: wait, until: 2026-08-01T09:00:00Z, signal: go}", "WF022", 62),
        ("{id: a, type: wait, for: soon}", "WF029", 30),
        ("{id: a, type: wait, for: 0}", "WF029", 30),
        ("{id: a, type: wait, until: 2026-08-01T09:00:00}", "WF064", 32),
        ("{id: a, type: wait, until: 2026-08-01}", "WF064", 32),
        ("{id: a, type: wait, until: 2026-02-30T09:00:00Z}", "WF064", 32),
        ("{id: a, type: wait, until: 20}", "WF064", 32),
        ("{id: a, type: wait, signal: Go}", "WF022", 33),
        ('{id: a, type: wait, signal: "{{ task.id }}"}', "WF022", 33),
        ("{id: a, type: wait, signal: go, form: {}}", "WF020", 37),
        ("{id: a, type: set}", "WF021", 5),
        ("{id: a, type: set, values: {}}", "WF022", 32),
        ("{id: a, type: set, values: [1]}", "WF022", 32),
        ("{id: a, type: set, values: {ok: 1, a-b: 1}}", "WF022", 40),
        ("{id: a, type: set, values: {1st: 1}}", "WF022", 33),
        (f"{{id: a, type: set, values: {{{'x' * 201}: 1}}}}", "WF022", 33),
        ('{id: a, type: set, values: {x: "{{ tusk }}"}}', "WF052", 40),
        ('{id: a, type: set, values: {x: ["{{ 1 + }}"]}}', "WF051", 45),
    ],
)
def test_what_does_not_fit_is_a_fault_at_its_place(step: str, rule: str, column: int) -> None:
    assert told(step) == [(rule, 4, column)]


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("{id: a, type: set, values: {x: 1}, timeout: 5, gate: pass}", 2),
        ("{id: a, type: set, values: {x: 1}, params: {y: 1}, git: {push: false}}", 2),
        ("{id: a, type: wait, for: 5, timeout: 9}", 1),
        ("{id: a, type: wait, until: 2026-08-01T09:00:00Z, timeout: 9, params: {y: 1}}", 2),
        ("{id: a, type: wait, signal: go, timeout: 9, gate: pass}", 1),
    ],
)
def test_keys_that_do_nothing_there_have_a_warning(step: str, keys: int) -> None:
    assert [rule for rule, _, _ in told(step)] == ["WF039"] * keys


def test_names_of_200_characters_and_values_of_any_kind_are_written() -> None:
    name = "X" * 200
    found = node(f"{{id: a, type: set, values: {{{name}: [1, {{b: null}}], _y: null}}}}").primitive
    assert isinstance(found, Compute)
    assert found.values.source == {name: [1, {"b": None}], "_y": None}


# What is read


def test_what_a_set_writes_can_be_read_everywhere_and_a_slip_is_answered() -> None:
    setter = "{id: a, type: set, values: {total: 1}}"
    reader = 'id: b, persona: worker, dependencies: [a], params: {x: "{{ state.total }}"}'
    assert told(setter, f"{{{reader}, condition: state.total > 0}}") == []
    [fault] = bad_faults("f", listed(setter, "{id: b, persona: worker, condition: state.totel}"))
    assert (fault.rule, fault.hint) == ("WF057", 'Did you mean "total"?')
    outputs = "outputs: {t: '{{ state.total }}'}\n"
    assert told(setter, top=outputs) == []


def test_a_read_of_state_makes_no_edge() -> None:
    found = compiled(
        listed(
            "{id: a, type: set, values: {total: 1}}",
            '{id: b, persona: worker, params: {x: "{{ state.total }}"}}',
        )
    )
    assert found.workflow.nodes["b"].dependencies == ()


SKIPPED = "{id: a, type: set, values: {n: 1}, condition: task.go}"
READER = '{id: b, persona: worker, dependencies: [a], join: always, params: {x: "{{ state.n }}"}}'


@pytest.mark.parametrize(
    ("steps", "rules"),
    [
        ((SKIPPED, READER), ["WF058"]),
        ((SKIPPED, READER.replace("join: always, ", "")), []),
        ((SKIPPED, READER.replace("dependencies: [a], join: always, ", "")), []),
        ((SKIPPED, READER.replace("state.n }", "state.n | default(0) }")), []),
        ((SKIPPED, READER.replace("join: always", "condition: state.n, join: always")), []),
        ((SKIPPED.replace(", condition: task.go", ""), READER), ["WF058"]),
        ((SKIPPED, READER, "{id: c, type: set, values: {n: 2}}"), []),
    ],
)
def test_a_value_that_only_a_set_writes_which_may_be_skipped_may_be_missing(
    steps: tuple[str, ...], rules: list[str]
) -> None:
    assert [rule for rule, _, _ in told(*steps)] == rules


def test_a_set_may_read_what_it_wrote_before() -> None:
    inner = '{id: n, type: set, values: {n: "{{ state.n + 1 }}"}}'
    loop = f"{{id: r, type: repeat, max_iterations: 3, until: state.n == 3, steps: [{inner}]}}"
    assert told("{id: a, type: set, values: {m: 0}}", loop) == []


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("qa_status", ["WF063"]),
        ("qa_result", ["WF063"]),
        ("code_review_status", ["WF063"]),
        ("qb_status", []),
        ("qa_state", []),
        ("qa", []),
    ],
)
def test_a_value_named_like_what_a_step_leaves_has_a_warning(name: str, rules: list[str]) -> None:
    found = told(
        "{id: qa, persona: worker}",
        "{id: code-review, persona: worker}",
        f"{{id: a, type: set, values: {{{name}: 1}}}}",
    )
    assert [rule for rule, _, _ in found] == rules


# As stored


def test_a_stored_definition_compiles_to_the_same_whatever_the_spelling() -> None:
    steps = (
        "{id: a, type: wait, until: 2026-08-01T09:00:00Z}",
        "{id: b, type: wait, for: 300, needs: [a]}",
        "{id: c, type: wait, signal: go, timeout: 5m}",
        '{id: d, type: set, values: {x: "{{ steps.c.by }}", y: null}}',
    )
    found = compiled(listed(*steps))
    digest = Digest(found.workflow.digest)
    loaded, _ = load_document(digest, found.document, step_types=TYPES)
    assert (loaded, loaded.signals) == (found.workflow, {"go"})
    respelled = [each.replace("300", "5m").replace("needs", "dependencies") for each in steps]
    assert compiled(listed(*respelled)).workflow.digest == digest
    assert json.loads(found.document)["workflow"]["steps"][3]["values"]["y"] is None


def test_formatting_leaves_them_as_they_are_and_respells_their_common_keys() -> None:
    text = listed(
        "{id: a, type: wait, signal: go, needs: []}", "{id: b, type: set, values: {with: 1}}"
    )
    formatted, faults = format_workflow("f.yml", text, step_types=TYPES)
    assert (formatted, faults) == (text.replace("needs", "dependencies"), [])
