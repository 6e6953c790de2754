"""Limits on the tail: no file and no function runs away."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.architecture.source import ROOT, Function, functions, modules, tracked_files

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40
MOST_PARAMETERS = 5


def _lines_without_docstring(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return lines
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    wrong = [f"{one.at(1)}: {one.lines}" for one in modules() if one.lines > MOST_LINES_OF_A_FILE]
    assert not wrong, "\n".join(wrong)


def test_no_function_runs_away() -> None:
    wrong = [
        f"{module.at(one.lineno)}: {one.name} has {_lines_without_docstring(one)} lines"
        for module in modules()
        for one in functions(module)
        if _lines_without_docstring(one) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not wrong, "\n".join(wrong)


def test_no_function_takes_more_than_five_parameters() -> None:
    wrong = [
        f"{module.at(one.lineno)}: {one.name} takes {_parameters(one)}"
        for module in modules()
        for one in functions(module)
        if _parameters(one) > MOST_PARAMETERS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_linter_is_told_to_stop_at_ten_branches() -> None:
    """Ruff counts the branches; this only makes sure that nobody loosens it unseen."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "C90" in lint["select"]
    assert lint["mccabe"]["max-complexity"] == 10
    assert "C90" not in " ".join(lint["ignore"])


def test_every_ignored_rule_is_named_with_its_reason() -> None:
    comment = re.compile(r"#\s*(noqa\b|type:\s*ignore)(.*)$")
    with_reason = re.compile(r"(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*|\[[a-z-]+(, ?[a-z-]+)*\])\s*(#|-)? *\w")
    wrong = []
    for path in tracked_files():
        if path.suffix != ".py" or path.parent.name == "architecture":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = comment.search(line)
            if found and not with_reason.match(found[2]):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, "say which rule and why:\n" + "\n".join(wrong)
