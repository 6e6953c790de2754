"""`coordinator inbox`: everything that waits on a human, and the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli.commands import Noun, output_option, redis_option, somebody
from coordinator.cli.connection import connect, has_coordinator, load_run, run_async
from coordinator.cli.errors import BadUsageError, CommandError, ExitCode, NotFoundError
from coordinator.cli.inputs import pairs
from coordinator.cli.session import Session, say, show_list
from coordinator.cli.text import one_line, rfc3339
from coordinator.ports import Question

if TYPE_CHECKING:
    from coordinator.ports import Desk

ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "human": ("approve", "reject"),
    "escalation": ("retry", "skip", "continue", "abort"),
    "review": ("continue", "retry", "reject"),
}
"""What may be said, by the kind of question."""
_WORDS: Final = tuple(dict.fromkeys(word for words in ANSWERS.values() for word in words))
_LOOKS: Final = 100
_PAUSE_SECONDS: Final = 0.05


@click.group(cls=Noun)
def inbox() -> None:
    """What waits on a human, and your answers.

    \b
    Example:
      coordinator inbox list
      coordinator inbox answer 01jd release approve --comment "go"
    """


@inbox.command("list")
@output_option()
@redis_option
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """List the open questions, the oldest first.

    \b
    Example:
      coordinator inbox list -o json
    """

    async def work() -> list[dict[str, Any]]:
        async with connect(session) as connection:
            return [_question_json(one) for one in await connection.desk.questions()]

    columns = ("run", "node", "kind", "since_at", "title", "choices")
    rows = [{**row, "choices": "|".join(row["answers"])} for row in run_async(work())]
    show_list(form, rows, columns, key="run", nothing="nothing waits on a human")


def _question_json(one: Question) -> dict[str, Any]:
    asked = one.question
    deadline = asked.get("deadline_ms")
    return {
        "run": one.run,
        "node": one.node,
        "kind": one.kind,
        "since_at": rfc3339(one.since_ms),
        "title": one_line(asked.get("title") or asked.get("step") or one.node),
        "answers": list(answers_to(one)),
        "deadline_at": rfc3339(deadline) if isinstance(deadline, int) else None,
        "question": dict(asked),
    }


@inbox.command("answer", context_settings={"ignore_unknown_options": False})
@click.argument("run", metavar="RUN")
@click.argument("words", nargs=-1, required=True, metavar="[NODE] ANSWER [K=V]...")
@click.option("--comment", default="", help="Why; it is kept with the run.")
@click.option("--by", default=somebody, show_default="you", help="Who answers.")
@redis_option
@click.pass_obj
def answer(session: Session, run: str, words: tuple[str, ...], comment: str, by: str) -> None:
    """Answer a question of RUN: approve or reject; an escalation with retry, skip, continue, abort;
    a review with continue, retry, reject.

    NODE may be left out where only one question is open. K=V fills the fields of its form.

    \b
    Example:
      coordinator inbox answer 01jd release approve --comment "looks good" percent=20
    """
    said = read_words(words)

    async def work() -> str:
        async with connect(session) as connection:
            stored = await load_run(connection.store, connection.desk, run)
            name = stored.state.id
            if stored.state.record.status.is_final:
                told = f"run {name} has ended already ({stored.state.record.status.value})"
                raise CommandError(told, ExitCode.CONFLICT)
            mine = [one for one in await connection.desk.questions() if one.run == name]
            question = choose(name, mine, said.node)
            signal = signal_for(question, said, by=by, comment=comment)
            await connection.desk.signal(question.run, signal)
            if has_coordinator(await connection.desk.members()):
                await _wait_until_applied(connection.desk, question)
            return f"{question.node}: {signal['answer']}, run {name}"

    say(run_async(work()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer as it stands on the command line."""

    node: str | None
    answer: str
    given: Mapping[str, object]


def read_words(words: Sequence[str]) -> Said:
    """`[NODE] ANSWER [K=V]...` taken apart.

    Raises:
        BadUsageError: there is no answer in it.
    """
    leading = next((at for at, word in enumerate(words) if "=" in word), len(words))
    plain, rest = words[:leading], words[leading:]
    if not 1 <= len(plain) <= 2 or plain[-1] not in _WORDS:
        raise BadUsageError(f"write [NODE] and one of {', '.join(_WORDS)}, then K=V for the form")
    node = plain[0] if len(plain) == 2 else None
    return Said(node=node, answer=plain[-1], given=pairs(rest))


def choose(run: str, questions: Sequence[Question], node: str | None) -> Question:
    """The question that is meant.

    Raises:
        NotFoundError: no such question is open.
        BadUsageError: several are, and none was named.
    """
    if not questions:
        raise NotFoundError(
            f"nothing in run {run} waits on a human; see coordinator runs why {run}"
        )
    known = ", ".join(one.node for one in questions)
    if node is None:
        if len(questions) > 1:
            raise BadUsageError(f"several questions are open in run {run}; name one of {known}")
        return questions[0]
    found = [one for one in questions if one.node == node]
    if not found:
        raise NotFoundError(f"nothing at {node} in run {run} waits on a human; open: {known}")
    return found[0]


def answers_to(question: Question) -> tuple[str, ...]:
    """What may be answered."""
    given = question.question.get("answers")
    if isinstance(given, list | tuple) and given:
        return tuple(map(str, given))
    return ANSWERS.get(question.kind, _WORDS)


def signal_for(question: Question, said: Said, *, by: str, comment: str) -> dict[str, object]:
    """The signal that carries an answer, checked against what was asked.

    Raises:
        CommandError: it does not answer the question, or somebody else has to.
    """
    allowed = answers_to(question)
    word = said.answer
    if word == "reject" and word not in allowed and "abort" in allowed:
        word = "abort"
    if word not in allowed:
        raise BadUsageError(f"{said.answer} does not answer this; say one of {', '.join(allowed)}")
    assignees = question.question.get("assignees")
    if isinstance(assignees, list | tuple) and assignees and by not in assignees:
        who = ", ".join(map(str, assignees))
        told = f"{by or 'somebody'} may not answer; it is for {who} (say who you are with --by)"
        raise CommandError(told, ExitCode.NOT_ALLOWED)
    form = question.question.get("form")
    values = _values(form if isinstance(form, Mapping) else {}, said.given, word)
    attempt = question.question.get("attempt")
    parts = {"by": by, "comment": comment, "values": values, "attempt": attempt}
    signal: dict[str, object] = {"kind": "answer", "node": question.node, "answer": word}
    return signal | {name: value for name, value in parts.items() if value}


def _values(
    form: Mapping[str, object], given: Mapping[str, object], word: str
) -> dict[str, object]:
    from coordinator.core.forms import form_problems

    values = {name: _coerced(form.get(name), str(text)) for name, text in given.items()}
    problems = form_problems(form, values) if word == "approve" else []
    if problems:
        raise CommandError(f"the form is not filled in: {'; '.join(problems)}; write K=V")
    return values


def _coerced(field: object, text: str) -> object:
    """The text as the type that the form's field has; as it is where it cannot be that."""
    kind = field.get("type", "string") if isinstance(field, Mapping) else field or "string"
    if kind in ("string", "text"):
        return text
    if kind == "boolean" and text.lower() in ("yes", "no"):
        return text.lower() == "yes"
    if kind == "list" and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


async def _wait_until_applied(desk: Desk, question: Question) -> None:
    """Return when the question is gone, or soon after: then nobody could apply it yet."""
    for _ in range(_LOOKS):
        if question not in await desk.questions():
            return
        await asyncio.sleep(_PAUSE_SECONDS)
    say("the answer is on its way; no coordinator has applied it yet")
