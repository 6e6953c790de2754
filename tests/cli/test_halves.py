"""Work that is shared with a copy of the process."""

from __future__ import annotations

import os

from coordinator.cli.halves import in_two
from tests.cli.conftest import Shell

ITEMS = list(range(7))


def test_results_come_in_the_order_of_the_items() -> None:
    assert in_two(lambda item: item * item, ITEMS) == [item * item for item in ITEMS]
    assert in_two(lambda item: item, []) == []


def test_both_halves_may_be_done_by_different_processes() -> None:
    done_by = in_two(lambda _: os.getpid(), ITEMS)
    assert set(done_by[:4]) == {os.getpid()}
    assert (os.cpu_count() or 1) < 2 or os.getpid() not in done_by[4:]


def test_what_the_copy_cannot_do_is_done_here() -> None:
    here = os.getpid()

    def work(item: int) -> int:
        if os.getpid() != here:
            raise RuntimeError("not in a copy")
        return item

    assert in_two(work, ITEMS) == ITEMS


def test_many_files_have_the_faults_that_each_has_alone(shell: Shell) -> None:
    good = 'name: w-{}\nversion: "1.0.0"\nsteps: [{{id: a, run: [make]}}]\n'
    for number in range(60):
        shell.write(f"workflows/w-{number:02}.yml", good.format(number))
    shell.write("workflows/w-02.yml", good.format(2).replace("make", "make]}, {id: a, run: [x"))
    shell.write("workflows/w-58.yml", good.format(58).replace("steps", "stepps"))
    shell.write("workflows/w-59.yml", good.format(1))

    done = shell("validate", "-o", "json")

    assert done.code == 1
    faults = [(fault["file"], fault["rule"]) for fault in done.json["faults"]]
    assert faults == [
        ("workflows/w-02.yml", "WF025"),
        ("workflows/w-58.yml", "WF021"),
        ("workflows/w-58.yml", "WF020"),
        ("workflows/w-59.yml", "WF038"),
    ]
