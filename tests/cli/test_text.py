from __future__ import annotations

import json
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.cli.text import clean, json_text, one_line, rfc3339, table, yaml_text

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://evil\x1b\\link", "link"),
        ("over\rwritten\x08", "overwritten"),
        ("\x9b31mc1", "31mc1"),
        ("\u202egnirts", "gnirts"),
        ("kept\tand\nkept", "kept\tand\nkept"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@settings(deadline=None)
@given(ANYTHING)
def test_json_is_safe_to_print_and_says_the_same(value: object) -> None:
    text = json_text(value)
    assert clean(text) == text
    assert json.loads(text) == value


@settings(deadline=None)
@given(ANYTHING)
def test_yaml_is_read_back_as_it_was(value: object) -> None:
    loaded = yaml.safe_load(yaml_text(value))
    assert loaded == value or _has_odd_keys(value)


def _has_odd_keys(value: object) -> bool:
    """YAML readers of version 1.1 refuse characters that 1.2 allows in quoted text."""
    return any(0xD800 <= ord(one) <= 0xDFFF for one in json.dumps(value, ensure_ascii=False))


def test_a_table_has_its_columns_below_each_other() -> None:
    text = table(["a", "long name"], [["x", None], ["yyy", "1"]])
    assert text == "A    LONG NAME\nx    -\nyyy  1"


def test_a_long_text_is_cut_to_one_line() -> None:
    assert one_line("a\nb  c" + "d" * 500, 10) == "a b cdddd…"


def test_times_have_a_zone_and_nothing_is_not_a_time() -> None:
    assert rfc3339(1_763_649_000_123) == "2025-11-20T14:30:00.123Z"
    assert rfc3339(0) is None


def test_numbers_that_json_lacks_never_reach_scripts() -> None:
    assert json.loads(json_text({"a": [math.inf, math.nan, 1.5]})) == {"a": [None, None, 1.5]}
