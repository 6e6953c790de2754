from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest

from coordinator.telemetry import open_log
from coordinator.telemetry.redaction import MASK, clean, clean_fields, clean_text, is_secret


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quiet_root() -> Any:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_in_a_pipe_each_line_is_a_json_object() -> None:
    out = io.StringIO()
    open_log(stream=out).bind(run="r-1").info("step_failed", step="plan", attempt=2)
    (line,) = _lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "step_failed",
        "level": "info",
        "run": "r-1",
        "step": "plan",
        "attempt": 2,
    }


def test_on_a_terminal_it_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    open_log(stream=out).warning("step_failed", step="plan")
    assert "[warning  ] step_failed" in out.getvalue()
    assert "step=plan" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    out = io.StringIO()
    log = open_log("warning", stream=out)
    log.info("hidden")
    log.error("shown")
    assert [line["event"] for line in _lines(out)] == ["shown"]


def test_an_exception_is_written_without_the_secrets_in_it() -> None:
    out = io.StringIO()
    log = open_log(stream=out)
    try:
        hidden = "local-" + "variable"
        raise ConnectionError(f"redis://:hunter2@h:1 {len(hidden)}")
    except ConnectionError:
        log.exception("connection_lost")
    (line,) = _lines(out)
    assert "ConnectionError: redis://***@h:1" in line["exception"]
    assert "hunter2" not in out.getvalue()
    assert "local-variable" not in out.getvalue()


def test_what_libraries_log_becomes_a_line_too() -> None:
    out = io.StringIO()
    open_log(stream=out)
    open_log(stream=out)
    logging.getLogger("asyncio").error("task died: %s", "redis://:hunter2@h")
    logging.getLogger("asyncio").info("chatter")
    (line,) = _lines(out)
    assert line["event"] == "library_message"
    assert line["message"] == "task died: redis://***@h"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link", "alink"),
        ("\x9b2Jgone", "gone"),
        ("a\x1b", "a"),
        ("over\rwritten\b", "overwritten"),
        ("left\u202eright\u2066", "leftright"),
        ("zero\u200bwidth", "zerowidth"),
        ("line\nline\tend", "line\nline\tend"),
        ("审批 ✓", "审批 ✓"),
    ],
)
def test_nothing_steers_the_readers_terminal(text: str, shown: str) -> None:
    assert clean_text(text) == shown


def test_an_event_name_cannot_forge_a_second_line() -> None:
    out = io.StringIO()
    open_log(format="console", stream=out).info("a\nforged", field="b\nforged")
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("clone https://ann:pw@h/r.git failed", "clone https://***@h/r.git failed"),
        ("https://ghp_token@h/r", "https://***@h/r"),
        ("redis://:p@ss@h:1/0", "redis://***@h:1/0"),
        ("unix:///s?password=pw&db=1", "unix:///s?password=***&db=1"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
        ("https://h/r.git by ann@h", "https://h/r.git by ann@h"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, shown: str) -> None:
    assert clean_text(text) == shown


@pytest.mark.parametrize(
    "key", ["password", "TOKEN", "api_key", "apiKey", "x-authorization", "clientSecret", "db.pwd"]
)
def test_values_under_secret_names_are_masked_at_any_depth(key: str) -> None:
    assert clean_fields({"outer": [{key: "hunter2"}]}) == {"outer": [{key: MASK}]}


@pytest.mark.parametrize("key", ["tokens", "author", "keys", "path", "secretary", "run"])
def test_harmless_names_are_shown(key: str) -> None:
    assert not is_secret(key)


def test_floods_are_cut() -> None:
    nested: Any = "deep"
    for _ in range(1_000):
        nested = [nested]
    assert (
        len(str(clean({"text": "x" * 10**6, "list": list(range(10**5)), "nested": nested}))) < 5e3
    )
    assert clean(b"123") == "<3 bytes>"
    assert clean(sys) != sys
