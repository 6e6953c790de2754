"""`coordinator eval`: one condition or one template over a context, as a workflow would see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from coordinator.cli.commands import Leaf
from coordinator.cli.errors import BadUsageError, CommandError
from coordinator.cli.inputs import read_object
from coordinator.cli.session import out
from coordinator.cli.text import clean, json_text
from coordinator.core.expressions import ExpressionError, compile_expression
from coordinator.core.ids import underscored
from coordinator.core.templates import TemplateError, compile_template

_OLDER: Final = {
    "task": "task",
    "state": "state",
    "artifacts": "artifacts",
    "workflowId": "workflow",
    "workflow_id": "workflow",
    "personaResults": "steps",
    "persona_results": "steps",
}
"""Names of the older interface below `context`, and what they are here."""


@click.command("eval", cls=Leaf)
@click.argument("expression", required=False)
@click.option("--template", help="A text with {{ }} instead of a condition.")
@click.option("--context", metavar="FILE|-", help="JSON or YAML with the names in scope.")
def evaluate(expression: str | None, template: str | None, context: str | None) -> None:
    """Evaluate EXPRESSION over the names in a context; print its value as JSON.

    A step under `steps` can be named directly, as in a workflow. A missing name is null in a
    condition and an error in a template.

    \b
    Example:
      echo '{"task": {"type": "bug"}}' | coordinator eval "task.type === 'bug'" --context -
      coordinator eval --template "feat/{{ task.slug }}" --context context.json
    """
    if (expression is None) == (template is None):
        raise BadUsageError("give either EXPRESSION or --template TEXT")
    data = read_object(context, "the context") if context else {}
    source = expression if expression is not None else str(template)
    try:
        if expression is not None:
            value = compile_expression(source).evaluate(EvaluationScope(data))
        else:
            value = compile_template(source).render(EvaluationScope(data))
    except (ExpressionError, TemplateError) as error:
        raise CommandError(_refused(source, error)) from error
    out(json_text(value))


def _refused(source: str, error: ExpressionError | TemplateError) -> str:
    line = " ".join(clean(source).split("\n"))
    column = min(error.column, len(line) + 1)
    hint = f"\n  {error.hint}" if error.hint else ""
    return f"{error.message}, at column {error.column}\n  {line}\n  {' ' * (column - 1)}^{hint}"


class _Copy(Mapping[str, object]):
    """Reads like the mapping it stands for, with more keys that are found when asked for."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: str) -> object:
        return self._data[key]


class _Step(_Copy):
    """A step: `output` is its result, and the keys of the result are its own."""

    def __getitem__(self, key: str) -> object:
        if key in self._data:
            return self._data[key]
        result = self._data.get("result")
        if key == "output" and "result" in self._data:
            return result
        if isinstance(result, Mapping):
            return result[key]
        raise KeyError(key)


class _Steps(_Copy):
    """Steps by id, with dashes or underscores."""

    def __getitem__(self, key: str) -> object:
        for name, step in self._data.items():
            if name == key or underscored(name) == key:
                return _Step(step) if isinstance(step, Mapping) else step
        raise KeyError(key)


class EvaluationScope(_Copy):
    """The names of a context file as a running workflow would have them in scope."""

    def __getitem__(self, key: str) -> object:
        steps = self._data.get("steps")
        if key == "steps" and isinstance(steps, Mapping):
            return _Steps(steps)
        if key in self._data:
            return self._data[key]
        if key == "context":
            return {old: self[new] for old, new in _OLDER.items() if new in self._data}
        params = self._data.get("params")
        if isinstance(params, Mapping) and key in params:
            return params[key]
        if isinstance(steps, Mapping):
            return _Steps(steps)[key]
        raise KeyError(key)
