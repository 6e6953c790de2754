"""The sample: a small package with a failing test, and two tasks with scripted patches.

The patches are written here, by hand; nothing in the demo pretends that a model made them.
"""

from __future__ import annotations

import difflib
from typing import Final

_SLUG: Final = '''"""Slugs for titles."""

import re


def slugify(title: str) -> str:
    """Lower-case words of `title`, joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())
'''

_TESTS: Final = '''"""What a slug looks like."""

import pytest

from textkit.slug import slugify


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Fix the parser", "fix-the-parser"),
        ("Release 2.0", "release-2-0"),
        ("  Hello, World! ", "hello-world"),
    ],
)
def test_a_title_becomes_a_slug(title: str, slug: str) -> None:
    assert slugify(title) == slug


def test_many_titles_become_slugs_of_themselves() -> None:
    for number in range(150_000):
        assert slugify(f"title-{number}") == f"title-{number}"
'''

FILES: Final = {
    "README.md": "# textkit\n\nSlugs for titles.\n",
    "pyproject.toml": '[project]\nname = "textkit"\nversion = "0.1.0"\n'
    '\n[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "textkit/__init__.py": '"""Small tools for text."""\n',
    "textkit/slug.py": _SLUG,
    "tests/test_slug.py": _TESTS,
    ".gitignore": "__pycache__/\n.pytest_cache/\n.ruff_cache/\n",
}
"""The sample package; one of its tests fails."""

_HASTY: Final = _SLUG.replace("title.lower())", "title.lower().strip())")
_RIGHT: Final = _HASTY.replace(
    're.sub(r"[^a-z0-9]+", "-", title.lower().strip())',
    're.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")',
)


def _joined_by(separator: str) -> str:
    return _RIGHT.replace('"-", title', f'"{separator}", title')


def _patch(before: str, after: str) -> str:
    path = "textkit/slug.py"
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    return "".join(lines)


GOOD_TASK: Final[dict[str, object]] = {
    "id": "DEMO-1",
    "type": "bugfix",
    "title": "Strip dashes around slugs",
    "description": "slugify('  Hello, World! ') gives '-hello-world-'. "
    "A slug neither begins nor ends with a dash. See tests/test_slug.py and textkit/slug.py.",
    "patches": [_patch(_SLUG, _HASTY), _patch(_HASTY, _RIGHT)],
}
"""The first patch fails pytest; the second is right."""

HOPELESS_TASK: Final[dict[str, object]] = {
    "id": "DEMO-2",
    "type": "bugfix",
    "title": "Write slugs with dots",
    "description": "Somebody would like dots between the words of a slug.",
    "patches": [
        _patch(_RIGHT, _joined_by(".")),
        _patch(_joined_by("."), _joined_by("_")),
        _patch(_joined_by("_"), _joined_by("+")),
    ],
}
"""No patch ever passes the tests."""
