"""Every rule that a file can break: its id, what it means, and the cure.

Ids are stable; a rule that is no longer needed leaves its number unused. To add one: an entry of
the table below, then two small examples that a reader of the documentation understands,
`tests/definitions/rules/<id>/bad/<name>.yml`, whose first line is `# <id> <line>:<column>` and
which breaks this rule alone, and `.../good/<name>.yml`, the same without any fault; they may ask
the personas of `tests/definitions/rules/personas/`. `make docs` then writes the page of the rule.
"""

from __future__ import annotations

from typing import Final

from coordinator.definitions.calling_rules import CALLING_RULES
from coordinator.definitions.doubtful_rules import DOUBTFUL_RULES
from coordinator.definitions.environment_rules import ENVIRONMENT_RULES
from coordinator.definitions.reading_rules import READING_RULES
from coordinator.definitions.rule import Rule, Severity
from coordinator.definitions.schema_rules import SCHEMA_RULES

__all__ = ["RULES", "TABLE", "Rule", "Severity"]

_W: Final = Severity.WARNING

TABLE: Final = (
    *READING_RULES,
    Rule(
        "WF020",
        "unknown key",
        "The key means nothing at this place, so it would be ignored.",
        "Correct or remove it; `coordinator schema workflow` lists the keys.",
    ),
    Rule("WF021", "key missing", "A key that is needed is not there.", "Add it."),
    Rule(
        "WF022",
        "value not allowed",
        "The value has the wrong type or is none of the allowed ones.",
        "Write a value as the message says.",
    ),
    Rule(
        "WF023",
        "same key in two spellings",
        "Two spellings of one key are both given.",
        "Keep one of them.",
    ),
    Rule(
        "WF024",
        "not an id",
        "Ids begin with a small letter, then small letters, digits, `_` or `-`; at most 63.",
        "Rename it; a nicer text fits into `name`.",
    ),
    Rule(
        "WF025",
        "id used twice",
        "Step ids are unique in a file, also inside containers; `a-b` and `a_b` count as equal "
        "because expressions know both as `a_b`.",
        "Rename one of the steps.",
    ),
    Rule(
        "WF026",
        "reserved id",
        "`finally`, `on_failure`, `undo` and `fallback` are parts of paths; no persona is called "
        "`coordinator`, for under that name the coordinator answers itself.",
        "Rename the step.",
    ),
    Rule(
        "WF027",
        "id hides behind another name",
        "A bare name in expressions means something else before it means this.",
        "Rename it, or read it as `steps.<id>` or `params.<name>`.",
        _W,
    ),
    Rule(
        "WF028",
        "not a version",
        "Versions are semantic versions as text.",
        'Write for example version: "1.0.0".',
    ),
    Rule(
        "WF029",
        "not a duration",
        "Durations are seconds, or 90s, 15m, 1h30m, 2d, PT15M; above zero, at most ten years.",
        "Write it in one of these forms.",
    ),
    Rule("WF030", "no steps", "A list of steps is empty.", "Add a step, or remove the key."),
    Rule(
        "WF031",
        "unknown step type",
        "Neither a built-in type nor an installed plugin has this name.",
        "Correct it; `coordinator steps list` shows the types.",
    ),
    Rule(
        "WF032",
        "step type not available in this version",
        "The language knows the type, this version does not run it yet.",
        "Use another type, or a newer version.",
    ),
    Rule(
        "WF033",
        "persona taken from the id",
        "The step has neither type nor persona, so the persona of its own id is asked.",
        "Name the persona.",
        _W,
    ),
    Rule(
        "WF034",
        "loop without a bound",
        "A loop has to say how often it may run at most.",
        "Add max_iterations.",
    ),
    Rule(
        "WF035",
        "keys that exclude each other",
        "Two keys say different things about the same.",
        "Keep one of them.",
    ),
    Rule(
        "WF036",
        "language version not known",
        "`schema` names a version of the language that this program does not read.",
        "Write schema: 1, or use a newer version.",
    ),
    Rule(
        "WF037",
        "parameter declaration does not fit",
        "The default or a choice is not of the declared type.",
        "Correct the value or the type.",
    ),
    Rule(
        "WF038",
        "name used by two files",
        "Two files define the same workflow or the same persona.",
        "Rename one of them.",
    ),
    Rule(
        "WF039",
        "key without effect",
        "The key is part of the language, but does nothing here in this version.",
        "Remove it, or put it where the message says.",
        _W,
    ),
    Rule(
        "WF040",
        "unknown dependency",
        "No step has this id.",
        "Correct the id.",
    ),
    Rule(
        "WF041",
        "dependency outside its list",
        "A dependency names a step of the same list; a step inside a container waits with it.",
        "Name the dependency on the container, or read the step's result, which makes the edge.",
    ),
    Rule("WF042", "depends on itself", "A step cannot wait for itself.", "Remove the dependency."),
    Rule(
        "WF043",
        "cycle",
        "These steps wait for each other, so none of them can start.",
        "Remove one of the edges; inside a loop, state.<id>_result is what is there so far.",
    ),
    Rule(
        "WF044",
        "step never runs",
        "Whatever happens, the step is skipped.",
        "Correct its condition or join, or remove it.",
        _W,
    ),
    Rule(
        "WF045",
        "reads into a foreach",
        "A step inside a foreach runs once for each item, so that from outside its name means none "
        "of them in particular.",
        "Read the list of all results: steps.<foreach>.result.",
    ),
    Rule(
        "WF050",
        "condition cannot be read",
        "The text is not a condition.",
        "Correct it; `coordinator eval` tries one out.",
    ),
    Rule(
        "WF051",
        "template cannot be read",
        "The text inside `{{ }}` is not an expression of templates.",
        "Correct it; `coordinator eval --template` tries one out.",
    ),
    Rule(
        "WF052",
        "unknown name",
        "Nothing of this name can be read here.",
        "Use one of the roots, a parameter or a step id.",
    ),
    Rule("WF053", "unknown step", "No step has this id.", "Correct the id."),
    Rule(
        "WF054",
        "unknown parameter",
        "The file declares no such parameter.",
        "Declare it under params, or correct the name.",
    ),
    Rule(
        "WF055",
        "unknown variable",
        "The file declares no such variable.",
        "Declare it under variables, or correct the name.",
    ),
    Rule(
        "WF056",
        "unknown key of context",
        "`context` has a closed list of keys.",
        "Correct the name, or read it from task, state or steps.",
    ),
    Rule(
        "WF057",
        "unknown state key",
        "No step and nothing else sets this key, so it stays empty.",
        "Correct the name: state has <step id>_status, <step id>_result, and what steps of type "
        "set write.",
        _W,
    ),
    Rule(
        "WF058",
        "result may be missing",
        "The step that is read may have been skipped, or have failed, while the reader runs.",
        "Write `| default(...)`, guard it with `if`, or let the reader's condition or join ask "
        "for it.",
    ),
    Rule(
        "WF059",
        "not readable from here",
        "The name is known, but not at this place.",
        "Read it where the message says.",
    ),
    Rule(
        "WF060",
        "unknown persona",
        "No persona file has this name or alias.",
        "Add personas/<name>.yaml, or correct the name.",
    ),
    Rule(
        "WF061",
        "persona is not enabled",
        "Only enabled personas may be used.",
        "Set its status to enabled, or use another one.",
    ),
    Rule(
        "WF062",
        "prompt file missing",
        "The persona names a prompt file that is not beside it.",
        "Add the file, or correct the name.",
    ),
    Rule(
        "WF063",
        "value hides what a step left",
        "A `set` writes a name of `state` under which a step's own status or result is read.",
        "Write it under another name.",
        _W,
    ),
    Rule(
        "WF064",
        "not a moment",
        "A moment has date, time and zone; without a zone nobody knows when it is.",
        "Write it as in 2026-08-01T09:00:00Z or 2026-08-01T09:00:00+02:00.",
    ),
    Rule(
        "WF065",
        "template where none is read",
        "A text at this place counts as it is written; its braces stay in it.",
        "Write the value itself, or move the choice to a key that takes templates.",
        _W,
    ),
    *DOUBTFUL_RULES,
    *ENVIRONMENT_RULES,
    *SCHEMA_RULES,
    Rule(
        "WF090",
        "scenario that does not fit its workflow",
        "The scenario names a workflow, a node, an output or a parameter that is not there.",
        "Correct the name; `coordinator graph` shows the nodes of a workflow.",
    ),
    *CALLING_RULES,
)
"""Every rule there is, in the order of their ids."""

RULES: Final = {rule.id: rule for rule in TABLE}
"""Every rule by its id."""
