"""Answers of humans as they are read from a command line and held against the question."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.cli.errors import BadUsageError, CommandError, NotFoundError
from coordinator.cli.inbox import Said, choose, read_words, signal_for
from coordinator.core.ids import RunId
from coordinator.ports import Question

RUN = RunId("0" * 26)
FORM = {
    "percent": {"type": "integer", "required": True},
    "why": "text",
    "really": {"type": "boolean"},
    "tags": {"type": "list"},
    "size": {"enum": ["small", "large"]},
}


def _question(kind: str = "human", node: str = "release", **asked: Any) -> Question:
    return Question(run=RUN, node=node, kind=kind, since_ms=1, question=asked)


def _said(*words: str) -> Said:
    return read_words(words)


@pytest.mark.parametrize(
    ("words", "node", "answer", "given"),
    [
        (["approve"], None, "approve", {}),
        (["release", "reject"], "release", "reject", {}),
        (["approve", "approve"], "approve", "approve", {}),
        (["fix#2/qa", "retry"], "fix#2/qa", "retry", {}),
        (["approve", "a=1", "b=x=y"], None, "approve", {"a": "1", "b": "x=y"}),
        (["release", "approve", "a="], "release", "approve", {"a": ""}),
    ],
)
def test_words_are_a_node_an_answer_and_fields(
    words: list[str], node: str | None, answer: str, given: dict[str, str]
) -> None:
    assert _said(*words) == Said(node=node, answer=answer, given=given)


@pytest.mark.parametrize(
    "words", [[], ["release"], ["a", "b", "approve"], ["a=1"], ["approve", "x"]]
)
def test_words_without_an_answer_are_refused(words: list[str]) -> None:
    with pytest.raises(BadUsageError):
        _said(*words)


def test_fields_get_the_types_of_the_form() -> None:
    said = _said("approve", "percent=20", "why=42", "really=yes", "tags=a, b", "size=small")
    signal = signal_for(_question(form=FORM, attempt=2), said, by="ann", comment="")
    assert signal == {
        "kind": "answer",
        "node": "release",
        "answer": "approve",
        "by": "ann",
        "attempt": 2,
        "values": {
            "percent": 20, "why": "42", "really": True, "tags": ["a", "b"], "size": "small",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["approve"], "percent is required"),
        (["approve", "percent=x"], "percent has to be of type integer"),
        (["approve", "percent=1", "other=1"], "no field 'other'"),
        (["approve", "percent=1", "size=huge"], "one of small, large"),
    ],
)
def test_a_form_that_is_not_filled_in_is_not_sent(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        signal_for(_question(form=FORM), _said(*words), by="ann", comment="")


def test_a_rejection_needs_no_form() -> None:
    signal = signal_for(_question(form=FORM), _said("reject"), by="ann", comment="no")
    assert (signal["answer"], signal["comment"]) == ("reject", "no")


def test_an_escalation_has_answers_of_its_own_and_reject_means_abort() -> None:
    question = _question("escalation")
    assert signal_for(question, _said("skip"), by="", comment="")["answer"] == "skip"
    assert signal_for(question, _said("reject"), by="", comment="")["answer"] == "abort"
    with pytest.raises(BadUsageError, match="retry, skip, continue, abort"):
        signal_for(question, _said("approve"), by="", comment="")


def test_only_those_who_were_asked_may_answer() -> None:
    question = _question(assignees=["ann"])
    with pytest.raises(CommandError, match="it is for ann") as refused:
        signal_for(question, _said("approve"), by="bob", comment="")
    assert refused.value.code == 4
    assert signal_for(question, _said("approve"), by="ann", comment="")["by"] == "ann"


def test_the_node_may_be_left_out_where_one_question_is_open() -> None:
    one, two = _question(), _question(node="other")
    assert choose(RUN, [one], None) is one
    assert choose(RUN, [one, two], "other") is two
    with pytest.raises(BadUsageError, match="release, other"):
        choose(RUN, [one, two], None)
    with pytest.raises(NotFoundError, match="open: release"):
        choose(RUN, [one], "third")
    with pytest.raises(NotFoundError, match="nothing in run"):
        choose(RUN, [], None)
