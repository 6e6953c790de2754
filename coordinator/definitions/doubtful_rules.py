"""The rules about what is well written and hardly meant; all of them warn."""

from __future__ import annotations

from typing import Final

from coordinator.definitions.rule import Rule, Severity

_W: Final = Severity.WARNING

DOUBTFUL_RULES: Final = (
    Rule(
        "WF070",
        "compared with what never comes",
        "The value that is compared can never be this one: a verdict is `pass`, `fail` or "
        "`unknown`, an outcome `succeeded`, `failed`, `skipped` or `cancelled`, and text is never "
        "equal to a number.",
        "Compare it with one of its values.",
        _W,
    ),
    Rule(
        "WF071",
        "condition that decides nothing",
        "A part of the condition is said twice, excludes another part, or holds in any case.",
        "Remove the part, or exchange `and` and `or`.",
        _W,
    ),
    Rule(
        "WF072",
        "verdict that nobody reads",
        "The step judges, and what comes after it merges, pushes or is required whatever the "
        "verdict is: a step that says `fail` has succeeded all the same.",
        "Write gate: pass, or let a condition or until read the verdict.",
        _W,
    ),
    Rule(
        "WF073",
        "gate that is never passed",
        "Steps of this type have no verdict, so a gate always fails them.",
        "Remove the gate; a step that did not do its work has failed without it.",
        _W,
    ),
    Rule(
        "WF074",
        "loop that waits for what never changes",
        "`until` reads nothing that changes from one iteration to the next, so the loop runs once "
        "or until its iterations are used up.",
        "Read what a step inside the loop concludes, or iteration.",
        _W,
    ),
    Rule(
        "WF075",
        "loop beyond max_steps",
        "If the loop runs as often as it may, the run has more node starts than max_steps and "
        "fails.",
        "Let the loop run less often, or give the workflow a higher max_steps.",
        _W,
    ),
    Rule(
        "WF076",
        "time limit that is never reached",
        "Another limit is shorter, so this one means nothing.",
        "Shorten it, or lengthen the other one.",
        _W,
    ),
    Rule(
        "WF077",
        "key that a run or a task does not have",
        "`run` has a closed list of keys; a task has what its producer sends, and a name that is "
        "nearly that of a key which every task has is likely a slip.",
        "Correct the name.",
        _W,
    ),
    Rule(
        "WF078",
        "refused when it runs",
        "The step compiles, and fails when its turn comes: git has no such strategy, no branch can "
        "have this name, a default does not fit its form, a persona stands in for a container.",
        "Write a value as the message says.",
        _W,
    ),
    Rule(
        "WF079",
        "param that the persona needs",
        "The command of the persona reads a param that the step does not give, so the request "
        "cannot be carried out.",
        "Give it under params, or let the command read it with `| default(...)`.",
        _W,
    ),
)
"""What is probably a slip of the author."""
