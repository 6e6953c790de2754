"""The rules about text and YAML, which hold for every kind of file."""

from __future__ import annotations

from typing import Final

from coordinator.definitions.rule import Rule

READING_RULES: Final = (
    Rule(
        "WF001",
        "not readable as text",
        "The file is not UTF-8, or has characters that text files cannot have.",
        "Save it as UTF-8 without control characters.",
    ),
    Rule(
        "WF002",
        "not YAML",
        "The text breaks the syntax of YAML at this place.",
        "Check indentation, quotes and brackets just before the place that is named.",
    ),
    Rule(
        "WF003",
        "beyond a limit",
        "A file may have 1 MiB, 64 levels, 50,000 nodes (each use of an alias counts all that it "
        "stands for) and 50 aliases.",
        "Split the file, or write out what the aliases stand for.",
    ),
    Rule(
        "WF004",
        "not exactly one document",
        "A file holds one YAML document that is a mapping.",
        "Split files at `---`, and start with keys such as `name:`.",
    ),
    Rule(
        "WF005",
        "key given twice",
        "One of two equal keys would silently win.",
        "Remove one of them.",
    ),
    Rule("WF006", "tag", "Tags such as `!!python/x` or `!env` are not read.", "Remove the tag."),
    Rule(
        "WF007",
        "merge key",
        "`<<` is not part of YAML 1.2.",
        "Write the keys out, or put them under `defaults`.",
    ),
    Rule(
        "WF008",
        "tab as indentation",
        "YAML does not allow tabs there.",
        "Indent with spaces.",
    ),
    Rule(
        "WF009",
        "template without quotes",
        "`{{` without quotes is a mapping to YAML.",
        'Put the whole value in quotes: "{{ ... }}".',
    ),
    Rule(
        "WF010",
        "alias inside its own anchor",
        "A value cannot contain itself.",
        "Write out what the alias stands for.",
    ),
    Rule(
        "WF011",
        "key is not text",
        "A key is a list, a mapping or empty.",
        "Use a plain word as key.",
    ),
    Rule(
        "WF012",
        "number out of range",
        "Infinite values, not-a-number, and integers beyond 64 bits do not survive JSON.",
        "Use a smaller number, or quote it as text.",
    ),
)
"""Broken by what cannot be read as plain data."""
