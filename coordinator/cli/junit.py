"""PURE. Results as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from coordinator.cli.text import clean

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test as a CI system lists it."""

    name: str
    group: str
    """What it is listed under: the file, for example."""
    seconds: float = 0.0
    failures: Sequence[str] = ()
    """What was claimed and is not so."""
    errors: Sequence[str] = ()
    """What kept it from being tried out."""
    notes: Sequence[str] = ()


def junit(suite: str, cases: Iterable[Case]) -> str:
    """An XML document with one test suite; nothing in it can break out of its place."""
    every = list(cases)
    failed = sum(bool(one.failures) for one in every)
    wrong = sum(bool(one.errors) for one in every)
    counts = f'tests="{len(every)}" failures="{failed}" errors="{wrong}" skipped="0"'
    seconds = f'time="{sum(one.seconds for one in every):.3f}"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f"<testsuites {counts} {seconds}>",
            f"  <testsuite name={_attribute(suite)} {counts} {seconds}>",
            *(line for one in every for line in _case(one)),
            "  </testsuite>",
            "</testsuites>",
        ]
    )


def _case(one: Case) -> list[str]:
    inside = [
        *(_problem("failure", one.failures) if one.failures else ()),
        *(_problem("error", one.errors) if one.errors else ()),
        *(f"      <system-out>{_text(each)}</system-out>" for each in one.notes),
    ]
    name, group = _attribute(one.name), _attribute(one.group)
    head = f'    <testcase name={name} classname={group} file={group} time="{one.seconds:.3f}"'
    return [f"{head}>", *inside, "    </testcase>"] if inside else [f"{head}/>"]


def _problem(kind: str, sentences: Sequence[str]) -> list[str]:
    message = _attribute(sentences[0])
    return [f"      <{kind} message={message}>{_text(chr(10).join(sentences))}</{kind}>"]


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", clean(value)))


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("", clean(value)))
