"""The map in the package's docstring is the tree."""

from __future__ import annotations

import re

import coordinator
from tests.architecture.layers import MAY_IMPORT
from tests.architecture.source import ROOT


def _map() -> dict[str, str]:
    lines = re.findall(r"^    (\w+)  +(\S.*)$", coordinator.__doc__ or "", re.MULTILINE)
    return dict(lines)


def _tree() -> set[str]:
    folder = ROOT / "coordinator"
    parts = {path.stem for path in folder.glob("*.py")}
    parts |= {path.parent.name for path in folder.glob("*/__init__.py")}
    return parts - {"__init__", "__main__"}


def test_the_map_has_one_line_for_each_part_and_no_more() -> None:
    assert set(_map()) - {"steps"} == _tree()


def test_the_map_is_in_import_order() -> None:
    """Read from the top, nothing is used before it was introduced."""
    seen: set[str] = set()
    for part in _map():
        later = MAY_IMPORT[part] & _map().keys() - seen
        assert not later, f"{part} may import {later}, which come later in the map"
        seen.add(part)
