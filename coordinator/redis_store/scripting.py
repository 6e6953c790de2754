"""The Lua scripts of this package, sent by their hash and loaded when the server lacks them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.exceptions import ResponseError

from coordinator.redis_store.connection import Argument, Command, Link
from coordinator.redis_store.errors import checked, code_of


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its hash."""

    text: bytes
    sha: str

    def on(self, keys: Sequence[str], *arguments: Argument) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    @property
    def bare(self) -> Script:
        """The same without its header, for a server that knows none."""
        header, _, body = self.text.partition(b"\n")
        return _of(body) if header.startswith(b"#!") else self


def _script(name: str, replaces: tuple[bytes, bytes] = (b"", b"")) -> Script:
    source = resources.files(__package__).joinpath("scripts", f"{name}.lua").read_bytes()
    text = source.replace(*replaces, 1) if replaces[0] else source
    return _of(text)


def _of(text: bytes) -> Script:
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


START: Final = _script("commit")
"""Saves the first transition of a run; refused when the server's memory is used up."""
COMMIT: Final = _script("commit", (b"#!lua", b"#!lua flags=allow-oom"))
"""Saves a later one; allowed then too, because only by ending do runs give memory back."""
SETTLE: Final = _script("settle")
REFUSE: Final = _script("refuse")
REPLAY: Final = _script("replay")
CLAIM: Final = _script("claim")
KEEP: Final = _script("keep")
LEAVE: Final = _script("leave")
FIRE: Final = _script("fire")
SUBMIT: Final = _script("submit")
ANNOUNCE: Final = _script("announce")
SWAP: Final = _script("swap")

_ALL: Final = (
    START, COMMIT, SETTLE, REFUSE, REPLAY, CLAIM, KEEP, LEAVE, FIRE, SUBMIT, ANNOUNCE, SWAP
)  # fmt: skip
_BY_SHA: Final = {script.sha: script for each in _ALL for script in (each, each.bare)}


async def run(
    link: Link, *commands: Command, wait_ms: int = 0, is_repeatable: bool = False
) -> list[Any]:
    """The replies to `commands`, in one round trip when the server knows the scripts.

    Raises:
        StoreUnavailableError: as `Link.call`.
        StoreUnsuitableError: as `Link.call`, or one command was refused.
    """
    sent = commands if link.has_script_headers else _without_headers(commands)
    replies = await link.call(*sent, wait_ms=wait_ms, is_repeatable=is_repeatable)
    return await _completed(link, commands, replies, is_repeatable=is_repeatable)


async def run_streamed(link: Link, commands: Iterable[Command]) -> list[Any]:
    """As `run`, for many commands, each sent as soon as it is made."""
    made: list[Command] = []

    def each() -> Iterator[Command]:
        for command in commands:
            made.append(command)
            yield command if link.has_script_headers else _without_headers([command])[0]

    replies = await link.stream(each())
    return await _completed(link, made, replies, is_repeatable=False)


async def _completed(
    link: Link, commands: Sequence[Command], replies: list[Any], *, is_repeatable: bool
) -> list[Any]:
    """The replies, after sending those again whose script the server did not know."""
    missing = [i for i, reply in enumerate(replies) if _is_unknown(reply)]
    if missing:
        again = [commands[i] for i in missing]
        again = again if link.has_script_headers else _without_headers(again)
        await _load(link, {str(command[1]) for command in again})
        answers = await link.call(*again, is_repeatable=is_repeatable)
        for i, reply in zip(missing, answers, strict=True):
            replies[i] = reply
    return [checked(reply) for reply in replies]


async def _load(link: Link, shas: set[str]) -> None:
    loads = [("SCRIPT", "LOAD", _BY_SHA[sha].text) for sha in sorted(shas)]
    for reply in await link.call(*loads, is_repeatable=True):
        checked(reply)


async def run_one(link: Link, command: Command, *, is_repeatable: bool = False) -> Any:
    """The reply to one command."""
    [reply] = await run(link, command, is_repeatable=is_repeatable)
    return reply


def _without_headers(commands: Sequence[Command]) -> list[Command]:
    return [
        (command[0], _BY_SHA[str(command[1])].bare.sha, *command[2:])
        if command[0] == "EVALSHA"
        else command
        for command in commands
    ]


def _is_unknown(reply: object) -> bool:
    return isinstance(reply, ResponseError) and code_of(reply) == "NOSCRIPT"
