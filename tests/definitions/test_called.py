"""Workflows that run each other: compiled in order, pinned by one digest, and all faults of it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from coordinator.core.definition import Ask, Channel
from coordinator.core.ids import Digest
from coordinator.definitions import (
    Bundle,
    TamperedDefinitionError,
    compile_bundle,
    load_document,
)
from tests.definitions.corpus import PERSONA_FILES, TYPES

CHECKS = """
name: checks
version: "1.0.0"
params:
  level: {type: integer, required: true}
  words: {type: list, default: []}
steps:
  - {id: test, persona: tester, params: {level: "{{ params.level }}"}}
outputs: {n: 1}
"""


def runs(name: str, *called: str, more: str = "") -> str:
    """A workflow with one step for each that it runs."""
    steps = "".join(
        f"  - {{id: s{n}, type: workflow, workflow: {each}{more}}}\n"
        for n, each in enumerate(called)
    )
    return f'name: {name}\nversion: "1.0.0"\nsteps:\n  - {{id: a, persona: worker}}\n{steps}'


def bundle(*texts: str) -> Bundle:
    """Workflows, in files that are named in the order given."""
    files = {f"workflows/w{n:03}.yml": text for n, text in enumerate(texts)}
    return compile_bundle({**PERSONA_FILES, **files}, step_types=TYPES)


def clean(*texts: str) -> Bundle:
    found = bundle(*texts)
    assert found.faults == ()
    return found


def faults(*texts: str) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in bundle(*texts).faults]


def step(found: Bundle, workflow: str, path: str = "s0") -> Ask:
    primitive = found.workflows[workflow].workflow.nodes[path].primitive
    assert isinstance(primitive, Ask)
    return primitive


def test_a_step_asks_for_the_workflow_at_the_digest_it_was_compiled_with() -> None:
    found = clean(runs("ship", "checks", more=", params: {level: 2}"), CHECKS)

    asked = step(found, "ship")

    assert (asked.channel, asked.target) == (Channel.CHILD, "checks")
    assert asked.child == found.workflows["checks"].digest
    assert [each.name for each in asked.parameters] == ["level", "words"]
    assert asked.timeout is None


def test_only_the_time_limit_of_the_step_itself_counts() -> None:
    with_defaults = runs("ship", "below") + "defaults: {timeout: 5m}\n"
    own = runs("strict", "below", more=", timeout: 90s")

    found = clean(with_defaults, own, runs("below"))

    assert step(found, "ship").timeout is None
    assert step(found, "strict").timeout == 90_000


def test_a_change_below_changes_the_digest_of_everything_above() -> None:
    above = (runs("top", "middle"), runs("middle", "bottom"))
    before = clean(*above, runs("bottom"))
    after = clean(*above, runs("bottom").replace("worker", "editor"))

    digests = [
        {name: one.digest for name, one in each.workflows.items()} for each in (before, after)
    ]

    assert all(digests[0][name] != digests[1][name] for name in ("top", "middle", "bottom"))


def test_a_workflow_that_runs_none_keeps_its_document() -> None:
    [found] = clean(runs("alone")).workflows.values()

    assert set(json.loads(found.document)) == {"format", "personas", "workflow"}


def test_the_document_of_a_workflow_holds_those_that_it_runs_each_once() -> None:
    found = clean(
        runs("top", "left", "right"),
        runs("left", "bottom"),
        runs("right", "bottom"),
        runs("bottom"),
    )
    top = found.workflows["top"]

    held = json.loads(top.document)

    assert sorted(held["children"]) == ["left", "right"]
    assert len(held["closure"]) == len(top.children) == 3
    assert all("closure" not in each for each in held["closure"].values())
    assert set(top.documents) == {one.digest for one in found.workflows.values()}
    assert top.documents == {one.digest: one.document for one in found.workflows.values()}


def test_a_chain_of_forks_does_not_grow_beyond_what_it_holds() -> None:
    levels = [f"l{n:02}" for n in range(20)]
    texts = [
        runs(f"{level}{side}", f"{below}a", f"{below}b")
        for level, below in itertools.pairwise(levels)
        for side in "ab"
    ]
    found = clean(*texts, runs("l19a"), runs("l19b"))

    assert len(found.workflows["l00a"].document) < 60_000


def test_a_stored_document_gives_the_workflow_and_those_below_again() -> None:
    found = clean(
        runs("top", "middle"),
        runs("middle", "checks", more=", params: {level: 1}"),
        CHECKS,
    ).workflows["top"]

    loaded, personas = load_document(found.digest, found.document, step_types=TYPES)

    assert loaded == found.workflow
    assert set(loaded.children) == set(found.children)
    assert sorted(personas) == ["run", "worker"]
    assert found.personas == ("tester", "worker")


def test_a_stored_document_whose_child_was_changed_is_refused() -> None:
    found = clean(runs("top", "below"), runs("below")).workflows["top"]
    forged = json.loads(found.document)
    [child] = forged["closure"].values()
    child["workflow"]["name"] = "other"
    text = json.dumps(forged).encode()

    with pytest.raises(TamperedDefinitionError):
        load_document(found.digest, text, step_types=TYPES)


def test_every_document_that_a_run_may_need_loads_by_itself() -> None:
    found = clean(runs("top", "middle"), runs("middle", "bottom"), runs("bottom"))

    for digest, text in found.workflows["top"].documents.items():
        assert load_document(Digest(digest), text, step_types=TYPES)[0].digest == digest


def test_a_workflow_needs_the_repository_where_one_that_it_runs_does() -> None:
    merges = (
        'name: merge\nversion: "1.0.0"\n'
        "steps: [{id: m, type: git-operation, operation: finalize}]\n"
    )
    found = clean(runs("top", "merge"), merges, runs("other"))

    top, other = (found.workflows[name].workflow for name in ("top", "other"))
    assert (top.uses_files, top.merges) == (True, True)
    assert (other.uses_files, other.merges) == (False, False)


# Faults


def test_an_unknown_workflow_is_a_fault_with_the_near_miss() -> None:
    [fault] = bundle(runs("ship", "chekcs"), CHECKS).faults

    assert (fault.rule, fault.message) == ("WF100", 'there is no workflow "chekcs"')
    assert fault.hint == 'Did you mean "checks"?'


def test_a_workflow_whose_file_has_faults_is_not_run() -> None:
    found = bundle(runs("ship", "below"), runs("below").replace("worker", "wroker"))

    assert [(each.rule, each.hint) for each in found.faults if each.rule == "WF100"] == [
        ("WF100", "Correct that file first.")
    ]
    assert found.workflows == {}


@pytest.mark.parametrize("broken", ["name: [below\n", "[]"])
def test_a_file_that_cannot_be_read_is_known_by_the_name_of_the_file(broken: str) -> None:
    files = {"workflows/ship.yml": runs("ship", "below"), "workflows/below.yml": broken}
    found = compile_bundle({**PERSONA_FILES, **files}, step_types=TYPES)

    assert 'the workflow "below" has faults' in [each.message for each in found.faults]


@pytest.mark.parametrize(
    ("texts", "ways"),
    [
        ([runs("a", "a")], ['"a" runs "a"']),
        ([runs("a", "b"), runs("b", "a")], ['"a" runs "b" runs "a"', '"b" runs "a" runs "b"']),
        (
            [runs("a", "b"), runs("b", "c"), runs("c", "a")],
            [
                '"a" runs "b" runs "c" runs "a"',
                '"b" runs "c" runs "a" runs "b"',
                '"c" runs "a" runs "b" runs "c"',
            ],
        ),
    ],
)
def test_workflows_that_run_each_other_in_a_circle_are_faults_that_name_it(
    texts: list[str], ways: list[str]
) -> None:
    assert faults(*texts) == [("WF101", way) for way in ways]


def test_a_workflow_above_a_circle_is_told_to_wait_for_its_correction() -> None:
    found = faults(runs("top", "a"), runs("a", "b"), runs("b", "a"), runs("fine"))

    assert found[0] == ("WF100", 'the workflow "a" has faults')
    assert [rule for rule, _ in found] == ["WF100", "WF101", "WF101"]


def test_more_than_twenty_inside_each_other_are_a_fault() -> None:
    chain = [runs(f"w{n}", f"w{n + 1}") for n in range(21)]

    assert faults(*chain[1:], runs("w21")) == []
    assert faults(*chain, runs("w21")) == [
        ("WF101", '"w1" runs workflows inside each other 21 deep already')
    ]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("{}", 'checks needs the parameter "level" (integer)'),
        ("{level: null}", 'checks needs the parameter "level" (integer)'),
        ("{level: 1, lvel: 2}", 'checks has no parameter "lvel"'),
        ("{level: high}", '"level" has to be an integer, not "high"'),
        ('{level: "3"}', '"level" has to be an integer, not "3"'),
        ("{level: 1, words: {}}", '"words" has to be a list, not a mapping'),
    ],
)
def test_params_that_cannot_fit_are_faults_when_the_file_is_read(params: str, told: str) -> None:
    assert faults(runs("ship", "checks", more=f", params: {params}"), CHECKS) == [("WF102", told)]


@pytest.mark.parametrize(
    "params", ['{level: "{{ task.n }}"}', '{level: 1, words: ["{{ task.id }}"]}', "{level: 1}"]
)
def test_what_a_template_gives_is_left_to_the_run(params: str) -> None:
    assert faults(runs("ship", "checks", more=f", params: {params}"), CHECKS) == []


def test_a_broken_template_in_the_params_is_told_once() -> None:
    found: Any = faults(runs("ship", "checks", more=', params: {level: "{{ task. }}"}'), CHECKS)

    assert [rule for rule, _ in found] == ["WF051"]


def test_limits_for_git_on_such_a_step_have_no_effect() -> None:
    [(rule, message)] = faults(runs("ship", "below", more=", git: {push: false}"), runs("below"))

    assert rule == "WF039"
    assert message.startswith('"git" has no effect on a step of type workflow')


def test_the_outputs_of_a_workflow_that_is_run_are_held_to_a_schema_of_the_step() -> None:
    closed = "{properties: {n: {}}, additionalProperties: false}"
    schema = f", params: {{level: 1}}, result_schema: {closed}"
    text = runs("main", "checks", more=schema)
    read = '  - {id: last, persona: worker, params: {x: "{{ s0.KEY }}"}}\n'

    clean(CHECKS, text + read.replace("KEY", "n"))
    [fault] = bundle(CHECKS, text + read.replace("KEY", "m")).faults

    assert fault.rule == "WF085"
