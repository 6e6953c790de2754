"""From the command of a persona and a payload to a program and its arguments.

A value from the payload can fill an argument. It can neither add one, nor become an option of the
program, nor name a program that the operator of the worker has not allowed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from coordinator.core.templates import TemplateError, compile_template
from coordinator.workers.processes import NotStartedError

_ANY: Final = "*"


class CommandRefusedError(Exception):
    """The command will not be run here."""


def argv_of(command: Sequence[str], payload: Mapping[str, object]) -> list[str]:
    """The arguments for a request.

    A persona without a command runs what its step gives as `params.run`. That is taken as it is:
    the coordinator has rendered it, and what came out of a step is never rendered again.

    Raises:
        CommandRefusedError: there is nothing to run, or it must not be run like this.
    """
    if command:
        return render_argv(command, payload)
    params = payload.get("params")
    given = params.get("run") if isinstance(params, Mapping) else None
    if not isinstance(given, list) or not given or not all(isinstance(x, str) for x in given):
        raise CommandRefusedError("it has no command, and params.run is not a list of texts")
    if not given[0] or any("\0" in part for part in given):
        raise CommandRefusedError("params.run names no program, or has a NUL character in it")
    return list(given)


def render_argv(command: Sequence[str], payload: Mapping[str, object]) -> list[str]:
    """The arguments, each one element whatever the payload holds.

    Raises:
        CommandRefusedError: a template fails, or its value would become an option of the program.
    """
    argv: list[str] = []
    for position, template in enumerate(command):
        try:
            value = _argument(compile_template(template).render(payload))
        except TemplateError as error:
            raise CommandRefusedError(f"element {position} of its command: {error}") from error
        if "\0" in value:
            raise CommandRefusedError(f"element {position} of its command has a NUL character")
        if (
            value.startswith("-")
            and not template.startswith("-")
            and "--" not in command[:position]
        ):
            raise CommandRefusedError(
                f"element {position} of its command became {value[:40]!r}, which the program would "
                'take for an option; put "--" before it in the persona\'s command'
            )
        argv.append(value)
    if not argv or not argv[0]:
        raise CommandRefusedError("its command is empty")
    return argv


def check_allowed(program: str, allow: frozenset[str]) -> None:
    """Pass only what the operator of this worker allowed.

    Raises:
        CommandRefusedError: it is not on the list.
    """
    if _ANY not in allow and program not in allow:
        allowed = ", ".join(sorted(allow)) or "nothing"
        raise CommandRefusedError(
            f"the program {program!r} is not allowed on this worker (allowed: {allowed}); its "
            f"operator can add it to worker.allow_commands or COORDINATOR_ALLOW_COMMANDS"
        )


def find_program(name: str, search_path: str, directory: Path) -> str:
    """The absolute path of a program; a name with a slash is looked up from `directory`.

    Raises:
        NotStartedError: there is none.
    """
    found = str(directory / name) if "/" in name else shutil.which(name, path=search_path)
    if found is None or not os.access(found, os.X_OK) or os.path.isdir(found):
        raise NotStartedError(
            f"the program {name!r} is not installed on this worker (looked in {search_path})"
        )
    return found


def _argument(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, default=str)


def child_search_path(inherited: str) -> str:
    """Where programs are looked for: beside this interpreter, then the worker's own PATH.

    Relative parts are dropped: they would lead into the files of the run.
    """
    parts = [os.path.dirname(sys.executable), *inherited.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(part for part in parts if os.path.isabs(part)))
