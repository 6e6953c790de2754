"""YAML as a stranger may write it: what it means, where it is, and what is refused."""

from __future__ import annotations

import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.definitions.faults import Fault, Faults
from coordinator.definitions.read import Document, read


def reading(text: str | bytes) -> tuple[Document | None, list[Fault]]:
    faults = Faults("f.yml")
    return read("f.yml", text, faults), faults.found


def value_of(text: str) -> object:
    document, faults = reading(text)
    assert document is not None, faults
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("+12", 12),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1.10", 1.1),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1:30", "1:30"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("=", "="),
        ("0o8", "0o8"),
        ("-", [None]),
        ("+", "+"),
        (".", "."),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = value_of(f"a: {text}" if text != "-" else "a:\n  -")

    assert found == {"a": value}
    assert type(found["a"]) is type(value)  # type: ignore[index]  # a mapping, as just compared


def test_keys_are_text_as_written() -> None:
    assert value_of("{0: a, on: b, 1.0: c, 'x y': d}") == {
        "0": "a",
        "on": "b",
        "1.0": "c",
        "x y": "d",
    }


def test_a_number_and_its_text_are_the_same_key() -> None:
    assert [fault.rule for fault in reading("{0: a, '0': b}")[1]] == ["WF005"]


def test_json_is_read_with_tabs_and_escapes() -> None:
    assert value_of('{\n\t"a": [1, "x\\/y\\u00e9"],\n\t"b": null}') == {"a": [1, "x/yé"], "b": None}


def test_places_count_from_one_and_point_at_keys_values_and_characters() -> None:
    document, _ = reading('a: 1\nb:\n  - c: "x {{ y }}"\n    d: é z\n')
    assert document is not None
    at = document.positions

    assert at.key(("b",)) == (2, 1)
    assert at.value(("b", 0)) == (3, 5)
    assert at.key(("b", 0, "c")) == (3, 5)
    assert at.value(("b", 0, "c")) == (3, 8)
    assert at.inside(("b", 0, "c"), 6) == (3, 14)
    assert at.inside(("b", 0, "d"), 3) == (4, 10)
    assert at.value(("b", 0, "c", "none", 3)) == (3, 8)
    assert at.value(()) == (1, 1)


def test_a_place_in_a_text_with_escapes_or_lines_is_the_texts_own() -> None:
    document, _ = reading('a: "x\\n{{ y }}"\nb: |\n  one\n  {{ y }}\n')
    assert document is not None

    assert document.positions.inside(("a",), 5) == (1, 4)
    assert document.positions.inside(("b",), 8) == (2, 4)


def test_aliases_are_read_a_few_times() -> None:
    assert value_of("a: &x [1, 2]\nb: *x\nc: {d: *x}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": [1, 2]},
    }


def test_a_byte_order_mark_is_no_content() -> None:
    assert value_of("\ufeffa: 1") == {"a": 1}


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 5)}]")
    return "\n".join(lines)


_DEEP_ALIASES = "\n".join(
    [f"a0: &a0 {'[' * 40}{']' * 40}", f"a1: &a1 {'[' * 20}*a0{']' * 20}", "a2: [[[[*a1]]]]"]
)
_MERGES = "a: &a {x: 1}\n" + "\n".join(
    f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}' if n else '*a'] * 8)}]}}" for n in range(12)
)

BOMBS: dict[str, tuple[str | bytes, str]] = {
    "200k brackets": ("[" * 200_000, "WF003"),
    "200k braces": ("{a: " * 50_000, "WF003"),
    "200k closed brackets": ("[" * 100_000 + "]" * 100_000, "WF003"),
    "block nesting": ("\n".join("  " * n + "- a:" for n in range(100)), "WF003"),
    "alias bomb": (_laughs(9), "WF003"),
    "merge bomb": (_MERGES, "WF007"),
    "deep aliases": (_DEEP_ALIASES, "WF003"),
    "many aliases": ("a: &a 1\nb: [" + ", ".join(["*a"] * 51) + "]", "WF003"),
    "alias cycle": ("a: &a [*a]", "WF010"),
    "alias cycle by mapping": ("&a x: &b {y: {z: *b}}", "WF010"),
    "unknown alias": ("a: *nobody", "WF002"),
    "alias as key": ("a: &a x\nb: {*a : 1}", "WF011"),
    "too many nodes": ("- 1\n" * 50_001, "WF003"),
    "too many bytes": ("# " + "x" * (1024 * 1024), "WF003"),
    "not UTF-8": (b"name: \xff\xfe", "WF001"),
    "UTF-16": ("name: a".encode("utf-16"), "WF001"),
    "lone surrogate": ("name: \ud83d", "WF001"),
    "NUL": ("name: a\0b", "WF001"),
    "escape sequence": ("name: a\x1b[31m", "WF001"),
    "python object": ("a: !!python/object/apply:os.system [id]", "WF006"),
    "python name": ("a: !!python/name:os.system x", "WF006"),
    "local tag": ("a: !env HOME", "WF006"),
    "binary": ("a: !!binary aGk=", "WF006"),
    "set": ("a: !!set {b, c}", "WF006"),
    "non-specific tag": ("a: ! b", "WF006"),
    "unknown directive handle": ("%TAG ! tag:x,2000:\n---\na: !b c", "WF006"),
    "second document": ("a: 1\n---\nb: 2", "WF004"),
    "empty": ("", "WF004"),
    "only comments": ("# nothing\n", "WF004"),
    "complex key": ("? {a: b}\n: c", "WF011"),
    "nested template": ("a: [{{ x }}]", "WF009"),
    "template as key": ("{{ x }}: 1", "WF011"),
    "not a number": ("a: .nan", "WF012"),
    "number with 100k digits": ("a: " + "9" * 100_000, "WF012"),
    "float beyond range": ("a: 1e999", "WF012"),
    "tab": ("a:\n\tb: 1", "WF008"),
    "tab after spaces": ("a:\n  b: 1\n \tc: 2", "WF008"),
}


@pytest.mark.parametrize(("text", "rule"), BOMBS.values(), ids=BOMBS.keys())
def test_a_hostile_file_is_refused_quickly_with_a_place_and_a_cure(
    text: str | bytes, rule: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()

    document, faults = reading(text)

    assert document is None
    assert faults[0].rule == rule
    assert min(faults[0].line, faults[0].column) >= 1
    assert faults[0].hint
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@given(st.text(alphabet="abc{}[]:,-?&*!|>'\"%@` \n\t#0.~", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_with_a_fault(text: str) -> None:
    document, faults = reading(text)

    assert (document is None) == bool(faults)


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused_with_a_fault(data: bytes) -> None:
    document, faults = reading(data)

    assert (document is None) == bool(faults)
