"""A daemon follows the repository of its definitions while it runs."""

from __future__ import annotations

import json

from tests.faults.content import WAIT
from tests.faults.proof import eventually, watching
from tests.faults.system import System

_SECOND = WAIT.replace('"1.0.0"', '"2.0.0"') + 'outputs: {said: "second"}\n'
_BROKEN = WAIT.replace("persona: patient", "persona: nobody")


async def test_new_commits_become_active_broken_ones_do_not_and_runs_keep_theirs(
    system: System,
) -> None:
    def version() -> str:
        listed = json.loads(system.command("workflows", "list", "-o", "json"))
        return next((one["version"] for one in listed if one["id"] == "wait"), "")

    async with watching(system) as spectator:
        daemon = system.daemon()
        system.worker()
        await eventually(spectator.connection.definitions.active)
        before = await spectator.submit("wait")
        await spectator.asked(1)
        assert version() == "1.0.0"

        second = system.define({"workflows/wait.yml": _SECOND})
        await eventually(lambda: second in daemon.said())
        assert version() == "2.0.0"

        broken = system.define({"workflows/wait.yml": _BROKEN})
        await eventually(lambda: "definitions_invalid" in daemon.said())
        said = next(line for line in daemon.said().splitlines() if "definitions_invalid" in line)
        assert broken in said
        assert "workflows/wait.yml:4" in said
        listed = system.command("workflows", "list")
        assert "2.0.0" in listed
        assert broken[:12] in listed
        assert "workflows/wait.yml:4" in listed
        assert "workflows/wait.yml:4" in system.command("doctor")

        after = await spectator.submit("wait", "While the newest commit is broken")
        system.go.touch()
        first = await spectator.ended(before)
        last = await spectator.ended(after)
        assert (first.succeeded, last.succeeded) == (True, True)
        assert first.state.head.digest != last.state.head.digest
        assert (first.outputs, last.outputs) == ({}, {"said": "second"})

        mended = system.define({"workflows/wait.yml": _SECOND.replace("second", "third")})
        await eventually(lambda: mended in daemon.said())
        assert broken[:12] not in system.command("workflows", "list")
        assert daemon.is_running
