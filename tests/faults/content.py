"""What the systems of these tests run: small workflows, and personas that take milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

_SAY: Final = """
import os, sys, time
node, attempt = os.environ["COORDINATOR_NODE"], os.environ["COORDINATOR_ATTEMPT"]
with open(sys.argv[1], "a") as effects:
    effects.write(os.environ["COORDINATOR_RUN"] + " " + node + " " + attempt + "\\n")
"""
_PASS: Final = """
print('{"verdict": "pass"}')
"""
_WRITE: Final = """
with open(os.environ["COORDINATOR_RUN"] + "-" + node + ".txt", "w") as file:
    file.write(node)
"""
_FAIL_ONCE: Final = """
if attempt == "1":
    sys.exit(2)
"""
_UNTIL_TOLD: Final = """
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
"""
_PERSONAS: Final = {
    "planner": (_SAY + _PASS, "none"),
    "flaky": (_SAY + _FAIL_ONCE + _PASS, "none"),
    "engineer": (_SAY + _WRITE + _PASS, "patch"),
    "reader": (_SAY + _PASS, "read"),
    "patient": (_SAY + _UNTIL_TOLD + _WRITE + _PASS, "patch"),
}
PERSONAS: Final = tuple(_PERSONAS)

FIX: Final = """\
name: fix
version: "1.0.0"
match: {types: [task]}
steps:
  - {id: plan, type: persona-request, persona: planner}
  - {id: branch, type: git-operation, operation: checkout-branch, branch: "fix/{{ task.slug }}",
     dependencies: [plan]}
  - {id: probe, type: persona-request, persona: flaky, dependencies: [branch],
     retries: 2, retry: {delay: 200ms}}
  - {id: one, type: persona-request, persona: engineer, dependencies: [probe]}
  - {id: two, type: persona-request, persona: engineer, dependencies: [one]}
  - id: reviews
    type: parallel
    dependencies: [two]
    steps:
      - {id: style, type: persona-request, persona: reader, gate: pass}
      - {id: safety, type: persona-request, persona: reader, gate: pass}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [reviews],
     params: {merge_strategy: merge}}
outputs: {commit: "{{ steps.merge.result.commit | default(none) }}"}
"""
"""Asks, changes git, tries again after a failure, makes two patches, reviews and pushes."""

COMMITS: Final = ("merge", "one", "two")
"""The nodes of `fix` that have a git commit of their own."""

WAIT: Final = """\
name: wait
version: "1.0.0"
steps:
  - {id: work, type: persona-request, persona: patient}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [work],
     params: {merge_strategy: squash}}
"""
"""One persona works until it is told to end; then it is merged."""

NAP_MS: Final = 2_000
PAUSE: Final = """\
name: pause
version: "1.0.0"
steps:
  - {id: nap, type: wait, for: 2s}
  - {id: go, type: wait, signal: go, dependencies: [nap]}
  - {id: note, type: set, values: {by: "{{ steps.go.by }}"}}
outputs: {by: "{{ state.by }}"}
"""
"""Waits for a time and then for a signal."""


OUTER: Final = """\
name: outer
version: "1.0.0"
steps:
  - {id: begin, type: persona-request, persona: engineer}
  - {id: below, type: workflow, workflow: inner, dependencies: [begin]}
  - {id: merge, type: git-operation, operation: finalize, dependencies: [below],
     params: {merge_strategy: squash}}
outputs: {last: "{{ steps.below.result.last }}"}
"""
INNER: Final = """\
name: inner
version: "1.0.0"
steps:
  - {id: work, type: persona-request, persona: patient}
  - {id: more, type: persona-request, persona: engineer, dependencies: [work]}
outputs: {last: "{{ steps.more.verdict }}"}
"""
"""Run by `outer`, on its files."""


ALONE: Final = """\
name: alone
version: "1.0.0"
concurrency: {key: one}
steps:
  - {id: come, type: persona-request, persona: planner}
  - {id: go, type: persona-request, persona: planner, dependencies: [come]}
"""
"""Of which one run goes at a time."""


def definitions(effects: Path, go: Path) -> dict[str, str]:
    """The files of the definitions' repository.

    Each persona appends the run, node and attempt to `effects` when it begins; the patient one
    ends when `go` is there.
    """
    files = {"workflows/fix.yml": FIX, "workflows/wait.yml": WAIT, "workflows/pause.yml": PAUSE}
    files |= {"workflows/outer.yml": OUTER, "workflows/inner.yml": INNER}
    files |= {"workflows/alone.yml": ALONE}
    for name, (code, mode) in _PERSONAS.items():
        argv = ["python3", "-I", "-S", "-c", code, str(effects), str(go)]
        persona = {"name": name, "kind": "command", "files": mode, "command": argv}
        files[f"personas/{name}.yaml"] = json.dumps(persona, indent=1)
    return files
