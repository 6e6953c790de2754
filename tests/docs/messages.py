"""The fields that travel between coordinator and workers, as the code writes them."""

from __future__ import annotations

from coordinator.core.commands import SendRequest
from coordinator.core.definition import Channel
from coordinator.core.events import Failure, ReplyStatus
from coordinator.core.state import RunHead
from coordinator.messages import reply_fields, request_fields
from coordinator.ports import Reply
from tests.docs.picture import simulation
from tests.docs.tables import table

REQUEST = {
    "v": "format of the message, `1`",
    "msg_id": "`<run>:<node>:<attempt>`; copy it into the reply",
    "run": "id of the run",
    "node": "path of the node, such as `build#2/qa`",
    "attempt": "from 1",
    "token": "belongs to this attempt alone; copy it into the reply",
    "persona": "who is asked",
    "workflow": "id of the workflow",
    "digest": "of the run's definition, which holds the persona as this run knows it",
    "payload": "JSON object, see below",
    "deadline": "milliseconds since 1970; only where there is one",
}
REPLY = {
    "v": "`1`; may be left out",
    "msg_id": "from the request",
    "token": "from the request; with another one the reply is ignored",
    "status": "`done` or `error`; `progress` and `blocked` are accepted and change nothing yet",
    "at": "milliseconds since 1970; for people",
    "verdict": "`pass`, `fail` or `unknown`; without it the rule for verdicts reads the result",
    "result": "JSON; what later steps read as `steps.<id>.result`",
    "error": "JSON `{class, message, retryable}`; with `status: error`",
    "usage": "JSON object such as tokens and cost",
    "artifacts": 'JSON list of objects `{"name", "path", "type", "bytes", …}`; one entry '
    '`{"kind": "patch", "base": …, "diff": …}` changes the files',
    "worker": "name of who answered",
    "files": "of the coordinator's own executors alone; from anybody else it is dropped",
}
PAYLOAD = {
    "task": "the task, normalised: `id, type, title, slug, description, labels, repo, branch, …`",
    "params": "the step's `params`, rendered",
    "context": "`run, workflow, node, step, iteration, steps, outcome, error`; `steps` has "
    "outcome, verdict and result of the steps it depends on, in `finally` of all",
    "files": "null, or `repo, ref, base, branch, paths, mode`; `base` is the revision to work on",
    "attempt": "from 1",
    "timeout_ms": "how long the attempt may take",
    "feedback": "failures of earlier attempts and of the last iteration, and what a person said"
    " who had it done again; their `prompt` is a key of its own besides",
}


def request_table() -> str:
    """The fields of a request."""
    rows = [(f"`{name}`", REQUEST[name]) for name in written_request()]
    return table(("field", "what it holds"), rows)


def reply_table() -> str:
    """The fields of a reply."""
    rows = [(f"`{name}`", REPLY[name]) for name in written_reply()]
    return table(("field", "what it holds"), rows)


def payload_table() -> str:
    """The keys of a payload."""
    rows = [(f"`{name}`", PAYLOAD[name]) for name in written_payload()]
    return table(("key", "what it holds"), rows)


def written_request() -> list[str]:
    """The fields that the coordinator writes, a deadline included."""
    head = RunHead("w", "1", "d", None, {}, {}, {}, {}, 0, "", False)
    asked = SendRequest(
        channel=Channel.PERSONA, target="p", node="n", attempt=1, token="t", payload={},
        deadline_ms=1,
    )  # fmt: skip
    return list(request_fields("r", head, asked))


def written_reply() -> list[str]:
    """The fields that a worker writes that has something to say in each."""
    said = Reply(
        msg_id="m",
        token="t",
        status=ReplyStatus.ERROR,
        verdict="pass",
        result={},
        failure=Failure(error_class="refused", message="no", retryable=False),
        patch={"base": "b", "diff": "d"},
        files={},
        usage={},
        worker="w",
    )
    found = list(reply_fields(said, at_ms=1))
    return sorted(found, key=list(REPLY).index)


def written_payload() -> list[str]:
    """The keys of what a persona is sent."""
    asked = next(one for one in simulation().requests if one.path == "planning")
    return list(asked.payload)
