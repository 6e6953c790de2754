"""The commands that look at runs and steer them, against a real coordinator."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import Any

import pytest

from tests.cli.conftest import PROGRAM, Shell, until

pytestmark = pytest.mark.xdist_group("cli-live")
RFC3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


SIGNALS = """\
name: signals
version: "1.0.0"
steps:
  - {id: pause, type: wait, for: 100ms}
  - {id: go, type: wait, signal: deploy, dependencies: [pause]}
outputs: {by: "{{ steps.go.by }}", values: "{{ steps.go.result['values'] }}"}
"""


def _at_gate(live: Shell) -> str:
    """A run that waits for a human."""
    run = live("run", "gate", "--detach").out.strip()
    until(lambda: run in live("inbox", "list", "-o", "name").out)
    return run


def _nodes(shown: Any) -> dict[str, str]:
    return {node["path"]: node["status"] for node in shown["nodes"]}


def test_a_run_is_followed_in_plain_lines_in_a_pipe(live: Shell) -> None:
    done = live.program("run", "hello", "who=ann")
    assert done.code == 0
    lines = [line.split(" ", 3) for line in done.out.splitlines()]
    moves = [line[1:3] for line in lines]
    assert moves[0] == ["greet", "running"]
    assert ["check", "succeeded"] in moves
    assert moves[-1] == ["run", "succeeded"]
    assert done.err.startswith("run ")


def test_the_json_of_a_run_has_its_shape(live: Shell) -> None:
    done = live.program("run", "hello", "who=bob", "--title", "greet bob", "-o", "json")
    assert done.code == 0
    shown = done.json
    assert shown.keys() >= {
        "id", "workflow", "version", "digest", "revision", "status", "task", "created_at",
        "ended_at", "nodes", "outputs", "error",
    }  # fmt: skip
    assert shown["task"]["title"] == "greet bob"
    assert shown["outputs"] == {"greeting": "hello bob\n"}
    for node in shown["nodes"]:
        assert node.keys() >= {
            "path", "type", "persona", "status", "verdict", "attempts", "started_at", "ended_at",
            "error", "reason",
        }  # fmt: skip
    assert live.program("runs", "show", shown["id"][:24], "-o", "json").json == shown


def test_wait_prints_the_end_alone_and_detach_the_id_alone(live: Shell) -> None:
    waited = live.program("run", "hello", "--wait")
    assert waited.out.split()[1:] == ["succeeded"]
    run = live.program("run", "hello", "--detach").out.strip()
    assert live.program("runs", "watch", run).code == 0


def test_runs_are_listed_the_newest_first(live: Shell) -> None:
    first = live("run", "hello", "--wait").out.split()[0]
    second = live("run", "hello", "--wait").out.split()[0]
    names = live("runs", "list", "-o", "name").out.split()
    assert names.index(second) < names.index(first)
    [row] = [row for row in live("runs", "list", "-o", "json").json if row["id"] == first]
    assert (row["status"], row["title"]) == ("succeeded", "hello"), "its task has no title"
    assert first in live("runs", "list").out
    assert first in live("runs", "list", "-o", "yaml").out


def test_watch_and_journal_stream_one_object_per_line(live: Shell) -> None:
    run = live.program("run", "hello", "--wait").out.split()[0]
    watched = [
        json.loads(line)
        for line in live.program("runs", "watch", run, "-o", "json").out.split("\n")[:-1]
    ]
    assert watched[0] | {"path": "greet", "status": "running"} == watched[0]
    assert watched[-1]["status"] == "succeeded"
    entries = [
        json.loads(x)
        for x in live.program("runs", "journal", run, "-o", "json").out.split("\n")[:-1]
    ]
    assert [entry["type"] for entry in entries] == ["started", "replied", "replied"]
    assert entries[0]["moves"] == [{"path": "greet", "status": "running", "attempt": 1}]
    assert "greet succeeded" in live.program("runs", "journal", run).out


def test_a_question_is_answered_through_the_inbox(live: Shell) -> None:
    run = _at_gate(live)
    [row] = [row for row in live("inbox", "list", "-o", "json").json if row["run"] == run]
    assert (row["node"], row["kind"], row["answers"]) == ("release", "human", ["approve", "reject"])
    assert live("inbox", "answer", run, "approve").code == 1, "the form asks for percent"
    assert live("inbox", "answer", run, "release", "approve", "percent=much").code == 1
    assert live("inbox", "answer", run, "retry").code == 2
    assert live("inbox", "answer", run, "elsewhere", "approve").code == 5
    done = live("inbox", "answer", run, "release", "approve", "percent=20", "--by", "ann")
    assert done.code == 0
    assert live("runs", "watch", run).code == 0
    shown = live("runs", "show", run, "-o", "json").json
    assert _nodes(shown) == {
        "greet": "succeeded", "release": "succeeded", "lonely": "skipped", "after": "succeeded",
    }  # fmt: skip
    assert "by ann" in next(n["reason"] for n in shown["nodes"] if n["path"] == "release")
    assert live("inbox", "answer", run, "approve", "percent=1").code == 6


def test_why_names_the_human_and_the_operands(live: Shell) -> None:
    run = _at_gate(live)
    why = live("runs", "why", run, "-o", "json").json
    assert (why["run"], why["status"]) == (run, "waiting")
    assert [(wait["path"], wait["kind"]) for wait in why["waiting_on"]] == [
        ("release", "human"),
        ("after", "dependency"),
    ]
    [lonely] = [one for one in why["ended"] if one["path"] == "lonely"]
    assert lonely["operands"] == {"task.type": "task"}
    assert "task.type = task" in live("runs", "why", run).out
    live("runs", "terminate", run)


def test_a_rejected_run_exits_with_three_and_says_why(live: Shell) -> None:
    run = _at_gate(live)
    assert live.program("inbox", "answer", run, "reject", "--comment", "not today").code == 0
    assert live.program("runs", "watch", run).code == 3
    why = live.program("runs", "why", run)
    assert why.code == 0
    assert "not today" in why.out


def test_a_run_that_waits_on_a_human_when_the_time_is_over_exits_with_eight(live: Shell) -> None:
    done = live("run", "gate", "--wait", "--timeout", "2s", "-o", "json")
    assert done.code == 8
    assert done.json["status"] == "waiting"
    at_once = live("run", "gate", "--wait", "--no-input", "--timeout", "50s")
    assert at_once.code == 8
    for run in (done.json["id"], at_once.out.split()[0]):
        assert live("runs", "cancel", run, "--reason", "tidy").code == 0
        assert live("runs", "watch", run).code == 3


def test_a_signal_from_the_command_line_lets_a_run_go_on(live: Shell) -> None:
    live.write("workflows/signals.yml", SIGNALS)
    until(lambda: "signals" in live("workflows", "list", "-o", "name").out)
    waiting = live("run", "signals", "--wait", "--no-input", "--timeout", "50s")
    assert waiting.code == 8
    run = waiting.out.split()[0]
    assert f"waits for a signal: coordinator runs signal {run} deploy" in waiting.err
    [wait] = live("runs", "why", run, "-o", "json").json["waiting_on"]
    assert (wait["path"], wait["kind"]) == ("go", "signal")
    assert live("inbox", "list", "-o", "name").out == ""

    assert live("runs", "signal", "0zzz", "deploy").code == 5
    unknown = live("runs", "signal", run, "deplox")
    assert (unknown.code, "it waits for: deploy" in unknown.err) == (5, True)
    assert live("runs", "signal", run, "deploy", "n:={").code == 2
    assert live("runs", "signal", run, "deploy", "n").code == 2
    sent = live("runs", "signal", run, "deploy", "version=1.2", "n:=[20]", "--by", "ann")
    assert (sent.code, sent.err) == (0, f"signal deploy was sent to run {run}\n")
    assert live("runs", "watch", run).code == 0

    shown = live("runs", "show", run, "-o", "json").json
    assert shown["outputs"] == {"by": "ann", "values": {"version": "1.2", "n": [20]}}
    assert "deploy ann" in live("runs", "journal", run).out
    late = live("runs", "signal", run, "deploy")
    assert (late.code, "has ended already" in late.err) == (6, True)


def test_a_run_that_is_not_done_in_time_exits_with_124(live: Shell) -> None:
    live.write(
        "workflows/slow.yml", 'name: slow\nversion: "1.0.0"\nsteps: [{id: a, run: [sleep, "60"]}]\n'
    )
    until(lambda: "slow" in live("workflows", "list", "-o", "name").out)
    done = live("run", "slow", "--timeout", "1s")
    assert done.code == 124
    run = done.err.split()[1]
    assert live("runs", "pause", run).code == 0
    paused = until(lambda: live("runs", "show", run, "-o", "json").json["status"] == "paused")
    assert paused
    assert "paused" in live("runs", "why", run).out
    assert live("runs", "resume", run).code == 0
    assert live("runs", "terminate", run).code == 0
    assert live("runs", "watch", run).code == 3
    assert live("runs", "cancel", run).code == 6, "it has ended"


def test_a_file_is_run_as_it_is_without_being_active(live: Shell) -> None:
    live.write("apart.yml", 'name: apart\nversion: "1.0.0"\nsteps: [{id: a, run: [echo, hi]}]\n')
    done = live("run", "./apart.yml", "--wait")
    assert done.code == 0, done.err
    assert "apart" not in live("workflows", "list", "-o", "name").out


def test_the_rules_choose_where_auto_is_asked(live: Shell) -> None:
    task = json.dumps({"type": "greeting", "title": "hi"})
    done = live("run", "auto", "--task", "-", "-o", "json", input=task)
    assert (done.code, done.json["workflow"]) == (0, "hello")


def test_the_same_key_never_starts_a_second_run(live: Shell) -> None:
    submit = ("submit", "--workflow", "hello", "--task", "-", "--idempotency-key", "once")
    first = live(*submit, input="{}").out.strip()
    assert live(*submit, "-o", "json", input="{}").json == {"id": first}
    assert live("runs", "watch", first).code == 0


def test_a_file_whose_persona_nobody_serves_is_run_with_a_warning(live: Shell) -> None:
    live.write(
        "orphan.yml",
        'name: orphan\nversion: "1.0.0"\nsteps:\n'
        "  - {id: a, type: persona-request, persona: nobody}\n",
    )
    done = live("run", "orphan.yml", "--timeout", "1s", COORDINATOR_FOLDERS_PERSONAS="none")
    assert done.code == 124
    assert "warning: no worker serves nobody: coordinator worker --persona nobody" in done.err
    run = done.err.split("run ")[-1].split()[0]
    assert "no worker serves nobody" in live("runs", "why", run).out
    assert live("runs", "terminate", run).code == 0


def test_a_refused_task_is_told_and_becomes_a_dead_letter(live: Shell) -> None:
    done = live("run", "hello", "nobody=1")
    assert done.code == 1
    assert 'no parameter "nobody"' in done.err
    letters = live("dead", "list", "-o", "json").json
    assert letters[0].keys() >= {"id", "stream", "at", "reason", "fields"}
    assert "nobody" in live("dead", "show", letters[0]["id"]).out
    assert live("dead", "replay", letters[0]["id"]).code == 0
    until(lambda: live("dead", "list", "-o", "json").json[0]["id"] != letters[0]["id"])
    assert live("dead", "show", "1-1").code == 5
    assert live("dead", "replay").code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["runs", "show", "nope"], 5),
        (["runs", "why", "zzzz"], 5),
        (["runs", "watch", "*"], 5),
        (["runs", "cancel", ""], 5),
        (["run", "nowhere"], 5),
        (["workflows", "show", "nope"], 5),
        (["personas", "show", "nope"], 5),
        (["inbox", "answer", "zzz", "approve"], 5),
        (["inbox", "answer", "zzz", "maybe"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_exist_exits_with_five(arguments: list[str], code: int, live: Shell) -> None:
    done = live(*arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")


def test_a_beginning_that_several_runs_share_is_refused(live: Shell) -> None:
    live("run", "hello", "--wait")
    live("run", "hello", "--wait")
    done = live("runs", "show", "0")
    assert done.code == 2
    assert "several runs" in done.err


@pytest.mark.parametrize("text", ["not json", "[]", "3", '{"a":', ""])
def test_a_task_that_is_no_json_object_is_refused(text: str, live: Shell) -> None:
    for arguments in (("submit", "--task", "-"), ("run", "hello", "--task", "-")):
        done = live(*arguments, input=text)
        assert (done.code, done.out) == (1, "")
        assert "stdin" in done.err


def test_the_catalogue_shows_what_is_active_and_who_serves_it(live: Shell) -> None:
    shown = live("workflows", "show", "hello", "-o", "json").json
    assert shown["params"][0]["name"] == "who"
    assert shown["personas"] == ["checker", "greeter"]
    assert shown["source"].startswith("dir:")
    greeter = live("personas", "show", "greeter", "-o", "json").json
    assert greeter["kind"] == "command"
    assert len(greeter["workers"]) == 1
    assert "greeter" in live("personas", "list").out
    here = live("workflows", "show", "hello", "--here", "-o", "json").json
    assert here["digest"] == shown["digest"]


def test_the_doctor_finds_nothing_that_fails(live: Shell) -> None:
    done = live("doctor", "-o", "json")
    found = {one["what"]: one["status"] for one in done.json}
    assert done.code == 0
    assert {found[key] for key in ("git", "redis", "persistence", "coordinators")} == {"ok"}
    assert live("doctor").out.startswith("ok    git: ")


def test_a_terminal_gets_a_tree_and_no_colour_where_none_is_wanted(live: Shell) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [PROGRAM, "run", "hello"],
        cwd=live.folder,
        env={**live.environment, "TERM": "xterm", "NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while chunk := _read(ours):
        seen += chunk
    assert running.wait(timeout=30) == 0
    text = seen.decode()
    assert "├── ✓ greet" in text
    assert "└── ✓ check" in text
    assert "\x1b[32m" not in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""
