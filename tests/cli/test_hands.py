"""The commands by which people take a run into their own hands, against a real coordinator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Shell, until

pytestmark = pytest.mark.xdist_group("cli-live")

HANDS = """\
name: hands
version: "1.0.0"
steps:
  - {id: greet, type: persona-request, persona: greeter, params: {who: x}, review: true}
  - {id: left, type: persona-request, persona: greeter, params: {who: x}, dependencies: [greet]}
  - {id: go, type: human, gate: pass, dependencies: [greet]}
  - id: note
    type: set
    values: {said: "{{ state.region | default('none') }}"}
    dependencies: [go]
outputs: {said: "{{ state.said }}", greeting: "{{ steps.greet.result.output }}"}
"""


def _nodes(live: Shell, run: str) -> dict[str, str]:
    return {node["path"]: node["status"] for node in _shown(live, run)["nodes"]}


def _shown(live: Shell, run: str) -> Any:
    return live("runs", "show", run, "-o", "json").json


@pytest.fixture(scope="module")
def hands(live: Shell) -> Shell:
    """The project with a workflow to take into one's hands."""
    live.write("workflows/hands.yml", HANDS)
    until(lambda: "hands" in live("workflows", "list", "-o", "name").out)
    return live


def test_a_run_is_held_let_go_reviewed_patched_skipped_and_begun_again(hands: Shell) -> None:
    held = hands("run", "hands", "--advance", "manual", "--wait", "--no-input", "--timeout", "50s")
    assert held.code == 8
    run = held.out.split()[0]
    assert f"held: coordinator runs continue {run} greet" in held.err
    assert _nodes(hands, run)["greet"] == "ready"
    [wait] = hands("runs", "why", run, "-o", "json").json["waiting_on"][:1]
    assert (wait["kind"], f"runs continue {run} greet" in wait["detail"]) == ("held", True)

    assert hands("runs", "continue", run, "greet").code == 0
    until(lambda: _nodes(hands, run)["greet"] == "awaiting_review")
    assert "to review: greet" in hands("runs", "show", run).out
    [row] = [one for one in hands("inbox", "list", "-o", "json").json if one["run"] == run]
    assert (row["kind"], row["answers"]) == ("review", ["continue", "retry", "reject"])
    answer = hands("inbox", "answer", run, "greet", "retry", 'params={"who": "y"}', "prompt=loud")
    assert answer.code == 0
    until(lambda: _shown(hands, run)["nodes"][0]["attempts"] == 2)
    until(lambda: _nodes(hands, run)["greet"] == "awaiting_review")
    assert hands("runs", "continue", run, "greet", "--by", "ann").code == 0

    assert hands("runs", "skip", run, "left", "--comment", "not now", "--by", "ann").code == 0
    assert _shown(hands, run)["nodes"][1]["reason"] == "skipped by ann: not now"
    assert hands("runs", "advance", run, "auto").code == 0
    until(lambda: _nodes(hands, run)["go"] == "waiting")
    assert hands("inbox", "answer", run, "go", "reject").code == 0
    assert hands("runs", "watch", run).code == 3

    assert hands("runs", "patch", run, "region=eu").code == 6, "the run has ended"
    again = hands("runs", "retry", run)
    assert (again.code, again.err) == (0, f"retry was sent to run {run}\n")
    assert hands("runs", "patch", run, "region=eu").code == 0
    assert hands("inbox", "answer", run, "go", "approve").code == 0
    assert hands("runs", "watch", run).code == 0
    shown = _shown(hands, run)
    assert (shown["round"], shown["outputs"]) == (2, {"said": "eu", "greeting": "hello y\n"})
    assert _nodes(hands, run)["left"] == "skipped"


def test_a_retry_can_be_followed_to_its_end(hands: Shell) -> None:
    run = hands("run", "hello", "--wait").out.split()[0]
    done = hands("runs", "retry", run, "greet", "--param", "who=z", "--watch")
    assert done.code == 0
    moves = [line.split(" ", 3)[1:3] for line in done.out.splitlines()]
    assert moves[0] == ["greet", "pending"]
    assert moves[-1] == ["run", "succeeded"]
    assert _shown(hands, run)["outputs"] == {"greeting": "hello z\n"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["retry"], 6, "name the node that is to run again"),
        (["retry", "nobody"], 5, "the run has no node 'nobody'"),
        (["retry", "greet", "--param", "x"], 2, "K=V"),
        (["skip", "greet"], 6, "has ended already (succeeded)"),
        (["continue"], 6, "has ended already (succeeded)"),
        (["advance", "manual"], 6, "has ended already (succeeded)"),
        (["advance", "sideways"], 2, "sideways"),
    ],
)
def test_what_cannot_apply_is_told_at_once(
    hands: Shell, words: list[str], code: int, said: str
) -> None:
    run = hands("run", "hello", "--wait").out.split()[0]
    done = hands("runs", words[0], run, *words[1:])
    assert done.code == code
    assert said in done.err


def test_values_of_the_state_have_names(hands: Shell) -> None:
    run = hands("run", "gate", "--detach").out.strip()
    until(lambda: run in hands("inbox", "list", "-o", "name").out)
    assert hands("runs", "patch", run, "a b=1").code == 2
    assert hands("runs", "patch", run, "n:=[1]").code == 0
    late = hands("runs", "continue", run, "greet")
    assert (late.code, "too late: greet is succeeded" in late.err) == (6, True)
    hands("runs", "terminate", run)
