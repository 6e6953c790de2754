"""A small process that stands between the worker and a program it runs.

    python -I -S guard.py LIFELINE REPORT LIMITS PROGRAM ARGUMENT…

It starts the program in a process group of its own and makes sure that nothing of it survives:
when the program has ended, when the worker says so on the lifeline (`T` = terminate, `K` = kill),
or when the lifeline breaks because the worker itself is dead, however it died. On Linux it adopts
whatever the program leaves behind, so a child that moved to another session is found as well.

It runs on its own, from its file and without the project's other modules, so that it starts within
a few milliseconds. How the program ended goes to REPORT as `exit N`, `signal N` or `exec N` (the
error number of a program that could not be started).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Final

_PDEATHSIG: Final = 1
_SUBREAPER: Final = 36
_CLEANUP_SECONDS: Final = 5.0
_LIMITS: Final = {
    "core": resource.RLIMIT_CORE,
    "processes": resource.RLIMIT_NPROC,
    "memory_bytes": resource.RLIMIT_AS,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def main(argv: list[str]) -> int:
    """Run the program to its end, or to the end of the worker's patience."""
    lifeline, report, limits = int(argv[0]), int(argv[1]), json.loads(argv[2])
    for inherited in (lifeline, report):
        os.set_inheritable(inherited, False)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _ask_kernel(_SUBREAPER, 1)
    child = _start(argv[3:], limits, report)
    _close_standard_streams()
    status = _wait(child, lifeline, wake)
    _leave_nothing(child)
    ended = os.waitstatus_to_exitcode(status)
    _say(report, f"exit {ended}" if ended >= 0 else f"signal {-ended}")
    return 0


def _start(argv: list[str], limits: Mapping[str, int], report: int) -> int:
    guard = os.getpid()
    child = os.fork()
    if child:
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        return child
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _ask_kernel(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:
            _limit(limits)
            os.execv(argv[0], argv[1:])  # noqa: S606 - an argv, never a shell: that is the point
    except (OSError, ValueError) as error:
        _say(report, f"exec {getattr(error, 'errno', None) or 22}")
    finally:
        os._exit(127)


def _limit(limits: Mapping[str, int]) -> None:
    for name, wanted in limits.items():
        number = _LIMITS[name]
        _, hard = resource.getrlimit(number)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(number, (most, most))


def _wait(child: int, lifeline: int, wake: int) -> int:
    """The wait status of `child`; meanwhile orders on the lifeline are carried out."""
    watched = [lifeline, wake]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if lifeline in ready:
            order = os.read(lifeline, 1)
            _signal_group(child, signal.SIGTERM if order == b"T" else signal.SIGKILL)
            if order != b"T":
                _kill_descendants()
            if not order:
                watched.remove(lifeline)
        if wake in ready:
            os.read(wake, 4096)
        while (ended := _reap()) is not None:
            if ended[0] == child:
                return ended[1]


def _leave_nothing(child: int) -> None:
    """Kill what the program left behind, until there is nothing more to wait for."""
    until = time.monotonic() + _CLEANUP_SECONDS
    _signal_group(child, signal.SIGKILL)  # once: later the number may be another group's
    while time.monotonic() < until:
        _kill_descendants()
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return


def _reap() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_descendants() -> None:
    """Kill every process below this one; without /proc only the group is known."""
    parents = _parents()
    doomed, frontier = set[int](), {os.getpid()}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - doomed
        doomed |= frontier
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _parents() -> dict[int, int]:
    parents: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with (
                    contextlib.suppress(OSError, ValueError),
                    open(f"/proc/{name}/stat", "rb") as f,
                ):
                    parents[int(name)] = int(f.read().rpartition(b")")[2].split()[1])
    return parents


def _close_standard_streams() -> None:
    """So that the program's end closes the worker's pipes."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _say(report: int, text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(report, f"{text}\n".encode())


def _ask_kernel(option: int, value: int) -> None:
    """`prctl`, where there is one."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
