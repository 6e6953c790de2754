"""A password for one git process: through a pipe, not by environment, argument or file.

git asks a program of ours (`GIT_ASKPASS`) for the user name and then for the password; the program
reads one line each from a pipe that only processes below that git have open. Nothing is stored, and
another host never gets it, because redirects are not followed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coordinator.gitx.errors import InvalidNameError

_VARIABLE: Final = "COORDINATOR_CREDENTIAL_FD"
_PROGRAM: Final = f"""#!/bin/sh
exec {sys.executable} -I -S -c '
import os
source, line = int(os.environ["{_VARIABLE}"]), b""
while not line.endswith(b"\\n"):
    byte = os.read(source, 1)
    if not byte:
        raise SystemExit(1)
    line += byte
os.write(1, line)
'
"""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a remote wants to know before it lets the coordinator in."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        for what, value in (("user name", self.username), ("password", self.password)):
            if not value or len(value) > 1_000 or not value.isascii() or not value.isprintable():
                raise InvalidNameError(what, "[hidden]", "use 1 to 1,000 printable characters")


def write_askpass(path: Path) -> None:
    """Write the program that git asks; it holds no secret."""
    path.write_text(_PROGRAM)
    path.chmod(0o700)


@contextlib.contextmanager
def offered(credential: Credential | None, askpass: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The descriptor that git must inherit (-1 for none) and the variables that it needs."""
    if credential is None:
        yield -1, {}
        return
    source, sink = os.pipe()
    try:
        # Far below what a pipe holds, so this never waits for a reader.
        os.write(sink, f"{credential.username}\n{credential.password}\n".encode())
        os.close(sink)
        yield source, {"GIT_ASKPASS": str(askpass), _VARIABLE: str(source)}
    finally:
        os.close(source)
