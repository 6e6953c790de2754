"""The workflows that come with the program, examples included, and the scenarios of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from coordinator.definitions import Bundle
from coordinator.definitions.compile import compile_bundle
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import Faults
from coordinator.shipped import EXAMPLES, example_files, shipped_files
from coordinator.simulation import Scenario, read_scenario
from steps.registry import step_types


class Tried(NamedTuple):
    """A workflow, and its scenarios by the names of their files."""

    compiled: Compiled
    scenarios: Mapping[str, Scenario]


@cache
def bundle(*, of_examples: bool) -> Bundle:
    """What the examples, or the other shipped files, compile to."""
    files = example_files() if of_examples else shipped_files()
    return compile_bundle(files, step_types=step_types())


@cache
def examples() -> Mapping[str, Compiled]:
    """Every example by its id."""
    return bundle(of_examples=True).workflows


@cache
def everything() -> Mapping[str, Tried]:
    """Every workflow that comes with the program, by its id."""
    found = {}
    for of_examples in (False, True):
        scenarios = _scenarios(example_files() if of_examples else shipped_files())
        for name, compiled in bundle(of_examples=of_examples).workflows.items():
            own = {file: one for file, one in scenarios.items() if one.workflow == name}
            found[name] = Tried(compiled, own)
    return found


def source_of(name: str) -> str:
    """The text of an example's file."""
    return example_files()[f"{EXAMPLES}/{name}.yml"]


def _scenarios(files: Mapping[str, str]) -> dict[str, Scenario]:
    found = {}
    for path, text in files.items():
        if path.endswith(".scenario.yml"):
            faults = Faults(path)
            scenario = read_scenario(path, text, faults)
            assert scenario is not None, faults.found
            found[path.rpartition("/")[2].removesuffix(".scenario.yml")] = scenario
    return found
