"""Which file of a repository is what, by its place and name."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

ENDINGS: Final = (".yml", ".yaml", ".json")
_PERSONA_FILE: Final = "persona"


def folder_of(path: str) -> str:
    """What is before the last slash; empty at the top."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """What is after the last slash."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The name without its ending."""
    name = name_of(path)
    return name.rpartition(".")[0] or name


def is_workflow_path(path: str) -> bool:
    """Whether a file is a workflow: below a folder of workflows, and no persona that lies there."""
    if not path.endswith(ENDINGS) or is_scenario_path(path) or is_below_personas(path):
        return False
    return "workflows" in folder_of(path).split("/")


def is_scenario_path(path: str) -> bool:
    """Whether a file is a scenario."""
    return stem_of(path).endswith(".scenario")


def is_persona_path(path: str) -> bool:
    """Whether a file is a persona: `personas/<name>.yaml` or `personas/<name>/persona.yaml`."""
    if not path.endswith(ENDINGS) or is_scenario_path(path):
        return False
    folder = folder_of(path)
    if name_of(folder) == "personas":
        return True
    return stem_of(path) == _PERSONA_FILE and name_of(folder_of(folder)) == "personas"


def is_env_path(path: str) -> bool:
    """Whether a file is an environment's overlay: `envs/<name>.yaml`."""
    above, _, folder = folder_of(path).rpartition("/")
    is_inside = {"workflows", "personas"} & set(above.split("/"))
    return path.endswith(ENDINGS) and folder == "envs" and not is_inside and bool(stem_of(path))


def is_below_personas(path: str) -> bool:
    """Whether a file is anywhere in a folder of personas."""
    return "personas" in folder_of(path).split("/")


def is_example_path(path: str) -> bool:
    """Whether a file is anywhere below `workflows/examples`: there to be run by its path and to be
    copied, but never part of what a coordinator serves.
    """
    return ("workflows", "examples") in pairwise(folder_of(path).split("/"))


def persona_named_by(path: str) -> str:
    """The name of a persona as its path tells it."""
    return name_of(folder_of(path)) if stem_of(path) == _PERSONA_FILE else stem_of(path)
