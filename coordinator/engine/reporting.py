"""What a committed transition means to those who count."""

from __future__ import annotations

from coordinator.core.commands import EndRun, SendRequest
from coordinator.core.definition import Ask, Channel, Node, Workflow
from coordinator.core.events import Replied, RunStarted, SlotGranted, SlotRefused
from coordinator.core.state import SETTLED, NodeStatus, RunState
from coordinator.engine.observe import Telemetry
from coordinator.ports import Transition


def report(
    telemetry: Telemetry, definition: Workflow, transition: Transition, state: RunState
) -> None:
    """Tell `telemetry` what happened; called after the commit, so nothing is counted twice."""
    for entry in transition.journal:
        event = entry.event
        if isinstance(event, RunStarted):
            telemetry.run_started(definition.id)
        elif isinstance(event, SlotGranted):
            seconds = (state.record.granted_ms - state.record.asked_ms) / 1_000
            telemetry.slot_granted(definition.id, seconds)
        elif isinstance(event, SlotRefused):
            telemetry.slot_refused(definition.id)
        elif isinstance(event, Replied):
            _replied(telemetry, definition.node(event.node), event)
        for path, status, _ in entry.moves:
            _settled(telemetry, definition, state, path, status)
    for command in transition.commands:
        match command:
            case SendRequest(channel=channel) if channel is not Channel.CHILD:
                telemetry.requested(command.target)
            case EndRun():
                seconds = (state.record.ended_ms - state.head.created_ms) / 1_000
                telemetry.run_ended(definition.id, command.status, seconds)
            case _:
                pass


def _replied(telemetry: Telemetry, node: Node | None, event: Replied) -> None:
    asked = node.primitive if node else None
    if isinstance(asked, Ask) and asked.channel is not Channel.CHILD:
        telemetry.replied(asked.target, event.status.value)


def _settled(
    telemetry: Telemetry, definition: Workflow, state: RunState, path: str, status: str
) -> None:
    if NodeStatus(status) not in SETTLED or "@" in path:
        return
    node, known = definition.node(path), state.nodes.get(path)
    if node is not None and known is not None:
        seconds = max(0, known.ended_ms - known.started_ms) / 1_000
        telemetry.node_settled(node.type, status, seconds)
