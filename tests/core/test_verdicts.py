"""What counts as a pass, as a table with the traps that catch substring searches."""

from __future__ import annotations

import json
import time

import pytest

from coordinator.core.verdicts import FAIL_WORDS, PASS_WORDS, read_verdict


def dumped(value: object, levels: int = 1) -> str:
    """`value` as JSON text, as a JSON string of it, and so on."""
    for _ in range(levels):
        value = json.dumps(value)
    assert isinstance(value, str)
    return value


INSIDE = '{"status":"pass","details":"1 passed, 0 failed"}'

STATEMENTS = [
    # objects
    ({"status": "pass"}, "pass"),
    ({"status": " PASSED \n"}, "pass"),
    ({"status": "Approved"}, "pass"),
    ({"status": "not pass"}, "fail"),
    ({"status": "Error"}, "fail"),
    ({"verdict": "fail", "status": "pass"}, "fail"),
    ({"status": "done"}, "unknown"),
    ({"status": "passed with remarks"}, "unknown"),
    ({"status": "required"}, "unknown"),
    ({"status": "rendered"}, "unknown"),
    ({"status": True}, "unknown"),
    ({"status": None}, "unknown"),
    ({"status": ""}, "unknown"),
    ({"status": {"status": "pass"}}, "unknown"),
    ({"success": True}, "unknown"),
    ({}, "unknown"),
    # the innermost object that states something
    ({"output": INSIDE}, "pass"),
    ({"output": {"status": "fail"}}, "fail"),
    ({"status": "fail", "output": INSIDE}, "pass"),
    ({"status": "pass", "output": "0 failed, all green\nerror handling reviewed"}, "pass"),
    ({"status": "pass", "output": {"details": "no statement here"}}, "pass"),
    ({"status": "pass", "output": '{"status": "odd"}'}, "unknown"),
    ({"output": {"output": {"output": '{"status": "lgtm"}'}}}, "pass"),
    (dumped({"status": "fail"}), "fail"),
    (dumped({"status": "fail"}, 2), "fail"),
    (dumped({"output": dumped({"status": "ok"}, 2)}, 2), "pass"),
    # text around an object
    (f"Here you are:\n```json\n{INSIDE}\n```\nNothing failed.", "pass"),
    (f"```\n{INSIDE}\n```", "pass"),
    (f"```{INSIDE}```", "pass"),
    ('```python\nprint("{")\n```\n```json\n{"status": "red"}\n```', "fail"),
    ('```json\n{"files": 3}\n```\nthen\n```json\n{"status": "fail"}\n```', "fail"),
    ('```json\n{"status": "fail"}\n```\n```json\n{"status": "pass"}\n```', "fail"),
    ('```json\n{broken\n```\n```json\n{"status": "pass"}\n```', "pass"),
    ('I would say {"status": "pass"} here.', "pass"),
    ("<think>Status: fail</think>\nStatus: pass", "pass"),
    ({"output": f"log\n```json\n{INSIDE}\n```"}, "pass"),
    # lines
    ("All good.\nStatus: pass", "pass"),
    ("RESULT: FAILED\nbecause of x", "fail"),
    ("  **Verdict:** approved  ", "pass"),
    ({"output": "Verdict: lgtm\r\n"}, "pass"),
    ("Status: pass\nResult: fail", "unknown"),
    ("Status: pass\nResult: see below\nVerdict: ok", "pass"),
    ("Status: 1 passed, 0 failed", "unknown"),
    ("Status: pass if the tests are fixed", "unknown"),
    ("The exit Status: pass", "unknown"),
    ("Status:\npass", "unknown"),
    # never a substring
    ("1 passed, 0 failed", "unknown"),
    ("pass", "unknown"),
    ("review is required; errors ignored; shared code", "unknown"),
    ("everything passed", "unknown"),
    # not texts at all
    (None, "unknown"),
    (7, "unknown"),
    (["pass"], "unknown"),
    ([{"status": "pass"}], "unknown"),
    ('["pass"]', "unknown"),
]


@pytest.mark.parametrize(("result", "verdict"), STATEMENTS, ids=str)
def test_a_verdict_is_read_where_it_is_stated(result: object, verdict: str) -> None:
    assert read_verdict(result, None) == verdict


@pytest.mark.parametrize("word", sorted(PASS_WORDS))
def test_every_listed_word_for_a_pass_is_one(word: str) -> None:
    assert read_verdict({"status": f" {word.upper()} "}, None) == "pass"


@pytest.mark.parametrize("word", sorted(FAIL_WORDS))
def test_every_listed_word_for_a_fail_is_one(word: str) -> None:
    assert read_verdict(f"Status: {word}", None) == "fail"


@pytest.mark.parametrize(
    ("explicit", "verdict"),
    [("pass", "pass"), (" Fail ", "fail"), ("unknown", "unknown"), ("maybe", "unknown")],
)
def test_an_explicit_verdict_wins_over_the_result(explicit: str, verdict: str) -> None:
    opposite = {"status": "pass" if verdict == "fail" else "fail"}
    assert read_verdict(opposite, explicit) == verdict


@pytest.mark.parametrize("explicit", [None, "", "  "])
def test_without_an_explicit_verdict_the_result_is_read(explicit: str | None) -> None:
    assert read_verdict({"status": "fail"}, explicit) == "fail"


NO_TESTS = [
    "0 passed, 0 failed",
    "no tests ran in 0.01s",
    "No tests were found.",
    "there are no tests in this repository present",
    "nothing to execute",
    "0 tests executed",
    "0 tests were run",
    "collected 0 items",
]


@pytest.mark.parametrize("text", NO_TESTS)
def test_a_pass_without_tests_fails_where_tests_are_required(text: str) -> None:
    result = {"status": "pass", "details": [{"text": text}]}
    assert read_verdict(result, None, tests_required=True) == "fail"
    assert read_verdict(result, "pass", tests_required=True) == "fail"
    assert read_verdict(result, None) == "pass"


@pytest.mark.parametrize(
    "result",
    [
        {"status": "pass", "details": "10 passed, 0 failed"},
        {"status": "pass", "details": "no tests failed, 5 were found"},
        {"status": "pass", "details": "no test failures found"},
        {"status": "pass", "details": "100 tests run, 20 tests executed"},
        {"status": "pass", "passed": 3, "failed": 0},
        {"status": "pass", "passed": False, "failed": False},
    ],
    ids=str,
)
def test_a_pass_with_tests_stays_one(result: object) -> None:
    assert read_verdict(result, None, tests_required=True) == "pass"


def test_counts_of_nothing_say_that_no_tests_ran() -> None:
    result = {"status": "pass", "passed": 0, "failed": 0}
    assert read_verdict(result, None, tests_required=True) == "fail"


def test_a_fail_and_an_unknown_stay_what_they_are_without_tests() -> None:
    assert read_verdict({"status": "fail"}, None, tests_required=True) == "fail"
    assert read_verdict("no tests found", None, tests_required=True) == "unknown"


MEGABYTE = 1 << 20
HOSTILE = [
    "{" * MEGABYTE,
    "[" * MEGABYTE,
    '{"output":' * (MEGABYTE // 10),
    '{"a":[0,' * (MEGABYTE // 8),
    "```" * (MEGABYTE // 3),
    "```json\n{\n" * (MEGABYTE // 10),
    "Status: " * (MEGABYTE // 8),
    "Status:\n" * (MEGABYTE // 8),
    "*" * MEGABYTE + "Status: maybe",
    " " * (4 * MEGABYTE),
    "no tests " * (MEGABYTE // 9),
    "no tests a b c d " * (MEGABYTE // 17),
    '"' + "\\" * MEGABYTE,
    '{"n": ' + "9" * MEGABYTE + "}",
    "<think>" + "x" * MEGABYTE,
    [["x" * 100] * 5_000] * 5_000,
    {"status": "x" * (8 * MEGABYTE)},
]


@pytest.mark.parametrize("result", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_costs_little_and_means_nothing(result: object) -> None:
    began = time.process_time()
    assert read_verdict(result, None) == "unknown"
    read_verdict(result, "pass", tests_required=True)
    assert time.process_time() - began < 2.0


def test_of_a_huge_text_both_ends_are_read() -> None:
    filler = "x" * 80 + "\n"
    assert read_verdict("Status: pass\n" + filler * 100_000, None) == "pass"
    assert read_verdict(filler * 100_000 + "Status: fail\n", None) == "fail"


def test_objects_within_themselves_end() -> None:
    endless: dict[str, object] = {}
    endless["output"] = endless
    assert read_verdict(endless, "pass", tests_required=True) == "pass"
