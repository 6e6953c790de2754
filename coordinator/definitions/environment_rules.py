"""The rules about environments: overlays, and what workflows read from them."""

from __future__ import annotations

from typing import Final

from coordinator.definitions.rule import Rule, Severity

ENVIRONMENT_RULES: Final = (
    Rule(
        "WF080",
        "not for an overlay to change",
        "An overlay changes how steps are done. Which steps there are, what they are called and "
        "when they run is the same everywhere.",
        "Change it in the workflow or persona itself.",
    ),
    Rule(
        "WF081",
        "overlay of what is not there",
        "The overlay changes a workflow, step, parameter, variable or persona that does not exist.",
        "Correct the name, or remove the part.",
    ),
    Rule(
        "WF082",
        "unknown value of the environment",
        "The environment that was chosen, or every one there is, lacks this value.",
        "Add it under `values` of the files in envs/, or correct the name.",
    ),
    Rule(
        "WF083",
        "value of the environment may be missing",
        "A template reads a value that some environments do not have, or that nothing has while no "
        "environment is chosen.",
        "Give it in every environment, or write `| default(...)`.",
        Severity.WARNING,
    ),
)
