"""Commits become definitions, or say why not: real git, a store in memory."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.core.routing import choose_workflow, routes_from
from coordinator.core.tasks import normalise_task
from coordinator.definitions import Bundle
from coordinator.gitops import GitOrigin, Source, sync_once
from coordinator.gitx import InvalidNameError
from coordinator.ports import StoreUnavailableError
from tests.gitops.synced import (
    BROKEN,
    GOOD,
    SHIP,
    WORKER,
    Synced,
    codes,
    version,
)
from tests.gitx.gitrepos import Project, git


def at(sha: str) -> str:
    return f"main@sha1:{sha}"


async def test_a_good_commit_serves_new_runs(project: Project, synced: Synced) -> None:
    status = await synced.looks()

    revision = at(project.tip())
    assert (status.observed, status.attempted, status.active, status.last_good) == (revision,) * 4
    assert (status.faults, status.error) == ((), "")
    active = await synced.active()
    assert (active.revision, active.personas) == (revision, ["worker"])
    assert await synced.stored() == "1.0.0"


async def test_the_match_rules_travel_with_the_bundle(synced: Synced) -> None:
    await synced.looks()

    active = await synced.active()
    rules = [{"workflow": "ship", "types": ["task"], "when": "task.repo != null"}]
    assert active.routes == rules
    task = normalise_task({"repo": "/srv/a.git"})
    assert choose_workflow(task, routes_from(active.routes), active.digests).workflow == "ship"


async def test_a_new_commit_is_noticed_and_an_old_one_is_not_read_again(
    project: Project, synced: Synced
) -> None:
    await synced.looks()
    await synced.looks()
    assert len(synced.compiled) == 1

    project.colleague_pushes({"workflows/ship.yml": version("1.1.0")})
    await synced.looks()

    assert len(synced.compiled) == 2
    assert await synced.stored() == "1.1.0"
    assert synced.log.said[-1][1]["workflows"] == ["~ship"]


async def test_a_bad_commit_keeps_the_last_good_set_and_a_fix_activates(
    project: Project, synced: Synced
) -> None:
    good = at(project.tip())
    await synced.looks()

    bad = at(project.colleague_pushes({"workflows/ship.yml": BROKEN}))
    status = await synced.looks()

    assert (status.observed, status.attempted) == (bad, bad)
    assert (status.active, status.last_good) == (good, good)
    assert not status.is_valid
    assert str(status.faults[0]).startswith("workflows/ship.yml:6:")
    assert "worker" in str(status.faults[0])
    assert (await synced.active()).revision == good
    assert synced.log.events == ["definitions_activated", "definitions_invalid"]

    fixed = at(project.colleague_pushes({"workflows/ship.yml": version("1.0.1")}))
    status = await synced.looks()

    assert (status.active, status.last_good, status.faults) == (fixed, fixed, ())
    assert await synced.stored() == "1.0.1"


async def test_a_bad_first_commit_activates_nothing(tmp_path: Path) -> None:
    synced = Synced.of(Project.make(tmp_path, {**GOOD, "workflows/ship.yml": BROKEN}))

    status = await synced.looks()

    assert (status.active, status.last_good) == ("", "")
    assert await synced.definitions.active() == []


async def test_a_commit_that_changes_no_definition_only_moves_what_was_observed(
    project: Project, synced: Synced
) -> None:
    first = at(project.tip())
    await synced.looks()
    before = await synced.active()

    newer = at(project.colleague_pushes({"README.md": "more"}))
    status = await synced.looks()

    assert (status.observed, status.attempted, status.last_good) == (newer, newer, newer)
    assert status.active == first
    assert await synced.active() == before


async def test_a_changed_persona_is_a_new_version_of_the_workflows_that_use_it(
    project: Project, synced: Synced
) -> None:
    await synced.looks()
    before = (await synced.active()).digests["ship"]

    project.colleague_pushes({"personas/worker.yaml": WORKER.replace("make", "ninja")})
    await synced.looks()

    after = (await synced.active()).digests["ship"]
    assert after != before
    assert await synced.definitions.get(before) is not None


async def test_deleting_every_workflow_is_refused(project: Project, synced: Synced) -> None:
    await synced.looks()

    project.colleague_pushes({"workflows/ship.yml": None})
    status = await synced.looks()

    assert codes(status) == ["SRC007"]
    assert "there are no workflows" in str(status.faults[0])
    assert await synced.stored() == "1.0.0"


async def test_one_workflow_of_two_may_go(project: Project, synced: Synced) -> None:
    project.colleague_pushes({"workflows/other.yml": SHIP.replace("ship", "other")})
    await synced.looks()

    project.colleague_pushes({"workflows/ship.yml": None})
    await synced.looks()

    assert list((await synced.active()).digests) == ["other"]
    assert synced.log.said[-1][1]["workflows"] == ["-ship"]


async def test_links_submodules_pointers_and_large_files_are_faults_and_never_followed(
    project: Project, synced: Synced
) -> None:
    await synced.looks()
    (project.clone / "workflows/link.yml").symlink_to("/etc/passwd")
    module = f"160000,{project.tip()},workflows/module"
    git(project.clone, "update-index", "--add", "--cacheinfo", module)
    large = "#" * (2**20 + 1)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (project.clone / "workflows/large.yml").write_text(large)
    (project.clone / "personas/pointer.yaml").write_text(pointer)
    git(project.clone, "add", "workflows/link.yml", "workflows/large.yml", "personas/pointer.yaml")
    git(project.clone, "commit", "-q", "-m", "traps")
    git(project.clone, "push", "-q", "origin", "main")

    status = await synced.looks()

    found = {fault.file: fault.rule for fault in status.faults}
    assert found == {
        "workflows/link.yml": "SRC001",
        "workflows/module": "SRC002",
        "personas/pointer.yaml": "SRC003",
        "workflows/large.yml": "SRC004",
    }
    assert await synced.stored() == "1.0.0"


async def test_too_many_files_are_one_fault(project: Project, synced: Synced) -> None:
    project.colleague_pushes({f"personas/notes/{number}.txt": "x" for number in range(2_001)})

    status = await synced.looks()

    assert codes(status) == ["SRC005"]
    assert "2,003 files" in str(status.faults[0])


async def test_a_remote_that_vanishes_costs_nothing(project: Project, synced: Synced) -> None:
    await synced.looks()
    hidden = project.folder / "hidden"
    shutil.move(project.remote, hidden)

    status = await synced.looks()

    assert status.error
    assert status.active == at(git(hidden, "rev-parse", "main"))
    assert await synced.stored() == "1.0.0"

    shutil.move(hidden, project.remote)
    project.colleague_pushes({"workflows/ship.yml": version("2.0.0")})
    status = await synced.looks()

    assert (status.error, await synced.stored()) == ("", "2.0.0")


async def test_a_commit_that_cannot_be_fetched_is_observed_all_the_same(
    project: Project, synced: Synced
) -> None:
    good = at(project.tip())
    await synced.looks()
    newer = project.colleague_pushes({"workflows/ship.yml": version("2.0.0")})
    lost = project.remote / "objects" / newer[:2] / newer[2:]
    content = lost.read_bytes()
    lost.unlink()

    status = await synced.looks()

    assert (status.observed, status.attempted, status.active) == (at(newer), good, good)
    assert status.error

    lost.write_bytes(content)
    assert (await synced.looks()).active == at(newer)


async def test_a_force_push_is_followed_and_reported(project: Project, synced: Synced) -> None:
    first = project.tip()
    project.colleague_pushes({"workflows/ship.yml": version("1.1.0")})
    await synced.looks()

    git(project.clone, "reset", "-q", "--hard", first)
    (project.clone / "workflows/ship.yml").write_text(version("3.0.0"))
    git(project.clone, "commit", "-q", "-a", "-m", "another history")
    git(project.clone, "push", "-q", "--force", "origin", "main")
    await synced.looks()

    assert await synced.stored() == "3.0.0"
    assert "source_rewritten" in synced.log.events


async def test_documents_of_replaced_versions_stay(project: Project, synced: Synced) -> None:
    digests = []
    for number in ("1.0.0", "1.0.1", "1.0.2"):
        if number != "1.0.0":
            project.colleague_pushes({"workflows/ship.yml": version(number)})
        await synced.looks()
        digests.append((await synced.active()).digests["ship"])

    documents = [await synced.definitions.get(digest) for digest in digests]
    assert len(set(digests)) == 3
    assert None not in documents


async def test_a_coordinator_that_looked_longer_ago_does_not_bring_the_old_back(
    project: Project, synced: Synced
) -> None:
    """It has read the old commit, and is held up until another has activated the new one."""
    other = Synced.of(project, "elsewhere", synced.definitions)
    read = synced.sync.origin.read
    pushed: list[str] = []

    class HeldUp:
        name = "held up"
        look = staticmethod(synced.sync.origin.look)

        def read(self, tip: object) -> object:
            snapshot = read(tip)
            if not pushed:
                pushed.append(project.colleague_pushes({"workflows/ship.yml": version("2.0.0")}))
                asyncio.run(other.looks())
            return snapshot

    late = Synced(HeldUp(), synced.definitions)
    status = await late.looks()

    assert await other.stored() == "2.0.0"
    assert (status.active, status.error) == (at(pushed[0]), "")


async def test_what_was_lost_from_the_store_is_put_back(project: Project, synced: Synced) -> None:
    await synced.looks()
    other = Synced.of(project, "elsewhere")
    other.status = synced.status

    await other.looks()

    assert await other.stored() == "1.0.0"


async def test_a_compiler_that_stumbles_is_a_fault_and_no_crash(synced: Synced) -> None:
    def stumble(files: Mapping[str, bytes]) -> Bundle:
        raise RecursionError("too deep")

    sync = synced.sync
    broken = type(sync)(
        origin=sync.origin, definitions=sync.definitions, compile=stumble, log=sync.log
    )
    status = await sync_once(broken)

    assert codes(status) == ["SRC008"]
    assert "RecursionError: too deep" in str(status.faults[0])


async def test_a_store_that_is_away_is_an_error_of_the_status(synced: Synced) -> None:
    class Away:
        async def active(self) -> list[object]:
            raise StoreUnavailableError("no answer")

    status = await Synced(synced.sync.origin, Away()).looks()

    assert status.error == "no answer"


@pytest.mark.parametrize("ref", ["", "HEAD", "main", "refs/heads/main", "v1", "refs/tags/v1"])
async def test_branches_and_tags_may_be_followed(project: Project, ref: str) -> None:
    git(project.clone, "tag", "-a", "-m", "first", "v1")
    git(project.clone, "push", "-q", "origin", "v1")
    synced = Synced.of(project, ref=ref)

    status = await synced.looks()

    assert status.active.endswith(f"@sha1:{project.tip()}")
    assert replace(await synced.looks(), at_ms=status.at_ms) == status
    assert len(synced.compiled) == 1


async def test_a_commit_may_be_pinned(project: Project) -> None:
    first = project.tip()
    project.colleague_pushes({"workflows/ship.yml": version("2.0.0")})
    synced = Synced.of(project, ref=first)

    await synced.looks()

    assert (await synced.active()).revision == f"commit@sha1:{first}"
    assert await synced.stored() == "1.0.0"


@pytest.mark.parametrize(
    ("ref", "says"), [("nope", "no branch or tag 'nope'"), ("refs/heads/x", "correct source.ref")]
)
async def test_a_ref_that_is_not_there_says_what_to_do(
    project: Project, ref: str, says: str
) -> None:
    status = await Synced.of(project, ref=ref).looks()

    assert says in status.error


async def test_an_empty_repository_says_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    project = Project(tmp_path, tmp_path / "remote.git", tmp_path / "clone")

    status = await Synced.of(project, ref="").looks()

    assert "has no commits" in status.error


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a b", "a..b"])
def test_a_ref_that_git_must_not_see_is_refused(ref: str) -> None:
    with pytest.raises(InvalidNameError):
        Source(url="/x", ref=ref)


def test_a_path_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(InvalidNameError):
        Source(url="/x", paths=("../etc",))


def test_a_url_with_credentials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidNameError) as caught:
        GitOrigin(Source(url="https://user:secret@example.org/a.git"), tmp_path)
    assert "secret" not in str(caught.value)
