from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.source import Module, dotted_name, imports, modules

IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "concurrent",
        "contextvars",
        "ctypes",
        "fcntl",
        "getpass",
        "glob",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "platform",
        "pty",
        "queue",
        "random",
        "resource",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "subprocess",
        "sys",
        "syslog",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
"""Where time, chance, identity, files, other threads and other machines come from."""
IMPURE_CALLS = frozenset({"open", "print", "input", "breakpoint", "exec", "eval", "id", "hash"})
CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter"})
WAITING = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
HARMLESS = frozenset({"sys.intern", "sys.maxsize", "urllib.parse"})


def _pure() -> list[Module]:
    return [module for module in modules() if module.is_pure]


def test_pure_modules_import_nothing_that_reaches_outside() -> None:
    wrong = [
        f"{module.at(one.line)}: {one.target}"
        for module in _pure()
        for one in imports(module)
        if one.target.partition(".")[0] in IMPURE_MODULES and one.target not in HARMLESS
    ]
    assert not wrong, "\n".join(wrong)


def _impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, WAITING):
            yield node.lineno, "waits"
        elif isinstance(node, ast.Call):
            name = dotted_name(node.func)
            if name in IMPURE_CALLS or name.rpartition(".")[2] in CLOCKS:
                yield node.lineno, f"calls {name}()"


def test_pure_modules_neither_wait_nor_read_clocks_nor_touch_files() -> None:
    wrong = [
        f"{module.at(line)}: {what}"
        for module in _pure()
        for line, what in _impurities(module.tree)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_itself_sees_impure_code() -> None:
    text = "async def f():\n  open('x')\nd = datetime.now(UTC)\nreading = event.now\n"
    assert [what for _, what in _impurities(ast.parse(text))] == [
        "waits",
        "calls datetime.now()",
        "calls open()",
    ]


def test_the_whole_core_is_pure() -> None:
    assert {"core", "definitions"} <= {module.part for module in _pure()}
