"""A `Compute`: values for the workflow's own state, written at once."""

from __future__ import annotations

from typing import Any, cast

from coordinator.core.context import RunScope
from coordinator.core.definition import Compute, ErrorClass
from coordinator.core.events import Failure
from coordinator.core.failures import fail
from coordinator.core.success import succeed
from coordinator.core.templates import TemplateError
from coordinator.core.turn import Turn


def compute(turn: Turn, path: str) -> None:
    """Begin and end the next attempt of the node at `path`.

    All values see the state as it was before; one that cannot be rendered leaves it so.
    """
    primitive, state = cast("Compute", turn.define(path).primitive), turn.node(path)
    turn.note(
        path, state._replace(attempt=state.attempt + 1, started_ms=state.started_ms or turn.at_ms)
    )
    try:
        values = cast("dict[str, Any]", primitive.values.render(RunScope(turn, path)))
    except TemplateError as error:
        where = ".".join(map(str, ("values", *error.pointer)))
        message = f"{where}: {error}"
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=message))
        return
    for name, value in values.items():
        turn.put_value(name, value)
    succeed(turn, path, verdict=None, result=values)
