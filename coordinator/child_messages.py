"""What runs say to each other through the inbox: begin, stop, and how it ended.

All three are written by the commit that decides them, so none is lost and none is said for a
decision that was not saved. Whoever reads one again knows it by the run's id or by its token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coordinator.core.codec import parent_from
from coordinator.core.commands import ParentReply, SendRequest, SettleRequest
from coordinator.core.definition import ErrorClass
from coordinator.core.events import Failure, Parent, ReplyStatus
from coordinator.core.ids import RUN_ID, message_id
from coordinator.core.jsontext import NotJsonError, dump_text, parse
from coordinator.messages import (
    MAX_FIELD,
    BadMessageError,
    TooLargeError,
    refuse_large,
    reply_fields,
    task_from_fields,
)
from coordinator.ports import Delivery, Reply

_ABOUT: Final = ("workflow", "digest", "revision", "env", "may_push", "files", "parent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildMessage:
    """A run that a step of another run asks for."""

    run: str
    workflow: str
    digest: str
    parent: Parent
    task: Mapping[str, Any]
    params: Mapping[str, Any]
    revision: str | None = None
    env: Mapping[str, Any] = field(default_factory=dict)
    may_push: bool = True
    files: Mapping[str, Any] | None = None
    problem: str = ""
    """Why it cannot begin."""


def begin_fields(command: SendRequest) -> dict[str, str]:
    """The beginning of a child run as the fields of an inbox entry.

    Params that are too large to travel are left out, and the run is told why it cannot begin.
    """
    said = command.payload
    about = {name: said.get(name) for name in _ABOUT}
    fields = {
        "run": str(said["run"]),
        "child": dump_text(about),
        "task": dump_text(said.get("task") or {}),
    }
    params = {"params": dump_text(said.get("params") or {})}
    try:
        refuse_large(params)
    except TooLargeError as error:
        return {**fields, "problem": f"{error}"}
    return {**fields, **params}


def stop_fields(parent: str, command: SettleRequest) -> dict[str, str]:
    """The end of a step that a child run works for, as a signal to that run."""
    signal = {
        "kind": "terminate" if command.at_once else "cancel",
        "by": f"run {parent}",
        "reason": f"its step {command.node} does not wait for it any more"[:1_000],
    }
    return {"run": command.child, "signal": dump_text(signal)}


def end_fields(reply: ParentReply, *, at_ms: int) -> dict[str, str]:
    """The end of a child run as a reply to the step that waits for it.

    Outputs that are too large to travel make it a failure.
    """
    to = reply.parent
    said = Reply(
        msg_id=message_id(to.run, to.node, to.attempt),
        token=to.token,
        status=ReplyStatus.ERROR if reply.failure else ReplyStatus.DONE,
        verdict=reply.verdict,
        result=reply.result,
        failure=reply.failure,
        files=reply.files,
        worker=reply.child,
    )
    try:
        fields = reply_fields(said, at_ms=at_ms, longest_result=MAX_FIELD)
    except TooLargeError as error:
        message = f"outputs of run {reply.child}: {error}"
        failure = Failure(error_class=ErrorClass.STEP_ERROR, message=message, retryable=False)
        short = Reply(
            msg_id=said.msg_id,
            token=to.token,
            status=ReplyStatus.ERROR,
            failure=failure,
            files=reply.files,
            worker=reply.child,
        )
        fields = reply_fields(short, at_ms=at_ms)
    return {"run": to.run, **fields}


def is_child(fields: Mapping[str, str]) -> bool:
    """Whether an inbox entry is the beginning of a child run."""
    return "child" in fields


def child_from_delivery(delivery: Delivery) -> ChildMessage:
    """The child run that an inbox entry asks for.

    Raises:
        BadMessageError: it asks for none.
    """
    fields = delivery.fields
    message = task_from_fields(fields)
    run, about = fields.get("run", ""), _about(fields["child"])
    parent = about.get("parent")
    try:
        known = parent_from(parent) if isinstance(parent, Mapping) else None
    except TypeError:
        known = None
    if not RUN_ID.match(run) or known is None or not RUN_ID.match(known.run):
        raise BadMessageError("the field 'child' names no run and no parent")
    files, env = about.get("files"), about.get("env")
    return ChildMessage(
        run=run,
        workflow=str(about.get("workflow") or ""),
        digest=str(about.get("digest") or ""),
        parent=known,
        task=message.task,
        params=message.params,
        revision=about.get("revision"),
        env=env if isinstance(env, Mapping) else {},
        may_push=about.get("may_push") is not False,
        files=files if isinstance(files, Mapping) else None,
        problem=fields.get("problem", ""),
    )


def _about(text: str) -> Mapping[str, Any]:
    try:
        value = parse(text)
    except NotJsonError as error:
        raise BadMessageError(f"the field 'child' is {error}") from None
    if not isinstance(value, Mapping):
        raise BadMessageError("the field 'child' is no JSON object")
    return value
