"""The project's own code as syntax trees: modules, their imports, their functions."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("coordinator", "steps")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef | ast.Module


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module, by its full name, and where."""

    target: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module of ours."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def part(self) -> str:
        """The part of the map it belongs to: `core`, `ports`, …; `steps` for the step types."""
        first, _, rest = self.name.partition(".")
        return rest.partition(".")[0] if first == "coordinator" else first

    @property
    def is_pure(self) -> bool:
        """Whether it says so itself, or its whole part does."""
        doc = ast.get_docstring(self.tree) or ""
        return self.part in {"core", "definitions", "simulation"} or doc.startswith("PURE")

    def at(self, line: int) -> str:
        """`path:line`, as editors open it."""
        return f"{self.path.relative_to(ROOT)}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the shipped packages."""
    found = []
    for package in SHIPPED:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(
                Module(
                    name=_dotted(path),
                    path=path,
                    tree=ast.parse(text, filename=str(path)),
                    lines=text.count("\n"),
                )
            )
    assert len(found) > 40, "the shipped packages were not found"
    return tuple(found)


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: Module) -> Iterator[Import]:
    """Everything it imports: at load, inside functions, and for the type checker alone."""
    known = {one.name for one in modules()}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(target=alias.name, line=node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.at(node.lineno)}: import it by its full name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in known else str(node.module)
                yield Import(target=target, line=node.lineno)


def functions(module: Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def classes(module: Module) -> Iterator[ast.ClassDef]:
    """Every class, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            yield node


def dotted_name(node: ast.expr) -> str:
    """`a.b.c` for that expression; empty for anything that is not a plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the repository that git does not ignore."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = (name for name in listed.stdout.split("\0") if name)
    return tuple(path for path in (ROOT / name for name in names) if path.is_file())
