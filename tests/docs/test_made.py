"""What the pages took from the code is what the code says now."""

from __future__ import annotations

import pytest

from coordinator.core.state import NODE_MOVES, RUN_MOVES
from coordinator.definitions.check import fields_of
from coordinator.definitions.sentences import SENTENCES
from tests.architecture.source import ROOT
from tests.docs import keys, messages, picture, rule_pages, tables
from tests.docs.diagrams import moves_in, state_diagram
from tests.docs.pages import PAGES, PARTS, PICTURE, made_parts, renewed, rules_with_a_page, text_of


@pytest.mark.parametrize("page", PAGES)
def test_the_made_parts_are_up_to_date(page: str) -> None:
    made = made_parts(text_of(page))
    assert made
    for name, body in made.items():
        assert body == PARTS[name](), f"{page}, {name}: run `make docs`"


def test_the_picture_is_up_to_date() -> None:
    assert (ROOT / PICTURE).read_text(encoding="utf-8") == picture.svg(), "run `make docs`"


def test_the_pages_of_the_rules_are_up_to_date() -> None:
    assert rules_with_a_page() == set(rule_pages.pages()), "run `make docs`"
    for page, text in rule_pages.pages().items():
        assert text_of(page) == text, f"{page}: run `make docs`"


def test_a_page_shows_both_files_and_what_the_command_says_of_the_bad_one() -> None:
    page = rule_pages.pages()["docs/rules/WF020.md"]
    assert page.startswith("# WF020: unknown key\n\nError. ")
    bad, good = page.split("## The same without the fault")
    assert "$ coordinator validate release.yml\nrelease.yml:5:36: error WF020: " in bad
    assert ("timeuot: 10m" in bad, "timeuot" in good, "timeout: 10m" in good) == (True, False, True)


def test_every_part_that_can_be_made_stands_in_exactly_one_page() -> None:
    shown = [name for page in PAGES for name in made_parts(text_of(page))]
    # The keys of step types stand together under their headings.
    types = {f"keys: {keys.section_of(name)}" for name in picture.built_in_types()}
    assert sorted(shown) == sorted(set(PARTS) - types)


def test_making_a_part_leaves_the_text_around_it_alone() -> None:
    text = "a\n<!-- made: exit codes -->\n<!-- end -->\nb\n<!-- made: joins -->\n<!-- end -->\nc\n"
    once = renewed(text)
    assert [line for line in once.splitlines() if line in ("a", "b", "c")] == ["a", "b", "c"]
    assert renewed(once) == once
    assert made_parts(once) == {"exit codes": tables.exit_table(), "joins": tables.joins()}


@pytest.mark.parametrize("moves", [NODE_MOVES, RUN_MOVES], ids=["node", "run"])
def test_the_diagram_shows_every_move_and_no_other(moves: dict) -> None:  # type: ignore[type-arg]  # of either kind
    table = {state.value: {to.value for to in after} for state, after in moves.items() if after}
    assert moves_in(state_diagram(moves, around="open")) == table


def test_the_picture_shows_a_lost_request_a_failed_test_and_a_merge() -> None:
    nodes = {row["path"]: row for row in picture.simulation().to_json()["nodes"]}  # type: ignore[attr-defined]  # a list of rows
    assert picture.simulation().status == "succeeded"
    assert nodes["planning"]["attempts"] == 2
    assert (nodes["build#1/qa"]["verdict"], nodes["build#2/qa"]["verdict"]) == ("fail", "pass")
    assert nodes["completion"]["status"] == "succeeded"


@pytest.mark.parametrize("section", keys.SECTIONS)
def test_each_key_has_its_sentence_and_no_sentence_is_left_over(section: str) -> None:
    assert list(SENTENCES[section]) == list(fields_of(keys.SECTIONS[section]))


def test_everything_listed_has_its_words() -> None:
    assert messages.written_request() == list(messages.REQUEST)
    assert messages.written_reply() == list(messages.REPLY)
    assert messages.written_payload() == list(messages.PAYLOAD)
    for words, made in (
        (tables.EXITS, tables.exit_table()),
        (tables.JOINS, tables.joins()),
        (tables.CLASSES, tables.classes()),
    ):
        assert len(made.splitlines()) == len(words) + 2
