"""What travels over the queues: fields of text, the same for every store and every language.

Everything read here was written by somebody else: each field is bounded and checked before it
becomes an event. What can never become one raises `BadMessageError`, and goes to the dead letters.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coordinator.core import codec, steering
from coordinator.core.commands import SendRequest
from coordinator.core.definition import ErrorClass
from coordinator.core.events import (
    Continued,
    Event,
    Failure,
    Replied,
    ReplyStatus,
    TimerFired,
    TimerKind,
)
from coordinator.core.ids import CHILDREN, OURSELVES, RUN_ID, message_id, split_message_id
from coordinator.core.jsontext import dump_text
from coordinator.core.state import RunHead
from coordinator.fields import MAX_FIELD as MAX_FIELD
from coordinator.fields import MAX_FIELDS as MAX_FIELDS
from coordinator.fields import MAX_KEY as MAX_KEY
from coordinator.fields import BadMessageError as BadMessageError
from coordinator.fields import bounded, json_object, member, parsed, short
from coordinator.large_results import MAX_RESULT, result_values
from coordinator.ports import Delivery, Reply, Request, SourceKind

VERSION: Final = "1"
"""Of the messages themselves, in their field `v`."""
MAX_TEXT: Final = 16_384
"""The longest error message; the rest is cut off."""


class TooLargeError(ValueError):
    """A message of ours would be longer than what anybody accepts."""

    def __init__(self, what: str, size: int, most: int = MAX_FIELD) -> None:
        super().__init__(
            f"{what} has {size:,} bytes; at most {most:,} travel in a message. "
            "Keep large data in files or a store of your own and send a reference"
        )
        self.what = what
        self.size = size


# -- tasks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """A task as it came from the queue, checked in form and not in meaning."""

    task: Mapping[str, Any]
    workflow: str | None = None
    """The workflow that the producer asks for; None leaves it to the rules."""
    params: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    priority: str = ""
    deadline: str = ""
    traceparent: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    """Fields this version gives no meaning to, as they came."""


_TASK_FIELDS: Final = frozenset(
    {"task", "workflow", "params", "idempotency_key", "priority", "deadline", "traceparent"}
)


def task_from_fields(fields: Mapping[str, str]) -> TaskMessage:
    """The task in these fields.

    Raises:
        BadMessageError: there is no task in them.
    """
    bounded(fields)
    if "task" not in fields:
        raise BadMessageError("no field 'task'; it holds the task as a JSON object")
    return TaskMessage(
        task=json_object(fields, "task"),
        workflow=short(fields, "workflow") or None,
        params=json_object(fields, "params") if fields.get("params") else {},
        idempotency_key=short(fields, "idempotency_key") or None,
        priority=short(fields, "priority"),
        deadline=short(fields, "deadline"),
        traceparent=short(fields, "traceparent"),
        more={name: text for name, text in fields.items() if name not in _TASK_FIELDS},
    )


def task_from_delivery(delivery: Delivery) -> TaskMessage:
    """The task that was delivered.

    Raises:
        BadMessageError: it is none.
    """
    return task_from_fields(delivery.fields)


# -- events -------------------------------------------------------------------------------------


def event_from_delivery(delivery: Delivery) -> Event:
    """The event that a delivered reply, timer or signal is; for a task see `task_from_delivery`.

    A reply that names its request properly but is malformed otherwise is an event too, a failed
    attempt of class `invalid_reply`, so that its run need not wait for the timeout.

    Raises:
        BadMessageError: it can never be an event.
    """
    bounded(delivery.fields, but="result")
    if delivery.kind is SourceKind.REPLY:
        return _replied(delivery, short_name(delivery.stream).partition(":")[2])
    if delivery.kind is SourceKind.INBOX:
        return _from_inbox(delivery)
    raise BadMessageError("a task is no event")


def short_name(stream: str) -> str:
    """The name of a queue without what tells one installation's from another's."""
    return stream.rpartition("}:")[2]


def timer_text(run: str, node: str, attempt: int, kind: str) -> str:
    """The name of one timer; the same for setting, clearing and firing."""
    return dump_text([run, node, attempt, kind])


def _common(delivery: Delivery, run: str) -> dict[str, Any]:
    return {
        "id": f"{short_name(delivery.stream)}:{delivery.entry_id}",
        "run": run,
        "at_ms": delivery.at_ms,
        "seed": secrets.token_hex(8),
    }


def _from_inbox(delivery: Delivery) -> Event:
    fields = delivery.fields
    if "timer" in fields:
        return _timer_fired(delivery, parsed(fields, "timer"))
    run = fields.get("run", "")
    if not RUN_ID.match(run):
        raise BadMessageError("the field 'run' is not the id of a run")
    if "continue" in fields:
        return Continued(**_common(delivery, run))
    if "msg_id" in fields:
        return _replied(delivery, CHILDREN)
    if "signal" not in fields and "slot" not in fields:
        raise BadMessageError("no timer, no reply and no signal: no field 'signal'")
    try:
        if "slot" in fields:
            return steering.slot_event(fields, **_common(delivery, run))
        return steering.signal_event(parsed(fields, "signal"), **_common(delivery, run))
    except steering.BadSignalError as error:
        field = "slot" if "slot" in fields else "signal"
        raise BadMessageError(f"the field {field!r}: {error}") from None


def _timer_fired(delivery: Delivery, timer: Any) -> Event:
    match timer:
        case [str(run), str(node), int(attempt), str(kind)]:
            known = member(TimerKind, kind)
            if RUN_ID.match(run) and known is not None and not isinstance(attempt, bool):
                return TimerFired(**_common(delivery, run), node=node, attempt=attempt, kind=known)
    raise BadMessageError("the field 'timer' is not [run, node, attempt, kind]")


def _replied(delivery: Delivery, sender: str) -> Event:
    fields = delivery.fields
    if fields.get("v", VERSION) != VERSION:
        raise BadMessageError(f"format {fields['v'][:20]!r}; this version reads format {VERSION}")
    parts = split_message_id(fields.get("msg_id", "")[: steering.MAX_PATH])
    if parts is None:
        raise BadMessageError("the field 'msg_id' is not <run>:<node>:<attempt>")
    run, node, attempt = parts
    if not fields.get("token"):
        raise BadMessageError("no field 'token'; copy it from the request")
    try:
        what = _reply_values(fields, is_ours=sender in (OURSELVES, CHILDREN))
    except BadMessageError as error:
        failure = Failure(error_class=ErrorClass.INVALID_REPLY, message=error.reason)
        what = {"status": ReplyStatus.ERROR, "failure": failure}
    return Replied(
        **_common(delivery, run),
        node=node,
        attempt=attempt,
        token=short(fields, "token"),
        sender=sender,
        **what,
    )


def _reply_values(fields: Mapping[str, str], *, is_ours: bool) -> dict[str, Any]:
    status = member(ReplyStatus, fields.get("status"))
    if status is None:
        raise BadMessageError(f"the field 'status' is none of {', '.join(ReplyStatus)}")
    return {
        "status": status,
        **result_values(fields, short(fields, "verdict") or None, is_persona=not is_ours),
        "failure": _failure(fields) if fields.get("error") else None,
        **_artifacts(fields),
        # A persona must not say where a run's files are; the coordinator's own executors, and
        # child runs, may.
        "files": json_object(fields, "files") if is_ours and fields.get("files") else None,
        "usage": json_object(fields, "usage") if fields.get("usage") else None,
        "worker": short(fields, "worker"),
    }


def _failure(fields: Mapping[str, str]) -> Failure:
    error = json_object(fields, "error")
    name, message, retryable = error.get("class"), error.get("message", ""), error.get("retryable")
    if not isinstance(message, str) or not (retryable is None or isinstance(retryable, bool)):
        raise BadMessageError("the field 'error' is not {class, message, retryable}")
    known = member(ErrorClass, name) or ErrorClass.PERSONA_ERROR
    return Failure(error_class=known, message=message[:MAX_TEXT], retryable=retryable)


def _artifacts(fields: Mapping[str, str]) -> dict[str, Any]:
    """The patch among the field's entries, and all others."""
    found = parsed(fields, "artifacts") if fields.get("artifacts") else []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadMessageError("the field 'artifacts' is not a list of objects")
    patches = [each for each in found if each.get("kind") == "patch"]
    return {
        "patch": _patch(patches),
        "artifacts": tuple(each for each in found if each.get("kind") != "patch"),
    }


def _patch(patches: list[dict[str, Any]]) -> Mapping[str, object] | None:
    if not patches:
        return None
    if len(patches) > 1:
        raise BadMessageError("more than one patch in 'artifacts'")
    base, diff = patches[0].get("base"), patches[0].get("diff")
    if not isinstance(base, str) or not isinstance(diff, str):
        raise BadMessageError("a patch in 'artifacts' is not {kind, base, diff}")
    return {"base": base, "diff": diff}


# -- requests and replies -----------------------------------------------------------------------


def request_fields(run: str, head: RunHead, command: SendRequest) -> dict[str, str | bytes]:
    """A request as the fields of an entry."""
    fields: dict[str, str | bytes] = {
        "v": VERSION,
        "msg_id": message_id(run, command.node, command.attempt),
        "run": run,
        "node": command.node,
        "attempt": str(command.attempt),
        "token": command.token,
        "persona": command.target,
        "workflow": head.workflow,
        "digest": head.digest,
        "payload": dump_text(command.payload),
    }
    if command.deadline_ms is not None:
        fields["deadline"] = str(command.deadline_ms)
    return fields


def request_from_fields(
    fields: Mapping[str, str], *, stream: str, entry_id: str, deliveries: int = 1
) -> Request:
    """The request in these fields.

    Raises:
        BadMessageError: there is none in them.
    """
    bounded(fields)
    parts = split_message_id(fields.get("msg_id", ""))
    if parts is None:
        raise BadMessageError("the field 'msg_id' is not <run>:<node>:<attempt>")
    run, node, attempt = parts
    deadline = fields.get("deadline", "")
    if deadline and not (deadline.isascii() and deadline.isdigit() and len(deadline) < 18):
        raise BadMessageError("the field 'deadline' is no time in milliseconds")
    return Request(
        stream=stream,
        entry_id=entry_id,
        target=short(fields, "persona"),
        msg_id=fields["msg_id"],
        run=run,
        node=node,
        attempt=attempt,
        token=short(fields, "token"),
        workflow=short(fields, "workflow"),
        digest=short(fields, "digest"),
        payload=json_object(fields, "payload"),
        deadline_ms=int(deadline) if deadline else None,
        deliveries=deliveries,
    )


def reply_fields(reply: Reply, *, at_ms: int, longest_result: int = MAX_RESULT) -> dict[str, str]:
    """A reply as the fields of an entry; what it does not have is left out.

    Raises:
        TooLargeError: nobody would accept it.
    """
    structured: dict[str, object] = {
        "result": reply.result,
        "error": codec.failure_data(reply.failure) if reply.failure else None,
        "usage": reply.usage,
        "artifacts": _with_patch(reply),
        "files": reply.files,
    }
    fields = {
        "v": VERSION,
        "msg_id": reply.msg_id,
        "token": reply.token,
        "status": str(reply.status),
        "at": str(at_ms),
    }
    if reply.verdict is not None:
        fields["verdict"] = reply.verdict
    if reply.worker:
        fields["worker"] = reply.worker
    for name, value in structured.items():
        if value is not None:
            fields[name] = dump_text(value)
    refuse_large(fields, longest_result=longest_result)
    return fields


def _with_patch(reply: Reply) -> list[Mapping[str, object]] | None:
    patch = [{"kind": "patch", **reply.patch}] if reply.patch is not None else []
    return [*patch, *reply.artifacts] or None


def refuse_large(fields: Mapping[str, str], *, longest_result: int = MAX_FIELD) -> None:
    """Return only if every field may travel.

    Raises:
        TooLargeError: one may not.
    """
    for name, text in fields.items():
        size = len(text.encode("utf-8", "replace"))
        most = longest_result if name == "result" else MAX_FIELD
        if size > most:
            raise TooLargeError(f"the field {name!r}", size, most)
