"""Lint, format and types are part of the suite; one worker runs all three."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

pytestmark = [pytest.mark.xdist_group("tools"), pytest.mark.timeout(400)]


def _run(*argv: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-8000:]}{done.stderr[-4000:]}"


def test_ruff_finds_nothing() -> None:
    _run("ruff", "check", "--no-cache", ".")


def test_ruff_would_format_nothing() -> None:
    _run("ruff", "format", "--no-cache", "--check", ".")


def test_mypy_strict_finds_nothing() -> None:
    _run("mypy")
