from __future__ import annotations

import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter

from tests.architecture.layers import MAY_IMPORT, OWNERS, is_within
from tests.architecture.source import ROOT, SHIPPED, imports, modules


def _part(target: str) -> str:
    first, _, rest = target.partition(".")
    return rest.partition(".")[0] if first == "coordinator" else first


def test_every_part_has_a_line_in_the_table_of_layers() -> None:
    missing = {module.part for module in modules()} - MAY_IMPORT.keys()
    assert not missing, f"say in tests/architecture/layers.py what these may import: {missing}"


def test_a_part_imports_only_what_the_table_allows() -> None:
    wrong = [
        f"{module.at(one.line)}: {module.part or 'coordinator'} must not import {one.target}"
        for module in modules()
        for one in imports(module)
        if one.target.partition(".")[0] in SHIPPED
        and _part(one.target) != module.part
        and _part(one.target) not in MAY_IMPORT.get(module.part, frozenset())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_of_layers_has_no_cycle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


def test_each_outside_library_is_imported_by_its_owner_alone() -> None:
    wrong = []
    for module in modules():
        for one in imports(module):
            library = one.target.partition(".")[0]
            if library in sys.stdlib_module_names or library in SHIPPED:
                continue
            if not is_within(module.name, OWNERS.get(library, ())):
                wrong.append(
                    f"{module.at(one.line)}: {one.target} belongs to {OWNERS.get(library)}"
                )
    assert not wrong, "\n".join(wrong)


def test_every_runtime_dependency_has_an_owner() -> None:
    names = {
        "gitpython": "git",
        "jsonschema-rs": "jsonschema_rs",
        "prometheus-client": "prometheus_client",
        "pyyaml": "yaml",
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {
        line.split(";")[0].split("[")[0].split(">")[0].split("=")[0].strip()
        for line in project["dependencies"]
    }
    assert {names.get(one, one) for one in listed} <= OWNERS.keys()


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = {module.name for module in modules()}
    graph = {
        module.name: {one.target for one in imports(module)} & known - {module.name}
        for module in modules()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def _loaded_by(prefix: str) -> set[str]:
    names = [one.name for one in modules() if is_within(one.name, (prefix,))]
    program = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
    program += "print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_a_fresh_interpreter_that_imports_the_core_loads_no_driver() -> None:
    loaded = _loaded_by("coordinator.core")
    assert "coordinator.core.decide" in loaded
    assert not loaded & (OWNERS.keys() - {"jinja2", "orjson", "simpleeval"})
    ours = {_part(name) for name in loaded if name.partition(".")[0] in SHIPPED}
    assert ours <= {"", "core"}


def test_a_fresh_interpreter_that_imports_the_engine_loads_no_driver() -> None:
    loaded = _loaded_by("coordinator.engine")
    assert not loaded & {"redis", "fakeredis", "git", "click", "rich", "structlog", "yaml"}
    assert "prometheus_client" not in loaded
