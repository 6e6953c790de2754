"""Tables of the pages that are about the program rather than about files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from types import ModuleType

import coordinator
from coordinator.cli.errors import ExitCode
from coordinator.core.definition import RETRIED_BY_DEFAULT, ErrorClass, Join
from coordinator.core.verdicts import FAIL_WORDS, PASS_WORDS
from coordinator.definitions.parse import LATER_TYPES
from coordinator.definitions.report import STEP_SPELLINGS, WORKFLOW_SPELLINGS
from coordinator.redis_store import keys
from coordinator.telemetry import metrics
from steps.git_operation import OPERATIONS
from tests.architecture.source import ROOT

EXITS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "the command failed: faults found, run not accepted, expression refused",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.RUN_FAILED: "the run ended failed, stopped or cancelled",
    ExitCode.NOT_ALLOWED: "not allowed",
    ExitCode.NOT_FOUND: "not found",
    ExitCode.CONFLICT: "in conflict with what is there",
    ExitCode.WAITING_ON_HUMAN: "the run waits on a human",
    ExitCode.TIMED_OUT: "the time to wait is over; the run goes on",
    ExitCode.INTERRUPTED: "interrupted",
}
JOINS = {
    Join.NONE_FAILED: "none failed or was cancelled, and at least one succeeded",
    Join.ALL_SUCCEEDED: "all succeeded",
    Join.ANY_SUCCEEDED: "at least one succeeded",
    Join.ANY_FAILED: "at least one failed, tolerated failures included",
    Join.ALL_SETTLED: "in any case; also written `always`",
}
CLASSES = {
    ErrorClass.TIMEOUT: "no reply within `timeout`",
    ErrorClass.TRANSPORT: "the way to the worker, to the repository, or the worker itself broke",
    ErrorClass.RATE_LIMIT: "the other side wants us to be slower",
    ErrorClass.INVALID_REPLY: "the reply cannot be read, or is too large",
    ErrorClass.REFUSED: "the worker or git will not do this: not allowed, not installed, outside "
    "the limits",
    ErrorClass.PERSONA_ERROR: "the persona failed: an exit code that means no verdict, a signal",
    ErrorClass.STEP_ERROR: "the step itself is wrong: a template that cannot be rendered, a patch "
    "that does not apply",
    ErrorClass.GATE: "the verdict is not the one that `gate` wants",
    ErrorClass.EXHAUSTED: "`until` never held, or the run had more than `max_steps` node starts",
    ErrorClass.BUDGET: "reserved for budgets; only a worker of your own can report it now",
    ErrorClass.HUMAN_TIMEOUT: "no answer before the `deadline`",
    ErrorClass.CANCELLED: "somebody ended it",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def the_map() -> str:
    """The map of the code, as it stands in the package's docstring."""
    lines = re.findall(r"^    (\S.*)$", inspect.getdoc(coordinator) or "", re.MULTILINE)
    return "```text\n" + "\n".join(lines) + "\n```"


def table_of(module: ModuleType) -> str:
    """The table in a module's docstring."""
    lines = (module.__doc__ or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def metrics_table() -> str:
    """Every metric."""
    return table_of(metrics)


def keys_table() -> str:
    """Every Redis key."""
    return table_of(keys)


def exit_table() -> str:
    """Every exit code."""
    return table(("code", "meaning"), [(f"{code.value}", EXITS[code]) for code in ExitCode])


def joins() -> str:
    """Every join."""
    return table(("join", "the step runs when"), [(f"`{one}`", JOINS[one]) for one in Join])


def classes() -> str:
    """Every class of errors."""
    rows = [
        (f"`{one}`", CLASSES[one], "yes" if one in RETRIED_BY_DEFAULT else "no")
        for one in ErrorClass
    ]
    return table(("class", "what happened", "retried unless `retry.on` says otherwise"), rows)


def verdict_words() -> str:
    """Which words are verdicts."""
    words = (("pass", PASS_WORDS), ("fail", FAIL_WORDS))
    rows = [(f"`{is_}`", ", ".join(f"`{word}`" for word in sorted(of))) for is_, of in words]
    return table(("verdict", "words"), rows)


def spellings() -> str:
    """Other spellings of keys."""
    found: dict[str, list[str]] = {}
    for other, key in {**STEP_SPELLINGS, **WORKFLOW_SPELLINGS}.items():
        found.setdefault(key, []).append(f"`{other}`")
    return table(("key", "also written"), [(f"`{k}`", ", ".join(v)) for k, v in found.items()])


def operations() -> str:
    """Every git operation with its parameters."""
    rows = [(f"`{name}`", ", ".join(f"`{p}`" for p in takes)) for name, takes in OPERATIONS.items()]
    return table(("operation", "params"), rows)


def later_types() -> str:
    """Step types that this version refuses."""
    return ", ".join(f"`{name}`" for name in sorted(LATER_TYPES))


def plugin_package() -> str:
    """The files of the package with a step type that the tests install."""
    folder = ROOT / "tests/steps/announce"
    shown = (("pyproject.toml", "toml"), ("announce.py", "python"))
    return "\n\n".join(
        f"`{name}`:\n\n```{language}\n{(folder / name).read_text().rstrip()}\n```"
        for name, language in shown
    )
