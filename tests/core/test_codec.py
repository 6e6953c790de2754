"""Stored data: what is written is read back the same, compact, and from newer versions too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core import codec
from coordinator.core.codec import UnknownFormatError
from coordinator.core.events import (
    AdvanceRequested,
    Answered,
    CancelRequested,
    Continued,
    ContinueRequested,
    Failure,
    PatchRequested,
    PauseRequested,
    Replied,
    ReplyStatus,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    Signalled,
    SkipRequested,
    TerminateRequested,
    TimerFired,
    TimerKind,
)
from coordinator.core.jsontext import NotJsonError, dump, parse
from coordinator.core.pmap import PMap
from coordinator.core.state import (
    NodeState,
    NodeStatus,
    Phase,
    RunHead,
    RunRecord,
    RunStatus,
    ScopeState,
)
from coordinator.core.steering import BadSignalError, signal_event

WORDS = st.text(max_size=8)
NUMBERS = st.integers(0, 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=3)
MAYBE = st.none() | OBJECTS
COMMON = {"id": WORDS, "run": WORDS, "at_ms": NUMBERS, "seed": WORDS}
FAILURES = st.builds(Failure, error_class=WORDS, message=WORDS, retryable=st.none() | st.booleans())
EVENTS = st.one_of(
    st.builds(
        RunStarted,
        **COMMON,
        workflow=WORDS,
        digest=WORDS,
        revision=st.none() | WORDS,
        task=OBJECTS,
        params=OBJECTS,
        env=OBJECTS,
        may_push=st.booleans(),
        idempotency_key=st.none() | WORDS,
    ),
    st.builds(
        Replied,
        **COMMON,
        node=WORDS,
        attempt=NUMBERS,
        token=WORDS,
        status=st.sampled_from(ReplyStatus),
        verdict=st.none() | WORDS,
        result=JSON,
        failure=st.none() | FAILURES,
        patch=MAYBE,
        files=MAYBE,
        usage=MAYBE,
        worker=WORDS,
    ),
    st.builds(TimerFired, **COMMON, node=WORDS, attempt=NUMBERS, kind=st.sampled_from(TimerKind)),
    st.builds(
        Answered, **COMMON, node=WORDS, answer=WORDS, by=WORDS, comment=WORDS, values=OBJECTS
    ),
    st.builds(Signalled, **COMMON, name=WORDS, by=WORDS, values=OBJECTS),
    st.builds(CancelRequested, **COMMON, by=WORDS, reason=WORDS),
    st.builds(TerminateRequested, **COMMON, by=WORDS, reason=WORDS),
    st.builds(PauseRequested, **COMMON, by=WORDS),
    st.builds(ResumeRequested, **COMMON, by=WORDS),
    st.builds(ContinueRequested, **COMMON, node=WORDS, by=WORDS, comment=WORDS, values=OBJECTS),
    st.builds(
        RetryRequested,
        **COMMON,
        node=WORDS,
        params=OBJECTS,
        prompt=WORDS,
        by=WORDS,
        comment=WORDS,
    ),
    st.builds(SkipRequested, **COMMON, node=WORDS, by=WORDS, comment=WORDS),
    st.builds(PatchRequested, **COMMON, state=OBJECTS, by=WORDS),
    st.builds(AdvanceRequested, **COMMON, mode=WORDS, by=WORDS),
    st.builds(Continued, **COMMON),
)


def numbers_of(kind: type) -> dict[str, st.SearchStrategy[int]]:
    """A number that JSON carries for every whole-number field."""
    return {name: NUMBERS for name, hint in kind.__annotations__.items() if "int" in str(hint)}


NODES = st.builds(
    NodeState,
    **numbers_of(NodeState),
    status=st.sampled_from(NodeStatus),
    verdict=st.none() | WORDS,
    error=MAYBE,
    reason=WORDS,
    detail=JSON,
    is_tolerated=st.booleans(),
    changed=MAYBE,
)
RECORDS = st.builds(
    RunRecord,
    status=st.sampled_from(RunStatus),
    **numbers_of(RunRecord),
    phase=st.sampled_from(Phase),
    error=MAYBE,
    files=MAYBE,
    agenda=st.lists(st.lists(WORDS, max_size=3).map(tuple), max_size=3).map(tuple),
    outputs=JSON,
)


def stored(data: dict[str, object]) -> Any:
    """The data after a journey through a store."""
    return parse(dump(data))


@given(EVENTS)
def test_every_event_comes_back_as_it_was(event: Any) -> None:
    assert codec.event_from(stored(codec.event_data(event))) == event


@given(NODES, RECORDS)
def test_nodes_and_records_come_back_as_they_were(node: NodeState, record: RunRecord) -> None:
    assert codec.node_from(stored(codec.node_data(node))) == node
    assert codec.record_from(stored(codec.record_data(record))) == record


@given(st.lists(WORDS, max_size=3).map(tuple), NUMBERS)
def test_scopes_come_back_as_they_were(patchers: tuple[str, ...], unsettled: int) -> None:
    scope = ScopeState(unsettled=unsettled, is_closed=True, patchers=patchers)
    assert codec.scope_from(stored(codec.scope_data(scope))) == scope


def head() -> RunHead:
    return RunHead("w", "1", "sha256:0", None, {"id": "t"}, {}, {"a": 1}, {}, 5, "seed", False)


def test_a_head_says_which_format_the_run_has() -> None:
    data = stored(codec.head_data(head()))
    assert data["v"] == codec.FORMAT
    assert codec.head_from(data) == head()
    for unknown in (codec.FORMAT + 1, None, "1"):
        with pytest.raises(UnknownFormatError, match="format"):
            codec.head_from({**data, "v": unknown})


def test_defaults_are_left_out() -> None:
    assert codec.node_data(NodeState()) == {}
    assert codec.node_data(NodeState(status=NodeStatus.RUNNING)) == {"status": "running"}
    assert codec.scope_data(ScopeState(unsettled=0)) == {"unsettled": 0}
    pause = PauseRequested(id="i", run="r", at_ms=0)
    assert codec.event_data(pause) == {"type": "pause", "id": "i", "run": "r", "at_ms": 0}


def test_keys_of_newer_versions_are_ignored_and_unknown_events_are_not() -> None:
    node = codec.node_from({"status": "running", "mood": "sunny"})
    assert node == NodeState(status=NodeStatus.RUNNING)
    event = {"type": "continued", "id": "i", "run": "r", "at_ms": 1, "mood": "sunny"}
    assert codec.event_from(event) == Continued(id="i", run="r", at_ms=1)
    with pytest.raises(UnknownFormatError, match="teleported"):
        codec.event_from({"type": "teleported"})


@pytest.mark.parametrize(
    ("signal", "event"),
    [
        (
            {"kind": "cancel", "by": "me", "reason": "no"},
            CancelRequested(id="i", run="r", at_ms=1, by="me", reason="no"),
        ),
        ({"kind": "cancel"}, CancelRequested(id="i", run="r", at_ms=1)),
        ({"kind": "terminate", "by": None}, TerminateRequested(id="i", run="r", at_ms=1)),
        ({"kind": "pause", "by": "me"}, PauseRequested(id="i", run="r", at_ms=1, by="me")),
        ({"kind": "resume"}, ResumeRequested(id="i", run="r", at_ms=1)),
        (
            {"kind": "answer", "node": "a/b", "answer": "approve", "values": {"n": 1}},
            Answered(id="i", run="r", at_ms=1, node="a/b", answer="approve", values={"n": 1}),
        ),
        ({"kind": "signal", "name": "go"}, Signalled(id="i", run="r", at_ms=1, name="go")),
        (
            {"kind": "signal", "name": "go", "by": "me", "values": {"n": [1]}},
            Signalled(id="i", run="r", at_ms=1, name="go", by="me", values={"n": [1]}),
        ),
        ({"kind": "continue"}, ContinueRequested(id="i", run="r", at_ms=1)),
        (
            {"kind": "retry", "node": "a", "params": {"n": 1}, "prompt": "p", "by": "me"},
            RetryRequested(
                id="i", run="r", at_ms=1, node="a", params={"n": 1}, prompt="p", by="me"
            ),
        ),
        (
            {"kind": "skip", "node": "a", "comment": "no"},
            SkipRequested(id="i", run="r", at_ms=1, node="a", comment="no"),
        ),
        (
            {"kind": "patch", "state": {"n": None}},
            PatchRequested(id="i", run="r", at_ms=1, state={"n": None}),
        ),
        (
            {"kind": "advance", "mode": "manual"},
            AdvanceRequested(id="i", run="r", at_ms=1, mode="manual"),
        ),
    ],
)
def test_a_signal_means_one_event(signal: object, event: object) -> None:
    assert signal_event(signal, id="i", run="r", at_ms=1) == event


@pytest.mark.parametrize(
    ("signal", "says"),
    [
        (None, "an object, not null"),
        ([], "not a list"),
        ("cancel", "not text"),
        ({}, "unknown kind 'None'; one of cancel"),
        ({"kind": ["cancel"]}, "unknown kind"),
        ({"kind": "explode"}, "unknown kind 'explode'"),
        ({"kind": "pause", "reason": "x"}, "a pause has no 'reason'"),
        ({"kind": "cancel", "by": 7}, "'by' is text, not a number"),
        ({"kind": "cancel", "by": "x" * 201}, "at most 200"),
        ({"kind": "cancel", "reason": "x" * 20_000}, "at most 16384"),
        ({"kind": "answer", "answer": "approve"}, "needs 'node'"),
        ({"kind": "answer", "node": "n"}, "needs 'answer'"),
        ({"kind": "answer", "node": "n", "answer": "ok", "values": [1]}, "an object, not a list"),
        ({"kind": "answer", "node": "n", "answer": True}, "not a boolean"),
        ({"kind": "signal"}, "a signal needs 'name'"),
        ({"kind": "signal", "name": ""}, "'name' is ''; signals begin with a small letter"),
        ({"kind": "signal", "name": "go\n"}, "small letters, digits, _ or -, at most 63"),
        ({"kind": "signal", "name": "x" * 64}, "at most 63"),
        ({"kind": "signal", "name": 7}, "'name' is text, not a number"),
        ({"kind": "signal", "name": "go", "values": []}, "an object, not a list"),
        ({"kind": "signal", "name": "go", "values": {"x": "y" * 70_000}}, "at most 65536"),
        ({"kind": "signal", "name": "go", "node": "n"}, "a signal has no 'node'"),
        ({"kind": "skip"}, "needs 'node'"),
        ({"kind": "retry", "params": [1]}, "'params' is an object, not a list"),
        ({"kind": "retry", "prompt": "x" * 70_000}, "at most 65536"),
        ({"kind": "patch"}, "needs 'state'"),
        ({"kind": "patch", "state": {"a b": 1}}, "'a b' is no name of a value"),
        ({"kind": "patch", "state": {"1a": 1}}, "'1a' is no name of a value"),
        ({"kind": "patch", "state": {f"n{at}": at for at in range(101)}}, "at most 100"),
        ({"kind": "patch", "state": {"n": "x" * 300_000}}, "at most 262,144"),
        ({"kind": "advance", "mode": "fast"}, "'mode' is auto or manual, not 'fast'"),
    ],
)
def test_what_is_no_signal_is_refused_with_a_cure(signal: object, says: str) -> None:
    with pytest.raises(BadSignalError, match=says):
        signal_event(signal, id="i", run="r", at_ms=1)


@given(JSON)
def test_what_is_dumped_can_be_parsed(value: object) -> None:
    assert parse(dump(value)) == value


def test_values_without_a_json_form_of_their_own_get_the_nearest() -> None:
    assert dump(PMap({"a": (1, 2)})) == b'{"a":[1,2]}'
    assert parse(dump({"big": 2**70}))["big"] == float(2**70)
    assert parse(dump(["\ud800ä"])) == ["?ä"]
    assert parse(dump({1: "x"})) == {"1": "x"}
    assert dump(float("inf")) == b"null"
    with pytest.raises(TypeError, match="object has no JSON form"):
        dump(object())


@pytest.mark.parametrize("text", ["", "{", "NaN", "Infinity", '"\\ud800"', "[" * 5_000, b"\xff"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(NotJsonError, match="not JSON"):
        parse(text)
