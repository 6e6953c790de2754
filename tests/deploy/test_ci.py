from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "run"


def test_ci_runs_the_readmes_own_command_and_ends_with_it() -> None:
    lines = SCRIPT.read_text().splitlines()
    assert lines[-1] == "exec make test"
    assert "export CI=1" in lines


def test_ci_is_a_program_that_bash_understands() -> None:
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
