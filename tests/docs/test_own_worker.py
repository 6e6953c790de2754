"""The recipe for a worker of one's own, followed word by word with nothing but a Redis client."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from coordinator.bus import start_bus
from tests.cli.conftest import Shell, until
from tests.docs import messages
from tests.servers import new_folder

ASK = """\
name: ask
version: "1.0.0"
steps:
  - {id: question, persona: oracle, params: {about: weather}, timeout: 1m}
outputs: {said: "{{ steps.question.result.text }}", verdict: "{{ steps.question.verdict }}"}
"""
ORACLE = "name: oracle\nkind: http\nurl: https://example.org\n"
REQUESTS, REPLIES = "co:{0}:req:oracle", "co:{0}:res:oracle"

pytestmark = pytest.mark.xdist_group("readme")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A project, and a coordinator on a server of its own; nobody serves the persona."""
    bus = start_bus(new_folder())
    shell = Shell(tmp_path, COORDINATOR_REDIS_URL=bus.url)
    shell("init")
    shell.write("workflows/ask.yml", ASK)
    shell.write("personas/oracle.yaml", ORACLE)
    log = tmp_path / "daemon.log"
    daemon = shell.start("daemon", log=log)
    try:
        until(lambda: "coordinator_started" in log.read_text())
        yield shell
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        bus.stop()


def _take(client: Any, *, as_: str) -> tuple[str, dict[str, str]]:
    streams = client.xreadgroup("workers", as_, {REQUESTS: ">"}, count=1, block=20_000)
    [(_, [(entry, fields)])] = streams if isinstance(streams, list) else list(streams.items())
    return entry, fields


def test_a_worker_that_follows_the_page_serves_a_persona(shell: Shell) -> None:
    url = shell.environment["COORDINATOR_REDIS_URL"]
    client = redis.Redis.from_url(url, decode_responses=True, protocol=2)
    client.xgroup_create(REQUESTS, "workers", id="0", mkstream=True)
    started = shell.program("run", "workflows/ask.yml", "--detach")
    assert started.code == 0, started.err

    entry, request = _take(client, as_="mine")
    assert set(request) == set(messages.REQUEST) - {"deadline"}
    payload = json.loads(request["payload"])
    assert list(payload) == list(messages.PAYLOAD)
    assert payload["params"] == {"about": "weather"}
    assert client.xclaim(REQUESTS, "workers", "mine", 0, [entry], justid=True) == [entry]

    answer = {name: request[name] for name in ("msg_id", "token")} | {"status": "done"}
    answer["result"] = json.dumps({"text": "rain", "status": "ok"})
    for _ in range(2):  # an answer may be sent twice
        client.xadd(REPLIES, answer)
    run = started.out.strip()

    def ended() -> dict[str, Any] | None:
        shown = shell.program("runs", "show", run, "-o", "json").json
        return shown if shown["status"] == "succeeded" else None

    assert until(ended)["outputs"] == {"said": "rain", "verdict": "pass"}
    assert client.xlen(REQUESTS) == 0, "the commit deletes the request"
    client.close()
