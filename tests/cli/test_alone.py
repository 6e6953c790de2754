"""Without a coordinator: what is said then, and `run --local`, which brings its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from tests.cli.conftest import GATE, NOWHERE, PROGRAM, Shell, until


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list"],
        ["runs", "show", "x"],
        ["run", "hello"],
        ["submit", "--task", "task.json"],
        ["inbox", "list"],
        ["dead", "list"],
        ["workflows", "list"],
        ["daemon"],
        ["worker", "--persona", "x"],
    ],
    ids=" ".join,
)
def test_a_redis_that_is_down_is_named_with_what_to_do(arguments: list[str], shell: Shell) -> None:
    shell.write("task.json", "{}")
    done = shell(*arguments)
    assert (done.code, done.out) == (1, "")
    assert "127.0.0.1:1 is not available" in done.err
    assert "--redis" in done.err
    assert "Traceback" not in done.err


def test_the_doctor_fails_where_redis_does(shell: Shell) -> None:
    done = shell("doctor")
    assert done.code == 1
    assert re.search(r"^fail  redis: .*\n +-> start it", done.out, re.MULTILINE)


def test_the_doctor_fails_where_the_source_is_missing(shell: Shell) -> None:
    done = shell("doctor", "-o", "json", COORDINATOR_SOURCE_URL=str(shell.folder / "none.git"))
    [source] = [one for one in done.json if one["what"] == "source"]
    assert (done.code, source["status"]) == (1, "fail")
    assert source["advice"]


def test_without_a_server_the_catalogue_is_that_of_the_files(shell: Shell) -> None:
    shell("init")
    done = shell("workflows", "list", "-o", "name", "--redis", NOWHERE)
    assert (done.code, done.out) == (0, "hello\n")
    assert "warning" in done.err
    assert shell("personas", "list", "-o", "name", "--here").out.split() == ["checker", "greeter"]


def test_without_a_coordinator_run_says_so_at_once(shell: Shell) -> None:
    shell("init")
    done = shell("run", "hello", "--redis", "embedded")
    assert (done.code, done.out) == (1, "")
    assert "no coordinator runs on embedded: start `coordinator dev`, or add --local" in done.err


def test_a_submitted_task_waits_for_a_coordinator(shell: Shell) -> None:
    done = shell("submit", "--task", "-", "--redis", "embedded", input="{}")
    assert done.code == 0
    assert re.fullmatch(r"[0-9a-z]{26}\n", done.out)
    assert "no coordinator runs" in done.err


def test_the_starter_project_runs_with_nothing_else(shell: Shell) -> None:
    shell("init")
    done = shell.program("run", "hello", "who=ann", "--local", "-o", "json")
    assert done.code == 0, done.err
    assert done.json["outputs"] == {"greeting": "hello ann\n"}
    run = done.json["id"]
    shown = shell("runs", "show", run, "-o", "json", "--redis", "embedded").json
    assert shown["status"] == "succeeded", "it can be looked at afterwards"


def test_auto_chooses_among_the_files_here(shell: Shell) -> None:
    shell("init")
    task = json.dumps({"type": "greeting"})
    done = shell.program("run", "auto", "--local", "--task", "-", "-o", "json", input=task)
    assert (done.code, done.json["workflow"]) == (0, "hello")


def test_whoever_stops_reading_a_run_causes_no_error(shell: Shell) -> None:
    shell("init")
    pipe = f"{PROGRAM} run hello --local | head -n 1"
    done = subprocess.run(
        ["sh", "-c", pipe], capture_output=True, cwd=shell.folder, env=shell.environment, check=True
    )
    assert b"greet running" in done.stdout
    assert b"error" not in done.stderr


def test_a_program_that_does_not_exist_fails_the_run(shell: Shell) -> None:
    shell.write("x.yml", 'name: x\nversion: "1.0.0"\nsteps: [{id: a, run: [no-such-program]}]\n')
    done = shell.program("run", "x.yml", "--local")
    assert done.code == 3
    assert "a failed" in done.out
    assert "runs why" in done.err


def test_a_workflow_with_faults_is_not_run(shell: Shell) -> None:
    shell.write("x.yml", "name: x\nsteps: [{id: a, dependencies: [b]}]\n")
    done = shell("run", "x.yml", "--local")
    assert (done.code, done.out) == (1, "")
    assert "x.yml:2:" in done.err


def test_a_wrong_parameter_is_told_before_anything_starts(shell: Shell) -> None:
    shell("init")
    done = shell("run", "hello", "woh=ann", "--local")
    assert done.code == 1
    assert 'did you mean "who"?' in done.err
    assert not (shell.folder / ".coordinator").exists()


def test_a_human_answers_a_local_run_from_another_terminal(shell: Shell) -> None:
    shell("init")
    shell.write("workflows/gate.yml", GATE)
    log = shell.folder / "run.log"
    running = shell.start("run", "gate", "--local", log=log)
    try:
        until(lambda: "waits on a human" in log.read_text())
        [row] = shell("inbox", "list", "-o", "json", "--redis", "embedded").json
        answer = ("inbox", "answer", row["run"], "approve", "percent=1", "--redis", "embedded")
        assert shell(*answer).code == 0
        assert running.wait(timeout=20) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_local_run_that_is_ended_exits_with_130_and_leaves_no_server(
    number: signal.Signals, shell: Shell
) -> None:
    shell.write("x.yml", 'name: x\nversion: "1.0.0"\nsteps: [{id: a, run: [sleep, "60"]}]\n')
    log = shell.folder / "run.log"
    running = shell.start("run", "x.yml", "--local", log=log)
    until(lambda: "a running" in log.read_text())
    running.send_signal(number)
    assert running.wait(timeout=30) == 130, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not (shell.folder / ".coordinator" / "bus" / "bus.sock").exists()


def test_the_daemon_and_a_worker_end_when_told_to(shell: Shell) -> None:
    shell("init")
    embedded = Shell(shell.folder, COORDINATOR_INSTANCE="one")
    logs = [shell.folder / "daemon.log", shell.folder / "worker.log"]
    running = [
        embedded.start("daemon", "--roles", "decide,timers", log=logs[0]),
        embedded.start("worker", "--persona", "greeter", "checker", log=logs[1]),
    ]
    for log in logs:
        until(lambda log=log: "_started" in log.read_text(), 40)
    members = json.loads(embedded.program("doctor", "-o", "json").out)
    assert "one" in next(m["detail"] for m in members if m["what"] == "coordinators")
    for process in running:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=40) for process in running] == [0, 0], logs[0].read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["daemon", "--roles", "sleep"], "--roles takes"),
        (["worker"], "name the personas"),
        (["dev", "--dir", "nowhere"], "no such folder"),
        (["run", "x.yml", "--local", "--detach"], "--detach"),
        (["run", "x.yml", "novalue"], "is not K=V"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], told: str, shell: Shell) -> None:
    shell.write("x.yml", 'name: x\nversion: "1.0.0"\nsteps: [{id: a, run: [echo]}]\n')
    done = shell(*arguments)
    assert done.code in (1, 2, 5)
    assert told in done.err


def test_stdin_is_read_to_its_end(shell: Shell) -> None:
    """A task of a size beyond a pipe's buffer."""
    text = json.dumps({"title": "x", "description": "y" * 200_000})
    done = shell.program("submit", "--task", "-", "--redis", "embedded", input=text)
    assert done.code == 0, done.err
