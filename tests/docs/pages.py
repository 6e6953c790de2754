"""The pages, and the parts of them that are made from the code.

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`. `make docs` writes it, a test
compares it. Files that a reader is to copy have `<!-- file: PATH -->` before their block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from coordinator.config import settings_table
from coordinator.core.state import NODE_MOVES, RUN_MOVES
from tests.architecture.source import ROOT
from tests.docs import examples, keys, messages, picture, rule_pages, tables
from tests.docs.diagrams import state_diagram

PAGES = (
    "README.md",
    "docs/language.md",
    "docs/rules/README.md",
    "docs/personas.md",
    "docs/plugins.md",
    "docs/environments.md",
    "docs/examples.md",
)
PICTURE = "docs/run.svg"

PARTS: Mapping[str, Callable[[], str]] = {
    "map": tables.the_map,
    "tree of a run": picture.text_tree,
    "states of a node": lambda: state_diagram(NODE_MOVES, around="open"),
    "states of a run": lambda: state_diagram(RUN_MOVES, around="open"),
    "settings": lambda: settings_table().strip(),
    "metrics": tables.metrics_table,
    "redis keys": tables.keys_table,
    "exit codes": tables.exit_table,
    "joins": tables.joins,
    "error classes": tables.classes,
    "verdict words": tables.verdict_words,
    "spellings": tables.spellings,
    "git operations": tables.operations,
    "later types": tables.later_types,
    "rules": rule_pages.index,
    "plugin package": tables.plugin_package,
    "step types": keys.type_tables,
    "examples": examples.table,
    **{
        f"graph: {name}": lambda name=name: examples.picture(name)
        for name in sorted(examples.examples())
    },
    "request fields": messages.request_table,
    "reply fields": messages.reply_table,
    "payload": messages.payload_table,
    **{
        f"keys: {section}": lambda section=section: keys.key_table(section)
        for section in keys.SECTIONS
    },
}
"""What can be made."""

_PART = re.compile(r"<!-- made: ([\w: -]+) -->\n(.*?)<!-- end -->", re.DOTALL)
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


def text_of(page: str) -> str:
    """The page as it is."""
    return (ROOT / page).read_text(encoding="utf-8")


def made_parts(text: str) -> dict[str, str]:
    """The made parts of a page, by name."""
    return {name: body.strip("\n") for name, body in _PART.findall(text)}


def files_in(page: str) -> dict[str, str]:
    """Path -> text of the files that the page tells its readers to write."""
    return dict(_FILE.findall(text_of(page)))


def renewed(text: str) -> str:
    """The page with every made part made again."""

    def renew(found: re.Match[str]) -> str:
        return f"<!-- made: {found[1]} -->\n\n{PARTS[found[1]]()}\n\n<!-- end -->"

    return _PART.sub(renew, text)


def refresh() -> list[str]:
    """Write what is out of date; the names of the files."""
    renewed_pages = {page: renewed(text_of(page)) for page in PAGES}
    wanted = {PICTURE: picture.svg(), **renewed_pages, **rule_pages.pages()}
    for left_over in rules_with_a_page() - wanted.keys():
        (ROOT / left_over).unlink()
    return [name for name, text in wanted.items() if _write(ROOT / name, text)]


def rules_with_a_page() -> set[str]:
    """The pages of rules that there are, wanted or not."""
    found = (ROOT / rule_pages.FOLDER).glob("WF*.md")
    return {each.relative_to(ROOT).as_posix() for each in found}


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True
