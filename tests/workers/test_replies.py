"""What is made of a program's output, good, garbage and hostile."""

from __future__ import annotations

import json
import time

import pytest

from coordinator.workers.replies import artifacts_in, clean, last_json_object, last_lines

DEEP = '{"a":' * 100 + "1" + "}" * 100

OBJECTS = [
    ('{"a": 1}', {"a": 1}),
    ('log\n{"a": 1}\nmore log\n{"b": 2}\n', {"b": 2}),
    ('{\n  "a": {\n    "b": 2\n  }\n}\n', {"a": {"b": 2}}),
    (
        '{"results": [\n  {"x": 1},\n  {"x": 2}\n]}\ntrailing words',
        {"results": [{"x": 1}, {"x": 2}]},
    ),
    ('{"a": 1}\nDEBUG cache {}\n', {"a": 1}),
    ('INFO result={"a": 1} in 3 ms', {"a": 1}),
    ('[{"a": 1}, {"b": 2}]', None),
    ('{"a": 1}\n[{"b": 2}]', {"a": 1}),
    ("{'a': 1}", None),
    ('{"a": 1', None),
    ('{"a": 1}\n{"broken": ', {"a": 1}),
    ("[INFO] {nothing} here", None),
    ("", None),
    (
        '{"n": NaN, "i": Infinity, "big": 12345678901234567890}',
        {"n": None, "i": None, "big": "12345678901234567890"},
    ),
    ('{"n": 1e999}', {"n": None}),
    ('{"a\\ud800": "\\udc00x"}', {"a?": "?x"}),
    (DEEP, None),
]


@pytest.mark.parametrize(("text", "found"), OBJECTS, ids=range(len(OBJECTS)))
def test_the_last_object_that_stands_for_itself_is_the_result(text: str, found: object) -> None:
    assert last_json_object(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "{" * (1 << 20),
        '{"a":[0,' * (1 << 17),
        '{"a":' * (1 << 17),
        '{"' * (1 << 19),
        "[" * (1 << 20),
        '{"a": "' + "x{" * (1 << 19),
        "[1," * (1 << 18),
    ],
    ids=range(7),
)
def test_a_megabyte_of_broken_beginnings_costs_little(text: str) -> None:
    began = time.process_time()
    assert last_json_object(text) is None
    assert time.process_time() - began < 3.0


def test_what_is_found_can_be_stored() -> None:
    found = last_json_object('{"a": "\\ud83d", "b": [1e400, {"c": "\\u0000"}]}')
    json.dumps(found, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x07b\x00c\x7f", "abc"),
        ("\x9b31mred", "red"),
        ("zero\u200bwidth \u202eturned", "zerowidth turned"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("über", "über"),
    ],
)
def test_terminal_controls_are_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_the_last_lines_are_bounded() -> None:
    text = "\n".join(f"line {n}" for n in range(10_000)) + "\n\n"
    assert last_lines(text, lines=2) == "line 9998\nline 9999"
    assert len(last_lines("x" * (1 << 20), characters=50)) == 50


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ({"artifacts": [{"name": "a"}, {"path": "b"}]}, ({"name": "a"}, {"path": "b"})),
        ({"artifacts": []}, ()),
        ({"artifacts": ["a"]}, ()),
        ({"artifacts": {"name": "a"}}, ()),
        ({"output": "text"}, ()),
        (
            {"artifacts": [{"kind": "patch", "base": "x", "diff": "y"}, {"name": "a"}]},
            ({"name": "a"},),
        ),
    ],
)
def test_a_result_lists_its_artifacts_and_no_patch_among_them(
    result: object, found: object
) -> None:
    assert artifacts_in(result) == found
