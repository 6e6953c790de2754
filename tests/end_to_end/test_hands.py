"""People take a run with git files into their own hands, with real processes on a real server."""

from __future__ import annotations

import json
from typing import Final

from coordinator.core.ids import RunId
from tests.faults.content import PERSONAS
from tests.faults.proof import eventually, on_main, refs, watching
from tests.faults.system import System

_SCRIBE: Final = """
import json, os, sys
asked = json.load(sys.stdin)
with open("note.txt", "w") as note:
    note.write(asked.get("prompt", "nothing was said") + "\\n")
with open(sys.argv[1], "a") as effects:
    effects.write(asked["context"]["node"] + " " + os.environ["COORDINATOR_ATTEMPT"] + "\\n")
print(json.dumps({"verdict": "pass", "wrote": asked.get("prompt")}))
"""
_GUARD: Final = """
import os, sys
with open(sys.argv[1], "a") as effects:
    effects.write("check " + os.environ["COORDINATOR_ATTEMPT"] + "\\n")
if not os.path.exists(sys.argv[2]) or not os.path.exists("note.txt"):
    sys.exit(2)
print('{"verdict": "pass"}')
"""
_AGAIN: Final = """\
name: again
version: "1.0.0"
steps:
  - {id: write, type: persona-request, persona: scribe, review: true}
  - {id: push, type: git-operation, operation: push, dependencies: [write]}
  - {id: check, type: persona-request, persona: guard, dependencies: [push]}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [check],
     params: {merge_strategy: squash}}
"""


def _persona(system: System, name: str, code: str, files: str) -> str:
    argv = ["python3", "-I", "-S", "-c", code, str(system.effects), str(system.go)]
    return json.dumps({"name": name, "kind": "command", "files": files, "command": argv})


async def test_a_reviewed_run_with_files_that_failed_goes_on_to_its_merge(system: System) -> None:
    system.define(
        {
            "workflows/again.yml": _AGAIN,
            "personas/scribe.yaml": _persona(system, "scribe", _SCRIBE, "patch"),
            "personas/guard.yaml": _persona(system, "guard", _GUARD, "read"),
        }
    )
    async with watching(system) as spectator:
        system.daemon()
        system.worker(personas=(*PERSONAS, "scribe", "guard"))
        await eventually(spectator.connection.definitions.active)
        run = RunId(
            system.command("run", "again", "--repo", str(system.project), "--detach").split()[0]
        )

        async def reviewed(attempt: int) -> bool:
            asked = await spectator.connection.desk.questions()
            return any(one.question["attempt"] == attempt for one in asked)

        await eventually(lambda: reviewed(1))
        system.command("runs", "retry", run, "write", "--prompt", "say hello")
        await eventually(lambda: reviewed(2))
        shown = json.loads(system.command("runs", "show", run, "-o", "json"))
        [write] = [node for node in shown["nodes"] if node["path"] == "write"]
        assert (write["status"], write["result"]["wrote"]) == ("awaiting_review", "say hello")
        system.command("runs", "continue", run, "write", "--by", "ann")

        failed = await spectator.ended(run)
        assert failed.status == "failed"
        assert not [ref for ref in refs(system) if run in ref]

        system.go.touch()
        assert "succeeded" not in system.command("runs", "list", "--open")
        system.command("runs", "retry", run, "--wait", "--timeout", "25s")
        assert json.loads(system.command("runs", "show", run, "-o", "json"))["round"] == 2
        assert on_main(system, "note.txt") == "say hello"
        assert not [ref for ref in refs(system) if run in ref]
        said = sorted(system.effects.read_text().splitlines())
        assert said == ["check 1", "check 2", "write 1", "write 2"]
