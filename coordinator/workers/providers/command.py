"""Personas that are programs: an argv, never a shell, in a throwaway workspace of the run's files.

| what the program gets | from where                                                           |
|-----------------------|----------------------------------------------------------------------|
| arguments             | the persona's templates, rendered with the payload, each one argument |
| stdin                 | the payload as JSON                                                  |
| directory             | the run's files at the base revision, or an empty one                |
| environment           | PATH, LANG, its own HOME and TMPDIR, COORDINATOR_RUN, _NODE, _ATTEMPT |

Nothing else of the worker's environment reaches it, and only programs that the operator of this
worker allowed are run.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from coordinator.core.definition import ErrorClass, Files
from coordinator.core.events import ReplyStatus
from coordinator.gitx.stopping import run_stoppable
from coordinator.workers.arguments import (
    CommandRefusedError,
    argv_of,
    check_allowed,
    child_search_path,
    find_program,
)
from coordinator.workers.processes import NotStartedError, Program, ResourceLimits, run
from coordinator.workers.providers import Asked
from coordinator.workers.replies import (
    Answer,
    Ended,
    answer_of,
    clean,
    failed,
    last_lines,
    refused,
)
from coordinator.workers.workspaces import Room, Rooms, remove_tree

MAX_PATCH_BYTES: Final = 1 << 20


class Workspace(Protocol):
    """The run's files at one revision, in a directory of their own."""

    def changes(self) -> str:
        """What differs from the revision now, as a patch; empty when nothing does.

        Raises:
            CheckoutError: it cannot be a patch.
        """

    def remove(self) -> None:
        """Delete it."""


class CheckoutError(Exception):
    """The run's files could not be brought here, or their changes not be read."""

    def __init__(self, message: str, *, error_class: ErrorClass = ErrorClass.TRANSPORT) -> None:
        super().__init__(message)
        self.error_class = error_class


class Checkout(Protocol):
    """Brings the files of a request (`{repo, ref, base, …}`) into an empty directory."""

    def __call__(self, files: Mapping[str, object], directory: Path) -> Workspace:
        """The workspace; blocks while it works.

        Raises:
            CheckoutError: the files are not there; nothing is usable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """What the operator of this worker decides about programs."""

    allow: frozenset[str]
    """Programs that may be run, as personas name them; `*` for any."""
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    grace_seconds: float = 5.0
    search_path: str = field(default_factory=lambda: os.environ.get("PATH", os.defpath))
    language: str = field(default_factory=lambda: os.environ.get("LANG", "C.UTF-8"))


class CommandProvider:
    """Runs programs for requests to `command` personas."""

    def __init__(self, settings: CommandSettings, rooms: Rooms, checkout: Checkout) -> None:
        self._settings = settings
        self._rooms = rooms
        self._checkout = checkout
        self._path = child_search_path(settings.search_path)

    async def answer(self, asked: Asked) -> Answer:
        """The program's result and verdict, and its changes to the files where it may make some."""
        try:
            argv = argv_of(asked.persona.command, asked.request.payload)
            check_allowed(argv[0], self._settings.allow)
        except CommandRefusedError as error:
            return refused(f"persona {asked.persona.name!r}: {error}")
        room = await asyncio.to_thread(self._rooms.open)
        try:
            return await self._answer_in(room, asked, argv)
        except CheckoutError as error:
            return failed(error.error_class, str(error))
        except NotStartedError as error:
            return refused(str(error))
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, room.root))

    async def _answer_in(self, room: Room, asked: Asked, argv: Sequence[str]) -> Answer:
        files = asked.request.payload.get("files")
        if not isinstance(files, Mapping):
            answer = _judged(await run(self._program(room, asked, argv)), asked, argv[0])
            return _without_files(answer, asked, room)
        workspace = await run_stoppable(lambda: self._checkout(files, room.files))
        try:
            answer = _judged(await run(self._program(room, asked, argv)), asked, argv[0])
            if files.get("mode") != Files.PATCH.value or answer.status is not ReplyStatus.DONE:
                return answer
            return _with_patch(answer, files, await asyncio.to_thread(workspace.changes))
        finally:
            await asyncio.shield(asyncio.to_thread(workspace.remove))

    def _program(self, room: Room, asked: Asked, argv: Sequence[str]) -> Program:
        payload = asked.request.payload
        return Program(
            path=find_program(argv[0], self._path, room.files),
            argv=argv,
            directory=room.files,
            environment=self._environment(room, asked),
            stdin=json.dumps(payload, ensure_ascii=True).encode("ascii"),
            timeout_seconds=_seconds(payload.get("timeout_ms"), asked.persona.timeout_ms),
            grace_seconds=self._settings.grace_seconds,
            limits=self._settings.limits,
        )

    def _environment(self, room: Room, asked: Asked) -> dict[str, str]:
        request = asked.request
        return {
            "PATH": self._path,
            "LANG": self._settings.language,
            "HOME": str(room.home),
            "TMPDIR": str(room.temporary),
            "COORDINATOR_RUN": clean(request.run),
            "COORDINATOR_NODE": clean(request.node),
            "COORDINATOR_ATTEMPT": str(request.attempt),
        }


def _judged(ended: Ended, asked: Asked, program: str) -> Answer:
    persona = asked.persona
    if ended.timed_out:
        allowed = _seconds(asked.request.payload.get("timeout_ms"), persona.timeout_ms)
        said = last_lines(ended.stderr, lines=5) or last_lines(ended.stdout, lines=5)
        message = f"{program} did not end within {allowed:g} s and was stopped"
        return failed(ErrorClass.TIMEOUT, f"{message}\n{said}".rstrip())
    return answer_of(ended, persona.exit_codes, tests_required=persona.tests_required, name=program)


def _without_files(answer: Answer, asked: Asked, room: Room) -> Answer:
    """The answer of a persona that had no files to work on; what it wrote all the same is said."""
    is_done = answer.status is ReplyStatus.DONE
    if is_done and asked.persona.files is Files.PATCH and any(room.files.iterdir()):
        return refused(
            f"persona {asked.persona.name!r} changed files, and the task names no repository to "
            "keep them in; submit it with --repo PATH_OR_URL (or `repo` in the task)"
        )
    return answer


def _with_patch(answer: Answer, files: Mapping[str, object], diff: str) -> Answer:
    if not diff.strip():
        return answer
    size = len(diff.encode("utf-8", "replace"))
    if size > MAX_PATCH_BYTES:
        return failed(
            ErrorClass.INVALID_REPLY,
            f"the change is a patch of {size} bytes; a reply may carry {MAX_PATCH_BYTES}",
            retryable=False,
        )
    return replace(answer, patch={"base": files.get("base"), "diff": diff})


def _seconds(of_request: object, of_persona: int | None) -> float | None:
    for milliseconds in (of_request, of_persona):
        if isinstance(milliseconds, int | float) and milliseconds > 0:
            return milliseconds / 1000
    return None
