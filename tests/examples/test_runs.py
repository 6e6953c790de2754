"""Every example runs with real programs on a real server, as its first lines say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coordinator.shipped import EXAMPLES, shipped_folder
from tests.cli.conftest import PROGRAM, Shell, until
from tests.examples.definitions import examples

GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org")
TEST = """\
import unittest


class Sums(unittest.TestCase):
    def test_one_and_one(self):
        self.assertEqual(1 + 1, 2)
"""


@dataclass(frozen=True, kw_only=True)
class Real:
    """One real run: what it is given, who answers what, and what comes out."""

    params: tuple[str, ...] = ()
    """`FOLDER` stands for the folder of the run."""
    files: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node -> answer and values, given as soon as the run asks."""
    signals: tuple[str, ...] = ()
    """Sent, after the answers, as soon as the run waits for them."""
    outputs: Mapping[str, object] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    ends: str = "succeeded"
    needs_repository: bool = False


RUNS = {
    "backup-files": Real(
        params=("source=FOLDER/home", "target=FOLDER/backup", 'folders=["docs", "pictures"]'),
        files=dict.fromkeys(("home/docs/a", "home/docs/deep/b", "home/pictures/c"), "text"),
        outputs={"pruned": []},
        nodes={"each-folder[0]/verify": "succeeded", "each-folder[1]/verify": "succeeded"},
    ),
    "data-pipeline": Real(
        params=('sources=["shop", "broken"]',),
        answers={"decide": ("approve", "reason=it is only a typo")},
        outputs={"loaded": 3, "bad": [4]},
        nodes={"refresh": "succeeded"},
    ),
    "daily-standup": Real(
        params=("team=parsers",),
        outputs={
            "report": "Standup of parsers\n- Commits: ann: parser reads dates, bob: faster start\n"
            "- Tickets: T-12 is done, T-15 waits on a review\n- Meetings: planning at 14:00"
        },
    ),
    "deploy-pipeline": Real(
        params=("release=1.4.0", "environment=production", "soak=100ms"),
        answers={"door/approve": ("approve", "ticket=OPS-7", "--by", "ann")},
        signals=("deploy",),
        outputs={"deployed": "1.4.0", "ticket": "OPS-7"},
        nodes={"door/window": "succeeded", "health": "succeeded", "announce": "succeeded"},
    ),
    "email-digest": Real(
        params=("max_messages=2",),
        outputs={
            "email_count": 2,
            "summary": "2 new mails\n- The release is out\n- main is green again",
        },
        nodes={"digest/send": "succeeded"},
    ),
    "git-sync-and-test": Real(
        nodes={"sync": "succeeded", "merge": "succeeded", "check-again": "succeeded"},
        needs_repository=True,
    ),
    "indoor-outdoor": Real(
        params=("city=London",),
        outputs={
            "suggestion": "London: rain, 14 degrees\n- the museum of London\n"
            "- the library of London\n- the climbing hall of London"
        },
        nodes={"search/outdoor-search": "skipped"},
    ),
    "monitor-and-alert": Real(
        params=("interval=100ms", "status_file=FOLDER/status.json"),
        files={"status.json": '{"is_up": false, "latency_ms": 0}'},
        answers={"alert/acknowledge": ("approve", "cause=disk full", "--by", "on-call")},
        outputs={"severity": "critical", "looks": 1, "cause": "disk full"},
        nodes={"alert/page": "succeeded", "alert/mail": "skipped"},
    ),
    "notify": Real(
        params=("to=ann", "text=The parcel is here", "channel=pager"),
        outputs={"to": "ann", "channel": "pager"},
        nodes={"deliver/first-heard/page": "succeeded", "deliver/first-heard/call": "succeeded"},
    ),
    "notify-attendees": Real(
        answers={"look": ("approve", "note=bring cake", "--by", "ann")},
        outputs={"reached": 3},
        nodes={"invite[2]/tell": "succeeded", "complain": "skipped", "remind": "succeeded"},
    ),
    "research-draft-review-publish": Real(
        params=("topic=cheese",),
        answers={
            "approve-text": ("approve", "section=science", "headline=On cheese", "--by", "ann")
        },
        outputs={"url": "https://example.org/on-cheese"},
        nodes={"writing#1/review": "succeeded", "writing#2/review": "succeeded"},
    ),
    "weather-comparison": Real(
        params=('cities=["Tokyo", "Oslo", "Cairo"]',),
        outputs={"warmest": "Cairo", "coldest": "Oslo", "text": "Cairo 33, Tokyo 24, Oslo -2"},
    ),
}

FAILURES = {
    "backup-files": Real(
        params=("source=FOLDER/home", "target=FOLDER/backup", 'folders=["docs", "nowhere"]'),
        files={"home/docs/a": "text"},
        nodes={
            "each-folder[0]/verify": "succeeded",
            "each-folder[0]/pack/undo/unpack": "succeeded",
            "on_failure/alarm": "succeeded",
        },
        ends="failed",
    ),
    "data-pipeline": Real(
        params=('sources=["broken"]', "decision_time=100ms"),
        nodes={"decide": "succeeded", "load": "skipped", "finally/report": "succeeded"},
        ends="stopped",
    ),
    "monitor-and-alert": Real(
        params=("interval=1ms", "status_file=FOLDER/status.json", "acknowledge_within=100ms"),
        files={"status.json": '{"is_up": false, "latency_ms": 0}'},
        nodes={"alert/acknowledge/fallback/wake-boss": "succeeded"},
    ),
    "weather-comparison": Real(
        params=('cities=["Tokyo", "Atlantis"]',),
        nodes={"each-city": "succeeded", "each-city[1]/report": "failed"},
        outputs={"text": "Tokyo 24"},
    ),
}
"""Runs in which something goes wrong."""


def test_every_example_has_its_real_run() -> None:
    assert set(RUNS) == set(examples())


@pytest.mark.parametrize("name", sorted(RUNS))
def test_an_example_does_what_it_says(name: str, shell: Shell) -> None:
    _run(name, RUNS[name], shell)


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_an_example_does_what_it_says_where_something_goes_wrong(name: str, shell: Shell) -> None:
    _run(name, FAILURES[name], shell)
    assert not list(shell.folder.rglob("*.tar.gz")), "a backup that failed leaves no archive"


def _run(name: str, real: Real, shell: Shell) -> None:
    path = str(shipped_folder() / EXAMPLES / f"{name}.yml")
    for file, text in real.files.items():
        shell.write(file, text)
    params = [one.replace("FOLDER", str(shell.folder)) for one in real.params]
    repository = _repository(shell.folder) if real.needs_repository else ()
    shown = _ended(shell, ("run", path, *params, *repository, "--local", "-o", "json"), real)
    assert shown["status"] == real.ends, shown["error"]
    nodes = {node["path"]: node["status"] for node in shown["nodes"]}
    assert nodes == nodes | real.nodes
    assert shown["outputs"] == (shown["outputs"] or {}) | real.outputs


def _ended(shell: Shell, command: tuple[str, ...], real: Real) -> dict[str, Any]:
    if not real.answers and not real.signals:
        done = shell(*command)
        assert done.code == (0 if real.ends == "succeeded" else 3), done.err
        return dict(done.json)
    log, out = shell.folder / "run.log", shell.folder / "run.json"
    with log.open("wb") as errors, out.open("wb") as data:
        running = subprocess.Popen(
            [PROGRAM, *command],
            cwd=shell.folder,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
            stdout=data,
            stderr=errors,
        )
    try:
        _answer(shell, real, log)
        assert running.wait(timeout=60) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()
    return dict(json.loads(out.read_text()))


def _answer(shell: Shell, real: Real, log: Path) -> None:
    for node, said in real.answers.items():
        run = _asked(log, f" {node} ANSWER", "inbox answer ")
        done = shell("inbox", "answer", run, node, *said, "--redis", "embedded")
        assert done.code == 0, done.err
    for name in real.signals:
        run = _asked(log, f" {name}", "runs signal ")
        assert shell("runs", "signal", run, name, "--redis", "embedded").code == 0


def _asked(log: Path, end: str, command: str) -> str:
    """The id of the run that told how to answer it, once it has."""

    def told() -> list[str]:
        lines = log.read_text().splitlines()
        return [line for line in lines if line.endswith(end) and command in line]

    line: str = until(told)[0]
    return line.partition(command)[2].split()[0]


def _repository(folder: Path) -> tuple[str, str]:
    """A bare repository with a branch behind its base."""
    source, bare = folder / "source", folder / "copy.git"
    subprocess.run(["git", "init", "-q", "-b", "main", str(source)], check=True)
    (source / "test_sums.py").write_text(TEST)
    for step in (("add", "."), ("commit", "-q", "-m", "first"), ("branch", "next")):
        subprocess.run([*GIT, *step], cwd=source, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "more"], cwd=source, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(bare)], check=True)
    return "--repo", str(bare)
