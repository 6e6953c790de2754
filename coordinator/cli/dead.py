"""`coordinator dead`: messages that could never apply, and putting them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli.commands import Noun, output_option, redis_option
from coordinator.cli.connection import connect, run_async
from coordinator.cli.errors import BadUsageError, NotFoundError
from coordinator.cli.session import Session, say, show, show_list
from coordinator.cli.text import one_line, rfc3339
from coordinator.ports import DeadLetter

if TYPE_CHECKING:
    from coordinator.ports import Desk

_MOST: Final = 10_000
_ID = click.argument("letter", metavar="ID")


@click.group(cls=Noun)
def dead() -> None:
    """Messages that could never apply, each with its reason.

    \b
    Example:
      coordinator dead list
    """


@dead.command("list")
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@output_option()
@redis_option
@click.pass_obj
def list_(session: Session, limit: int, form: str) -> None:
    """List dead letters, the newest first.

    \b
    Example:
      coordinator dead list -o json
    """

    async def work() -> list[dict[str, Any]]:
        async with connect(session) as connection:
            return [_json(one) for one in await connection.desk.dead_letters(limit=limit)]

    columns = ("id", "stream", "at", "reason")
    show_list(form, run_async(work()), columns, key="id", nothing="there are no dead letters")


@dead.command("show")
@_ID
@output_option("text", "json", "yaml")
@redis_option
@click.pass_obj
def show_(session: Session, letter: str, form: str) -> None:
    """Show a dead letter with the message as it came.

    \b
    Example:
      coordinator dead show 1763649000000-0
    """

    async def work() -> DeadLetter:
        async with connect(session) as connection:
            return await _find(connection.desk, letter)

    found = _json(run_async(work()))
    show(form, found, text=_text(found))


@dead.command("replay")
@click.argument("letters", metavar="ID...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
@redis_option
@click.pass_obj
def replay(session: Session, letters: tuple[str, ...], is_all: bool) -> None:
    """Put dead letters back where they came from, after what was wrong was put right.

    \b
    Example:
      coordinator dead replay 1763649000000-0
    """
    if bool(letters) == is_all:
        raise BadUsageError("name the ids to replay, or --all")

    async def work() -> int:
        async with connect(session) as connection:
            desk = connection.desk
            found = await desk.dead_letters(limit=_MOST) if is_all else []
            found += [await _find(desk, letter) for letter in letters]
            for one in reversed(found):
                await desk.replay(one)
            return len(found)

    say(f"{run_async(work())} put back")


async def _find(desk: Desk, letter: str) -> DeadLetter:
    for one in await desk.dead_letters(limit=_MOST):
        if one.id == letter:
            return one
    raise NotFoundError(f'there is no dead letter "{letter}"; see coordinator dead list')


def _json(one: DeadLetter) -> dict[str, Any]:
    return {
        "id": one.id,
        "stream": one.stream,
        "at": rfc3339(one.at_ms),
        "reason": one.reason,
        "entry_id": one.entry_id,
        "fields": dict(one.fields),
    }


def _text(found: dict[str, Any]) -> str:
    lines = [f"{found['id']} from {found['stream']}, {found['at']}", found["reason"], ""]
    lines += [f"  {name}: {one_line(value, 2_000)}" for name, value in found["fields"].items()]
    return "\n".join(lines)
