"""A repository with overlays: the one that the daemon was told of counts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from coordinator.core.routing import choose_workflow, routes_from
from coordinator.core.tasks import normalise_task
from coordinator.definitions import compile_bundle
from coordinator.gitops import FolderOrigin, sync_once
from tests.gitops.synced import GOOD, SHIP, TYPES, Synced, codes
from tests.gitx.gitrepos import Project


def daemon_of(project: Project, env: str) -> Synced:
    """A daemon that was told its environment."""
    synced = Synced.of(project, state=f"state-{env}")
    compile_files = partial(compile_bundle, step_types=TYPES, env=env)
    synced.sync = replace(synced.sync, compile=compile_files)
    return synced


async def test_the_overlay_of_its_environment_is_in_what_a_daemon_activates(
    project: Project,
) -> None:
    overlay = "workflows: {ship: {steps: {build: {timeout: 7m}}}}"
    project.colleague_pushes({**GOOD, "envs/production.yaml": overlay})
    plain, production = daemon_of(project, ""), daemon_of(project, "production")

    statuses = [await sync_once(each.sync) for each in (plain, production)]

    assert all(status.is_valid for status in statuses)
    digest = (await production.active()).digests["ship"]
    document = await production.definitions.get(digest)
    assert document is not None
    assert b'"timeout":"420000ms"' in document
    assert (await plain.active()).digests["ship"] != digest


async def test_a_commit_that_changes_the_overlay_alone_is_a_new_definition(
    project: Project,
) -> None:
    project.colleague_pushes({**GOOD, "envs/production.yaml": "{}"})
    synced = daemon_of(project, "production")
    await sync_once(synced.sync)
    before = (await synced.active()).digests
    project.colleague_pushes({"envs/production.yaml": "defaults: {timeout: 2m}"})

    await sync_once(synced.sync)

    assert (await synced.active()).digests != before


async def test_an_environment_that_is_not_there_activates_nothing_and_says_which_are(
    project: Project,
) -> None:
    project.colleague_pushes({**GOOD, "envs/production.yaml": "{}", "envs/staging.yaml": "{}"})
    synced = daemon_of(project, "prod")

    status = await sync_once(synced.sync)

    assert codes(status) == ["SRC010"]
    assert "production, staging" in status.faults[0].hint
    assert await synced.definitions.active() == []


async def test_a_match_rule_reads_the_values_of_the_environment(project: Project) -> None:
    ship = SHIP.replace("task.repo != null", "env.region == 'eu'")
    overlays = {"envs/eu.yaml": "values: {region: eu}", "envs/us.yaml": "values: {region: us}"}
    project.colleague_pushes({**GOOD, "workflows/ship.yml": ship, **overlays})
    synced = daemon_of(project, "eu")

    await sync_once(synced.sync)

    active = await synced.active()
    assert active.routes[0]["env"] == {"region": "eu"}
    task = normalise_task({"type": "task"})
    assert choose_workflow(task, routes_from(active.routes), active.digests).workflow == "ship"


def test_a_saved_overlay_is_noticed_in_a_plain_folder(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    overlay = tmp_path / "envs" / "production.yaml"
    overlay.write_text("values: {region: eu}")
    origin = FolderOrigin(tmp_path)
    before = origin.look()

    overlay.write_text("values: {region: us-east}")

    assert origin.look().mark != before.mark
    assert origin.read(before).files == {"envs/production.yaml": b"values: {region: us-east}"}
