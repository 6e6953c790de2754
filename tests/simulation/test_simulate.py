"""The real decider on a virtual clock."""

from __future__ import annotations

import json

import pytest

from coordinator.core.report import rows
from coordinator.simulation import Script, ScriptError, simulate
from tests.core.build import ask, human, parallel, repeat, wait, workflow

LOOP = workflow(
    ask("plan"),
    repeat(
        "build",
        "plan",
        steps=[ask("fix"), ask("qa", "fix", retry={"max_attempts": 2})],
        until="state.qa_status == 'pass'",
        most=3,
    ),
    ask("merge", "build"),
)


def test_without_replies_everything_passes_at_once() -> None:
    told = simulate(LOOP)

    assert (told.status, told.virtual_ms) == ("succeeded", 0)
    assert [request.path for request in told.requests] == [
        "plan",
        "build#1/fix",
        "build#1/qa",
        "merge",
    ]


def test_a_timeout_without_a_time_is_silence_until_the_time_limit() -> None:
    script = Script.read({"build#1/qa": [{"error": "timeout"}, {"verdict": "pass", "after": "5m"}]})

    told = simulate(LOOP, script=script)

    assert told.status == "succeeded"
    assert 3_600_000 + 300_000 <= told.virtual_ms <= 3_600_000 + 300_000 + 1_250


def test_a_star_crosses_slashes_and_brackets_are_literal() -> None:
    script = Script.read({"build#1*": {"verdict": "fail"}})

    told = simulate(LOOP, script=script)

    verdicts = {row.path: row.verdict for row in rows(LOOP, told.state)}
    assert (verdicts["build#1/qa"], verdicts["build#2/qa"]) == ("fail", "pass")


def test_humans_are_answered_only_by_signals_and_a_run_that_cannot_move_waits() -> None:
    definition = workflow(human("release", gate="pass"), ask("merge", "release"))
    script = Script.read({"*": {"verdict": "pass"}})

    assert simulate(definition, script=script).status == "waiting"
    signalled = Script.read(None, [{"at": "10m", "approve": "release", "by": "ann"}])
    told = simulate(definition, script=signalled)
    assert (told.status, told.virtual_ms) == ("succeeded", 600_000)


def test_waits_take_virtual_time_and_signals_come_when_the_script_says() -> None:
    definition = workflow(
        wait("pause", duration=300_000),
        wait("go", "pause", signal="go"),
        wait("limited", "go", signal="go", timeout=60_000, on_error="continue"),
        outputs={"by": "{{ steps.go.by }}", "n": "{{ steps.go.values.n }}"},
    )
    early = {"at": "1m", "signal": "go", "by": "ann", "values": {"n": 7}}
    late = {"at": "20m", "signal": "go"}

    told = simulate(definition, script=Script.read({}, [early, late, {"signal": "gone"}]))

    assert (told.status, told.virtual_ms) == ("succeeded", 360_000)
    assert told.state.record.outputs == {"by": "ann", "n": 7}
    assert told.state.nodes["limited"].status == "failed"
    assert [text.partition(";")[0] for text in told.refusals] == [
        "no step waits for a signal 'gone'"
    ]


def test_a_run_whose_signal_never_comes_waits() -> None:
    definition = workflow(wait("pause", duration=60_000), wait("go", "pause", signal="go"))

    told = simulate(definition)

    assert (told.status, told.virtual_ms) == ("waiting", 60_000)


def test_the_same_seed_gives_the_same_simulation_and_another_gives_other_pauses() -> None:
    def told(seed: int) -> str:
        script = Script.read({"build#1/qa": [{"error": "persona_error"}]}, seed=seed)
        return json.dumps(simulate(LOOP, script=script).to_json())

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_steps_that_were_never_reached_are_listed_as_skipped() -> None:
    definition = workflow(
        ask("qa"),
        parallel("reviews", "qa", steps=[ask("code")], condition="steps.qa.verdict == 'pass'"),
    )

    told = simulate(definition, script=Script.read({"qa": {"verdict": "fail"}}))

    assert {row.path: row.status for row in rows(definition, told.state)} == {
        "qa": "succeeded",
        "reviews": "skipped",
        "reviews/code": "skipped",
    }


@pytest.mark.parametrize(
    ("replies", "signals", "told"),
    [
        ({"a": {"verdct": "pass"}}, None, "unknown key 'verdct'"),
        ({"a": "pass"}, None, "a reply is a mapping"),
        ({"a": {"error": "oops"}}, None, "no error class"),
        ({"a": {"after": "soon"}}, None, "not a duration"),
        (None, [{"at": "1m"}], "name one of approve"),
        (None, [{"signal": "go", "approve": "x"}], "name one of approve"),
        (None, {"approve": "x"}, "signals has to be a list"),
    ],
)
def test_a_script_with_a_mistake_is_refused_with_its_place(
    replies: object, signals: object, told: str
) -> None:
    with pytest.raises(ScriptError, match=told):
        Script.read(replies, signals)
