from __future__ import annotations

import ast
import importlib
import inspect
import operator
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


def _public(
    tree: ast.Module | ast.ClassDef, path: str = ""
) -> Iterator[tuple[Function | ast.ClassDef, str]]:
    """Public classes and functions, each with its dotted place in the module."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node, f"{path}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{path}{node.name}.")


def _repeats_another(module: str, path: str, node: Function | ast.ClassDef) -> bool:
    """Overloads and setters repeat what stands beside them, methods what their base says."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    if marks & {"overload", "setter"}:
        return True
    if isinstance(node, ast.ClassDef) or "." not in path:
        return False
    here = operator.attrgetter(path)(importlib.import_module(module))
    return node.name.startswith("visit_") or bool(inspect.getdoc(here))


def test_everything_public_says_what_the_caller_gets() -> None:
    promised = _promised_elsewhere()
    wrong = [module.at(1) for module in modules() if not ast.get_docstring(module.tree)]
    wrong += [
        f"{module.at(node.lineno)}: {path}"
        for module in modules()
        for node, path in _public(module.tree)
        if not ast.get_docstring(node)
        and not ("." in path and node.name in promised)
        and not _repeats_another(module.name, path, node)
    ]
    assert not wrong, "\n".join(wrong)


def test_errors_are_called_errors() -> None:
    wrong = [
        f"{module.at(one.lineno)}: {one.name}"
        for module in modules()
        for one in classes(module)
        if any(base.endswith(("Error", "Exception")) for base in _base_names(one))
        and not one.name.startswith("_")
        and not one.name.endswith("Error")
    ]
    assert not wrong, "\n".join(wrong)
