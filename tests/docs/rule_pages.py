"""One page for each rule: a file that breaks it, what `coordinator validate` says, and the cure."""

from __future__ import annotations

from functools import cache

from coordinator.definitions.rules import RULES, Rule, Severity
from tests.definitions.rule_files import Example, bad_example, good_example

FOLDER = "docs/rules"
_LANGUAGES = {"yml": "yaml", "yaml": "yaml", "j2": "text", "md": "text"}


def index() -> str:
    """Every rule with its title, in the order of the ids."""
    lines = ["| rule | what is wrong | |", "|---|---|---|"]
    lines += [
        f"| [{rule.id}]({rule.id}.md) | {rule.title} | {_severity(rule)} |"
        for rule in RULES.values()
    ]
    return "\n".join(lines)


@cache
def pages() -> dict[str, str]:
    """Path -> text of every rule's page."""
    return {rule.page: _page(rule) for rule in RULES.values()}


def _page(rule: Rule) -> str:
    bad, good = bad_example(rule.id), good_example(rule.id)
    return "\n\n".join(
        (
            f"# {rule.id}: {rule.title}",
            f"{_severity(rule).capitalize()}. {rule.meaning}",
            f"**Cure.** {rule.cure}",
            "## A file that breaks it",
            *_files(bad),
            _told(bad),
            "## The same without the fault",
            *_files(good),
            "[All rules](README.md)\n",
        )
    )


def _severity(rule: Rule) -> str:
    return "warning" if rule.severity is Severity.WARNING else "error"


def _files(example: Example) -> list[str]:
    return [
        f"`{name}`:\n\n{_block(_language(name), content.decode('utf-8', 'replace'))}"
        for name, content in example.files.items()
    ]


def _language(name: str) -> str:
    return _LANGUAGES.get(name.rpartition(".")[2], "text")


def _told(example: Example) -> str:
    return _block("console", f"$ {' '.join(example.command)}\n{example.validate().out}")


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
