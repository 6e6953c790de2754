from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.layers import PROCESS_STARTERS, is_within
from tests.architecture.source import ROOT, dotted_name, imports, modules, tracked_files

UNSAFE_MODULES = frozenset({"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "pty"})
UNSAFE_CALLS = frozenset(
    {
        "asyncio.create_subprocess_shell",
        "create_subprocess_shell",
        "eval",
        "exec",
        "os.popen",
        "os.system",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "tempfile.mktemp",
        "yaml.full_load",
        "yaml.full_load_all",
        "yaml.load",
        "yaml.load_all",
        "yaml.unsafe_load",
        "yaml.unsafe_load_all",
    }
)
PROCESS_MODULES = frozenset({"subprocess", "multiprocessing"})
PROCESS_CALLS = re.compile(
    r"(?:^|\.)(create_subprocess_\w+|subprocess_exec|ProcessPoolExecutor)$"
    r"|^os\.(fork|forkpty|posix_spawnp?|spawn\w+|exec[lv]\w*)$"
)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := dotted_name(node.func)):
            yield node, name


def _unsafe(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for call, name in _calls(tree):
        if name in UNSAFE_CALLS:
            yield call.lineno, name
        for keyword in call.keywords:
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "shell" and not off:
                yield call.lineno, "shell="


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    wrong = []
    for module in modules():
        wrong += [f"{module.at(line)}: {what}" for line, what in _unsafe(module.tree)]
        wrong += [
            f"{module.at(one.line)}: {one.target}"
            for one in imports(module)
            if one.target.partition(".")[0] in UNSAFE_MODULES
        ]
    assert not wrong, "\n".join(wrong)


def test_the_check_itself_sees_unsafe_code() -> None:
    text = "eval(x)\nyaml.load(x)\nrun(x, shell=True)\nrun(x, shell=y)\nrun(x, shell=False)\n"
    assert [line for line, _ in _unsafe(ast.parse(text))] == [1, 2, 3, 4]


def test_only_the_named_modules_start_processes() -> None:
    wrong = []
    for module in modules():
        if is_within(module.name, PROCESS_STARTERS):
            continue
        wrong += [
            f"{module.at(one.line)}: imports {one.target}"
            for one in imports(module)
            if one.target.partition(".")[0] in PROCESS_MODULES
        ]
        wrong += [
            f"{module.at(call.lineno)}: calls {name}"
            for call, name in _calls(module.tree)
            if PROCESS_CALLS.search(name)
        ]
    assert not wrong, "\n".join(wrong)


def test_no_text_of_the_repository_names_a_folder_of_somebodys_machine() -> None:
    """Whoever reads, runs or copies this is on another machine."""
    folders = "|".join(("home", "root", "work", "Users", "tmp/guide"))
    personal = re.compile(rf"(?<![\w.}})*-])/(?:{folders})/(?=\w)")
    wrong = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), 1)
            if personal.search(line)
        ]
    assert not wrong, "\n".join(wrong)
