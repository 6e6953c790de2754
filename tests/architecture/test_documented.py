from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.source import Function, classes, modules


def _base_names(one: ast.ClassDef) -> set[str]:
    bare = (base.value if isinstance(base, ast.Subscript) else base for base in one.bases)
    return {base.id if isinstance(base, ast.Name) else ast.unparse(base) for base in bare}


def _promised_elsewhere() -> set[str]:
    """Methods whose promise stands in a Protocol or an abstract class of ours."""
    return {
        method.name
        for module in modules()
        for one in classes(module)
        if _base_names(one) & {"Protocol", "ABC"}
        for method in one.body
        if isinstance(method, Function) and ast.get_docstring(method)
    }


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[Function | ast.ClassDef, bool]]:
    """Public classes and functions, and whether each is a method."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node, isinstance(tree, ast.ClassDef)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node)


def _is_exempt(node: Function | ast.ClassDef, is_method: bool, promised: set[str]) -> bool:
    """Overloads, setters and visitors repeat what another place says."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    return bool(marks & {"overload", "setter", "override"}) or (
        is_method and (node.name in promised or node.name.startswith("visit_"))
    )


def test_everything_public_says_what_the_caller_gets() -> None:
    promised = _promised_elsewhere()
    wrong = [module.at(1) for module in modules() if not ast.get_docstring(module.tree)]
    wrong += [
        f"{module.at(node.lineno)}: {node.name}"
        for module in modules()
        for node, is_method in _public(module.tree)
        if not ast.get_docstring(node) and not _is_exempt(node, is_method, promised)
    ]
    assert not wrong, "\n".join(wrong)


def test_errors_are_called_errors() -> None:
    wrong = [
        f"{module.at(one.lineno)}: {one.name}"
        for module in modules()
        for one in classes(module)
        if any(base.endswith(("Error", "Exception")) for base in _base_names(one))
        and not one.name.endswith("Error")
    ]
    assert not wrong, "\n".join(wrong)
