"""A plain folder goes through the same pipeline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coordinator.gitops import FolderOrigin
from tests.gitops.synced import BROKEN, GOOD, Synced, codes, version
from tests.gitx.gitrepos import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, GOOD)
    return tmp_path


@pytest.fixture
def dev(folder: Path) -> Synced:
    return Synced(FolderOrigin(folder))


async def test_a_folder_serves_new_runs_and_says_that_it_is_one(dev: Synced, folder: Path) -> None:
    status = await dev.looks()

    assert status.active == f"dir:{folder.resolve()}"
    assert await dev.stored() == "1.0.0"


async def test_a_saved_file_counts_at_once_and_others_are_not_read_again(
    dev: Synced, folder: Path
) -> None:
    await dev.looks()
    await dev.looks()
    assert len(dev.compiled) == 1

    write(folder, {"workflows/ship.yml": version("1.1.0")})
    await dev.looks()

    assert await dev.stored() == "1.1.0"


async def test_a_file_of_the_same_size_and_time_that_replaced_another_counts(
    dev: Synced, folder: Path
) -> None:
    await dev.looks()
    facts = (folder / "workflows/ship.yml").stat()
    write(folder, {"workflows/.next": version("7.0.0")})
    os.utime(folder / "workflows/.next", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (folder / "workflows/.next").rename(folder / "workflows/ship.yml")

    await dev.looks()

    assert await dev.stored() == "7.0.0"


async def test_a_broken_file_keeps_the_last_good_set(dev: Synced, folder: Path) -> None:
    await dev.looks()

    write(folder, {"workflows/ship.yml": BROKEN})
    status = await dev.looks()

    assert str(status.faults[0]).startswith("workflows/ship.yml:6:")
    assert await dev.stored() == "1.0.0"


async def test_links_and_pipes_are_faults_and_hidden_files_are_left_alone(
    dev: Synced, folder: Path
) -> None:
    (folder / "workflows/link.yml").symlink_to("/etc/passwd")
    (folder / "workflows/.#lock.yml").symlink_to("nowhere")
    os.mkfifo(folder / "workflows/pipe.yml")

    status = await dev.looks()

    assert {fault.file: fault.rule for fault in status.faults} == {
        "workflows/link.yml": "SRC001",
        "workflows/pipe.yml": "SRC009",
    }


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"workflows/large.yml": "#" * (2**20 + 1)}, "SRC004"),
        ({f"personas/{n}.bin": "x" * 2**20 for n in range(17)}, "SRC005"),
        ({"workflows/a\nb.yml": "x"}, "SRC006"),
        ({"workflows/ship.yml": None}, "SRC007"),
    ],
)
async def test_limits_are_those_of_a_repository(
    dev: Synced, folder: Path, what: dict[str, str | None], code: str
) -> None:
    write(folder, what)

    assert codes(await dev.looks()) == [code]


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    status = await Synced(FolderOrigin(tmp_path / "nowhere")).looks()

    assert "there is no folder" in status.error
