"""How long the program takes to start: the version, and the validation of one file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_ROUNDS: Final = 10
_GOALS: Final = {"--version": 0.1, "validate": 0.4}


def _best(program: Path, compiled: str, *arguments: str) -> float:
    environment = {"PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": compiled}
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        subprocess.run([program, *arguments], check=True, capture_output=True, env=environment)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Print the best of some rounds, modules once compiled."""
    program = Path(sys.executable).parent / "coordinator"
    file = Path(__file__).parents[1] / "workflows" / "hotfix.yml"
    print(f"{'command':<24}{'best of ' + str(_ROUNDS):>12}{'goal':>10}")
    with tempfile.TemporaryDirectory() as compiled:
        for name, arguments in (
            ("--version", ("--version",)),
            ("validate", ("validate", str(file))),
        ):
            seconds = _best(program, compiled, *arguments)
            print(f"{name:<24}{seconds * 1_000:>9.0f} ms{_GOALS[name] * 1_000:>7.0f} ms")
