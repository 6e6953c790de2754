"""Real child processes: what they leave behind, what they may print, and how they are stopped."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.workers.processes import (
    OUTPUT_LIMIT,
    Kept,
    NotStartedError,
    Program,
    ResourceLimits,
    run,
)

from .conftest import eventually, is_running

MakeProgram = Callable[..., Program]

# A child, a grandchild in a session of its own, and one that was detached by a double fork.
FAMILY = """
import os, subprocess, sys, time
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
sleeper = [sys.executable, "-c", deaf]
pids = [subprocess.Popen(sleeper).pid, subprocess.Popen(sleeper, start_new_session=True).pid]
reads, writes = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writes, str(subprocess.Popen(sleeper).pid).encode())
    os._exit(0)
os.wait()
pids.append(int(os.read(reads, 20)))
open("pids", "w").write(" ".join(map(str, [os.getpid(), *pids])))
"""


def pids_of(directory: Path) -> list[int]:
    written = directory / "pids"
    return [int(pid) for pid in written.read_text().split()] if written.exists() else []


async def test_a_program_says_how_it_ended(program: MakeProgram) -> None:
    code = "import sys; print(sys.stdin.read()); print('aside', file=sys.stderr); sys.exit(3)"
    ended = await run(program(code, stdin=b"payload"))
    assert (ended.code, ended.stdout, ended.stderr) == (3, "payload\n", "aside\n")


async def test_a_signal_is_told_from_an_exit_code(program: MakeProgram) -> None:
    ended = await run(program("import os; os.kill(os.getpid(), 11)"))
    assert ended.code == -signal.SIGSEGV


async def test_a_program_that_cannot_start_is_named(program: MakeProgram) -> None:
    broken = program("")
    missing = Program(
        path="/no/such/program",
        argv=["such"],
        directory=broken.directory,
        environment=broken.environment,
    )
    with pytest.raises(NotStartedError, match="No such file"):
        await run(missing)


async def test_nothing_is_left_of_a_program_that_ended(
    program: MakeProgram, tmp_path: Path
) -> None:
    await run(program(FAMILY))
    assert len(pids_of(tmp_path)) == 4
    assert not [pid for pid in pids_of(tmp_path) if is_running(pid)]


async def test_nothing_is_left_of_a_program_that_hung(program: MakeProgram, tmp_path: Path) -> None:
    hanging = program(FAMILY + "\ntime.sleep(600)", timeout_seconds=1.5, grace_seconds=0.2)
    ended = await run(hanging)
    assert ended.timed_out
    assert len(pids_of(tmp_path)) == 4
    assert not [pid for pid in pids_of(tmp_path) if is_running(pid)]


async def test_the_friendly_signal_comes_first(program: MakeProgram) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('tidied up'), sys.exit(0)))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    ended = await run(program(code, timeout_seconds=1.0, grace_seconds=10))
    assert "tidied up" in ended.stdout


async def test_cancelling_stops_the_program(program: MakeProgram, tmp_path: Path) -> None:
    running = asyncio.create_task(run(program(FAMILY + "\ntime.sleep(600)", grace_seconds=0.2)))
    await eventually(lambda: len(pids_of(tmp_path)) == 4)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not [pid for pid in pids_of(tmp_path) if is_running(pid)]


async def test_a_second_cancellation_does_not_wait_for_the_grace(
    program: MakeProgram, tmp_path: Path
) -> None:
    running = asyncio.create_task(run(program(FAMILY + "\ntime.sleep(600)", grace_seconds=600)))
    await eventually(lambda: len(pids_of(tmp_path)) == 4)
    running.cancel()
    await asyncio.wait({running}, timeout=0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await running
    await eventually(lambda: not any(map(is_running, pids_of(tmp_path))))


async def test_a_flood_on_both_streams_is_cut_and_said_and_kept_out_of_memory(
    program: MakeProgram,
) -> None:
    code = (
        "import sys\n"
        "sys.stdout.write('first line\\n')\n"
        "for _ in range(1600):\n"
        "    sys.stdout.write('x' * 65536); sys.stderr.write('y' * 8192)\n"
        "sys.stdout.write('\\nlast line')\n"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = await run(program(code))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert ended.code == 0
    assert ended.stdout.startswith("first line\n")
    assert ended.stdout.endswith("\nlast line")
    assert len(ended.stdout) < OUTPUT_LIMIT + 100
    assert "bytes cut" in ended.stdout
    assert any("of stdout cut" in note for note in ended.notes)
    assert any("of stderr cut" in note for note in ended.notes)
    assert grown_kib < 32 * 1024


def test_what_fits_is_kept_whole() -> None:
    kept = Kept(limit=10)
    for chunk in (b"abc", b"defgh", b"ij"):
        kept.add(chunk)
    assert (kept.text(), kept.cut) == ("abcdefghij", 0)


def test_what_does_not_fit_keeps_both_ends() -> None:
    kept = Kept(limit=10)
    for chunk in (b"abcdef", b"-" * 50, b"vwxyz"):
        kept.add(chunk)
    assert kept.text() == "abcde\n[... 51 bytes cut ...]\nvwxyz"


async def test_limits_reach_the_program(program: MakeProgram) -> None:
    code = (
        "import resource as r\n"
        "print([r.getrlimit(n)[0] for n in (r.RLIMIT_CORE, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE)])"
    )
    limits = ResourceLimits(file_bytes=4096, open_files=64)
    ended = await run(program(code, limits=limits))
    assert ended.stdout.strip() == "[0, 4096, 64]"


async def test_a_program_that_reads_nothing_does_not_block_a_large_payload(
    program: MakeProgram,
) -> None:
    ended = await run(program("print('done')", stdin=b"x" * (4 << 20)))
    assert ended.stdout == "done\n"


async def test_no_file_of_the_worker_is_open_in_the_program(program: MakeProgram) -> None:
    ended = await run(program("import os; print(sorted(os.listdir('/proc/self/fd')))"))
    assert ended.stdout.strip() == "['0', '1', '2', '3']"


WORKER = """
import asyncio, sys
from pathlib import Path
from coordinator.workers.processes import Program, run
here = Path(sys.argv[1])
asyncio.run(run(Program(path=sys.executable, argv=[sys.executable, "-c", sys.argv[2]],
                        directory=here, environment={"PATH": "/usr/bin:/bin"})))
"""


async def test_a_worker_killed_outright_leaves_no_program_running(tmp_path: Path) -> None:
    code = textwrap.dedent(FAMILY) + "\ntime.sleep(600)"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), code])
    try:
        await eventually(lambda: len(pids_of(tmp_path)) == 4)
        os.kill(worker.pid, signal.SIGKILL)
    finally:
        worker.wait()
    await eventually(lambda: not any(map(is_running, pids_of(tmp_path))), seconds=5)
