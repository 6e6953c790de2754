"""What the pages say in their own words holds: files, commands, links, limits."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from coordinator.cli.root import root
from coordinator.config import SETTINGS
from coordinator.core.definition import Retry
from coordinator.core.expression_parser import METHODS
from coordinator.core.expression_tokens import MAX_SOURCE
from coordinator.core.lowering import DEFAULT_TIMEOUT_MS
from coordinator.core.template_filters import FILTERS
from coordinator.definitions.compile import compile_bundle, compile_persona
from coordinator.definitions.errors import DEFAULT_ATTEMPTS
from coordinator.definitions.parse import ROOTS
from coordinator.messages import MAX_FIELD, MAX_FIELDS
from coordinator.shipped import shipped_files
from coordinator.workers.processes import OUTPUT_LIMIT
from coordinator.workers.providers.command import MAX_PATCH_BYTES, CommandSettings
from steps.human import FIELD_TYPES
from steps.registry import step_types
from tests.architecture.source import ROOT
from tests.docs.pages import PAGES, files_in, text_of

LANGUAGE, PERSONAS = text_of("docs/language.md"), text_of("docs/personas.md")


def _section(page: str, heading: str) -> str:
    return page.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def _commands(page: str) -> list[list[str]]:
    """Every line of a shell block that calls us, and every such call within a sentence."""
    blocks = re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(coordinator [^`\n]+)`", text_of(page))
    calls = [shlex.split(line, comments=True) for line in lines]
    return [call for call in calls if call[:1] == ["coordinator"]]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_exists_with_its_options(page: str) -> None:
    for words in _commands(page):
        command: click.Command = root
        context = click.Context(root, info_name="coordinator")
        rest = words[1:]
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            if rest[0].isupper():
                break
            found = command.get_command(context, rest[0])
            assert found is not None, f"{page}: {' '.join(words)}"
            command, rest = found, rest[1:]
        known = {name for each in command.params for name in each.opts}
        said = {word for word in rest if word.startswith("--")}
        assert said <= known, f"{page}: {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in slugs, f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    keys = {one.key for one in SETTINGS}
    parts = {key.partition(".")[0] for key in keys if "." in key}
    named = re.findall(r"`([a-z_]+)\.([a-z_]+)`", text_of(page))
    wrong = [f"{a}.{b}" for a, b in named if a in parts and f"{a}.{b}" not in keys]
    assert not wrong
    variables = re.findall(r"COORDINATOR_[A-Z_]+", text_of(page))
    known = {one.environment for one in SETTINGS}
    known |= {f"COORDINATOR_{name}" for name in ("RUN", "NODE", "ATTEMPT")}
    assert set(variables) <= known


def test_the_persona_files_that_the_pages_show_are_valid() -> None:
    shown = [item for page in PAGES for item in files_in(page).items()]
    personas = {path: text for path, text in shown if path.startswith("personas/")}
    assert len(personas) == 3
    for path, text in personas.items():
        _, faults = compile_persona(path, text.encode(), beside={})
        assert not faults, f"{path}: {faults}"


def test_the_overlay_that_a_page_shows_fits_the_workflows_that_come_with_the_program() -> None:
    files = {**shipped_files(), **files_in("docs/environments.md")}
    found = compile_bundle(files, step_types=step_types(), env="production")
    assert not [str(fault) for fault in found.faults if fault.file.startswith("envs/")]


def test_the_language_page_names_every_filter_and_method() -> None:
    templates = _section(LANGUAGE, "Templates").partition("Filters:")[2].partition(". ")[0]
    assert set(re.findall(r"`(\w+)`", templates)) == set(FILTERS)
    for method in METHODS:
        assert f".{method}(" in _section(LANGUAGE, "Conditions")


def test_the_language_page_names_every_root_or_says_that_it_is_empty() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", _section(LANGUAGE, "Names"), re.MULTILINE))
    missing = _section(LANGUAGE, "What this version does not have")
    assert ROOTS - named == {"item", "index"}
    assert all(f"`{root}`" in missing for root in ROOTS - named)


def test_the_numbers_in_sentences_are_those_of_the_code() -> None:
    assert MAX_SOURCE == 2_000
    assert "2,000\ncharacters" in LANGUAGE or "2,000 characters" in LANGUAGE
    assert (Retry().delay_ms, Retry().max_delay_ms) == (1_000, 300_000)
    assert DEFAULT_TIMEOUT_MS == 3_600_000
    assert DEFAULT_ATTEMPTS == 3
    assert MAX_FIELD == 2 << 20
    assert f"at most {MAX_FIELDS} fields" in " ".join(PERSONAS.split())
    assert (OUTPUT_LIMIT, MAX_PATCH_BYTES) == (1 << 20, 1 << 20)
    assert CommandSettings(allow=frozenset()).grace_seconds == 5
    form = " ".join(_section(PERSONAS, "People: `kind: human`").split())
    assert all(f"`{kind}`" in form for kind in FIELD_TYPES)


def test_nothing_is_said_of_other_repositories_in_numbers_or_badges() -> None:
    for page in PAGES:
        assert "badge" not in text_of(page).lower()
        assert not re.search(r"\d+ ?(x|times) (faster|as fast)", text_of(page))
