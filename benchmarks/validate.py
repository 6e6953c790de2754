"""How long `coordinator validate` takes, from the start of the process to its end."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_ROUNDS: Final = 5
_STEPS: Final = 10
"""Of each file."""
_FILES: Final = (1, 20, 200)
_GOAL_SECONDS: Final = 1.0
_WORKFLOW: Final = """\
name: part-{number}
version: "1.0.0"
description: One of many, with a little of everything
match: {{types: [part-{number}], when: "task.repo != null"}}
params:
  branch: {{type: string, default: main, description: base branch}}
  strict: {{type: boolean, default: false}}
variables: {{planning_timeout: 1800, prefix: "feat/"}}
defaults: {{timeout: 15m, retry: {{max_attempts: 2, backoff: exponential}}}}
steps:
{steps}outputs: {{plan: "{{{{ steps.plan.result | default(none) }}}}"}}
finally:
  - {{id: report, type: persona-request, persona: writer, on_error: continue}}
"""
_BEGIN: Final = """\
  - id: plan
    type: persona-request
    persona: planner
    timeout: "{{ variables.planning_timeout }}"
    params: {stage: initial, title: "{{ task.title }}", branch: "{{ params.branch }}"}
"""
_STEP: Final = """\
  - id: {id}
    type: persona-request
    persona: {persona}
    dependencies: [{before}]
    condition: "state.{name}_status == 'pass' && len(task.labels) >= 0"
    retries: 2
    params:
      before: "{{{{ steps.{name}.outcome }}}}"
      branch: "{{{{ variables.prefix }}}}{{{{ task.slug }}}}"
"""
_PERSONAS: Final = ("planner", "engineer", "tester", "writer")


def _workflow(number: int, *, is_faulty: bool) -> str:
    steps, before = [_BEGIN], "plan"
    for each in range(2, _STEPS):
        persona = "enginer" if is_faulty and each == _STEPS // 2 else "engineer"
        # Texts differ from file to file: what is compiled once must not stand for all of them.
        new, name = f"step-{number}-{each}", before.replace("-", "_")
        steps.append(_STEP.format(id=new, before=before, name=name, persona=persona))
        before = new
    text = _WORKFLOW.format(number=number, steps="".join(steps))
    return text.replace("backoff: exponential", "backof: exponential") if is_faulty else text


def _project(folder: Path, files: int, *, faulty: int) -> None:
    (folder / "workflows").mkdir()
    (folder / "personas").mkdir()
    for name in _PERSONAS:
        text = f"{{name: {name}, kind: command, command: [make, {name}], files: read}}\n"
        (folder / "personas" / f"{name}.yaml").write_text(text)
    for number in range(files):
        is_faulty = number % 10 == 0 and number // 10 < faulty
        text = _workflow(number, is_faulty=is_faulty)
        (folder / "workflows" / f"part-{number}.yml").write_text(text)


def _measure(folder: Path, compiled: str, code: int) -> tuple[float, float]:
    """The best wall-clock time, and the processor's time of that round."""
    program = Path(sys.executable).parent / "coordinator"
    environment = {"PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": compiled}
    best = (float("inf"), float("inf"))
    for _ in range(_ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [program, "validate"], cwd=folder, capture_output=True, env=environment, check=False
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != code:
            raise RuntimeError(done.stdout.decode()[-2_000:] + done.stderr.decode())
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, (wall, busy))
    return best


def main() -> None:
    """Print the best of some rounds for 1, 20 and 200 files, with and without faults."""
    print(f"{'files':>6}{'steps':>7}{'faulty':>8}{'wall':>11}{'processor':>12}{'goal':>9}")
    with tempfile.TemporaryDirectory() as compiled:
        for files in _FILES:
            for faulty in (0, max(files // 10, 1)):
                with tempfile.TemporaryDirectory() as place:
                    _project(Path(place), files, faulty=faulty)
                    wall, busy = _measure(Path(place), compiled, 1 if faulty else 0)
                print(
                    f"{files:>6}{files * _STEPS:>7}{faulty:>8}{wall * 1_000:>8.0f} ms"
                    f"{busy * 1_000:>9.0f} ms{_GOAL_SECONDS * 1_000:>6.0f} ms"
                )
