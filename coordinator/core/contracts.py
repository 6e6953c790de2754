"""What goes into a request and what comes back, held against the schemas of step and persona."""

from __future__ import annotations

from typing import Final

from coordinator.core.definition import Channel, ErrorClass, Node
from coordinator.core.events import Failure, Replied
from coordinator.core.failures import fail
from coordinator.core.schemas import Contract, misfit_text
from coordinator.core.settle import asked_target
from coordinator.core.turn import Turn
from coordinator.core.verdicts import FAIL, PASS, read_verdict

_NONE: Final = Contract()


def is_refused(turn: Turn, path: str, node: Node, params: object) -> bool:
    """Whether the attempt failed because its params are not what the persona takes."""
    channel, name = asked_target(node, turn.node(path))
    schema = _contract(turn, channel, name).input
    misfits = schema.misfits(params) if schema is not None else ()
    if misfits:
        told = misfit_text(misfits, root="params")
        message = f'the params do not fit the input_schema of the persona "{name}": {told}'
        refused = Failure(error_class=ErrorClass.REFUSED, message=message, retryable=False)
        fail(turn, path, refused)
    return bool(misfits)


def is_invalid(turn: Turn, event: Replied, node: Node) -> bool:
    """Whether the attempt failed because the result is not what step and persona promise.

    The result is kept all the same, for whoever wants to know what came.
    """
    misfit = None if event.is_stand_in else _misfit(turn, event, node)
    if misfit is None:
        return False
    turn.put_result(event.node, event.result)
    state = turn.node(event.node)
    turn.note(event.node, state._replace(verdict=None, is_referenced=event.is_reference))
    fail(turn, event.node, Failure(error_class=ErrorClass.INVALID_REPLY, message=misfit))
    return True


def verdict_of(event: Replied, *, tests_required: bool) -> str:
    """What the reply concludes, by the rule for verdicts."""
    verdict = read_verdict(event.result, event.verdict, tests_required=tests_required)
    return FAIL if verdict == PASS and tests_required and event.no_tests_ran else verdict


def _misfit(turn: Turn, event: Replied, node: Node) -> str | None:
    channel, name = asked_target(node, turn.node(event.node))
    asked = (
        ("the step's result_schema", node.result_schema),
        (f'the result_schema of the persona "{name}"', _contract(turn, channel, name).result),
    )
    for whose, schema in asked:
        if schema is not None and event.is_reference:
            return f"the result is too large to be held against {whose}; 256 KiB can be"
        misfits = schema.misfits(event.result) if schema is not None else ()
        if misfits:
            told = misfit_text(misfits, root="the result")
            return f"the result does not fit {whose}: {told}"
    return None


def _contract(turn: Turn, channel: Channel, name: str) -> Contract:
    is_persona = channel in (Channel.PERSONA, Channel.HUMAN)
    return turn.definition.contracts.get(name, _NONE) if is_persona else _NONE
