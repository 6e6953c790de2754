"""The rules about steps that run other workflows."""

from __future__ import annotations

from typing import Final

from coordinator.definitions.rule import Rule

CALLING_RULES: Final = (
    Rule(
        "WF100",
        "unknown workflow",
        "A step runs a workflow that no file around defines, or one whose file has faults.",
        "Write the id of a workflow: its name in small letters with dashes.",
    ),
    Rule(
        "WF101",
        "workflows inside each other without end",
        "A workflow runs itself, perhaps through others, or more than 20 run inside each other.",
        "Take one of these steps out; to do something again, use a step of type repeat.",
    ),
    Rule(
        "WF102",
        "params do not fit the workflow",
        "A step gives a workflow something that it does not take, or not what it needs.",
        "Give what the workflow declares under params.",
    ),
)
