"""The examples as starter projects: what has to be copied of each, and how it is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from coordinator.cli.errors import NotFoundError
from coordinator.definitions.compile import compile_bundle
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import Faults, listed, nearest
from coordinator.definitions.read import read
from coordinator.shipped import EXAMPLES, example_files

_COMMAND: Final = re.compile(r"^# +(coordinator run .+)$", re.MULTILINE)


class Starter(NamedTuple):
    """The files of an example as they lie in a project of its own."""

    files: Mapping[str, str]
    """Path -> text."""
    command: str
    """What its first lines say to try."""


def starter(name: str) -> Starter:
    """The example of this name, with its personas, its scenarios, and the workflows that it runs.

    Raises:
        NotFoundError: there is none.
    """
    from steps.registry import step_types

    files = example_files()
    known = compile_bundle(files, step_types=step_types()).workflows
    if name not in known:
        near = nearest(name, sorted(known))
        hint = f'did you mean "{near}"?' if near else f"there are: {listed(sorted(known), 50)}"
        raise NotFoundError(f'there is no example "{name}"; {hint}')
    found: dict[str, str] = {}
    for each in (known[name], *known[name].children.values()):
        found |= _files_of(each, files)
    command = _COMMAND.search(found[f"workflows/{name}.yml"])
    return Starter(found, command[1] if command else f"coordinator run {name} --local")


def _files_of(compiled: Compiled, files: Mapping[str, str]) -> dict[str, str]:
    name = compiled.workflow.id
    moved = files[compiled.file].replace(f"{EXAMPLES}/", "workflows/")
    found = {f"workflows/{name}.yml": moved}
    for persona in compiled.personas:
        path = f"{EXAMPLES}/personas/{persona}.yaml"
        found[f"personas/{persona}.yaml"] = files[path]
    for path, text in files.items():
        if path.endswith(".scenario.yml") and _workflow_of(path, text) == name:
            found[f"scenarios/{path.rpartition('/')[2]}"] = text
    return found


def _workflow_of(path: str, text: str) -> object:
    document = read(path, text, Faults(path))
    value = document.value if document else None
    return value.get("workflow") if isinstance(value, dict) else None
