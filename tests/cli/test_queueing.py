"""Runs that wait for their concurrency key, as the command line shows and ends them."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell, until

pytestmark = pytest.mark.xdist_group("cli-live")

ALONE = """\
name: alone
version: "1.0.0"
concurrency: {key: "site {{ task.title }}", on_conflict: queue}
steps:
  - {id: sign, type: human, gate: pass}
"""


def test_a_run_in_the_queue_says_what_it_waits_for_and_can_be_cancelled(live: Shell) -> None:
    live.write("workflows/alone.yml", ALONE)
    until(lambda: "alone" in live("workflows", "list", "-o", "name").out)
    first, second, third = (
        live("run", "alone", "--title", "north", "--detach").out.strip() for _ in range(3)
    )
    until(lambda: first in live("inbox", "list", "-o", "name").out)
    until(lambda: third in live("runs", "list", "-o", "name").out)

    listed = {run["id"]: run for run in live("runs", "list", "-o", "json").json}
    assert [listed[run]["status"] for run in (first, second, third)] == [
        "waiting",
        "pending",
        "pending",
    ]
    assert {listed[run]["concurrency"] for run in (first, second, third)} == {"site north"}
    why = live("runs", "why", third, "-o", "json").json
    assert why["status"] == "pending"
    [wait] = why["waiting_on"]
    assert (wait["path"], wait["kind"]) == ("", "concurrency")
    assert wait["detail"] == (
        f"it needs site north, which {first} holds; it is number 2 of 2 in the queue"
    )
    assert "number 1 of 2" in live("runs", "why", second).out

    assert live("runs", "cancel", second).code == 0
    until(lambda: live("runs", "show", second, "-o", "json").json["status"] == "cancelled")
    assert "number 1 of 1" in live("runs", "why", third).out

    assert live("inbox", "answer", first, "approve").code == 0
    until(lambda: third in live("inbox", "list", "-o", "name").out)
    assert live("inbox", "answer", third, "approve").code == 0
    until(lambda: live("runs", "show", third, "-o", "json").json["status"] == "succeeded")
    assert live("runs", "why", third, "-o", "json").json["waiting_on"] == []
