"""What a script has people do, as the events that it is."""

from __future__ import annotations

from typing import TypedDict

from coordinator.core.events import (
    AdvanceRequested,
    Answered,
    ByHand,
    CancelRequested,
    ContinueRequested,
    Event,
    PatchRequested,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    Signalled,
    SkipRequested,
    TerminateRequested,
)
from coordinator.simulation.script import ADVANCE, ANSWERS, HANDS, PATCH, ScriptedSignal


class Stamp(TypedDict):
    """What every event has."""

    id: str
    run: str
    at_ms: int
    seed: str


def event_of(signal: ScriptedSignal, stamp: Stamp) -> Event:
    """The event that the signal is."""
    if signal.kind in ANSWERS:
        return Answered(
            **stamp,
            node=signal.node,
            answer=signal.kind,
            by=signal.by,
            comment=signal.comment,
            values=signal.values,
        )
    if signal.kind in (*HANDS, PATCH, ADVANCE):
        return _by_hand(signal, stamp)
    match signal.kind:
        case "signal":
            return Signalled(**stamp, name=signal.name, by=signal.by, values=signal.values)
        case "cancel":
            return CancelRequested(**stamp, by=signal.by, reason=signal.comment)
        case "terminate":
            return TerminateRequested(**stamp, by=signal.by, reason=signal.comment)
        case "pause":
            return PauseRequested(**stamp, by=signal.by)
        case _:
            return ResumeRequested(**stamp, by=signal.by)


def _by_hand(signal: ScriptedSignal, stamp: Stamp) -> ByHand:
    node, by, said = signal.node, signal.by, signal.comment
    match signal.kind:
        case "retry":
            params, prompt = signal.params, signal.prompt
            return RetryRequested(
                **stamp, node=node, params=params, prompt=prompt, by=by, comment=said
            )
        case "skip":
            return SkipRequested(**stamp, node=node, by=by, comment=said)
        case "continue":
            values = signal.values
            return ContinueRequested(**stamp, node=node, by=by, comment=said, values=values)
        case "patch":
            return PatchRequested(**stamp, state=signal.values, by=by)
        case _:
            return AdvanceRequested(**stamp, mode=signal.name, by=by)
