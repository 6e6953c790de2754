"""What `pip install` brings works in an empty folder, without the clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("coordinator", "steps", "workflows", "personas")
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing of the clone can leak into it."""
    copy = tmp_path_factory.mktemp("clone")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel, and our dependencies but not the clone."""
    home = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *quiet, str(wheel)],
        check=True,
    )
    (site,) = (home / "lib").glob("python*/site-packages")
    dependencies = tmp_path_factory.mktemp("dependencies")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        # Without the editable install, so that an import can come from the wheel alone.
        if "coordinator" not in entry.name and entry.suffix != ".pth":
            (dependencies / entry.name).symlink_to(entry)
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return home / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def _run(programs: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    return subprocess.run(
        [str(programs / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={"PATH": f"{programs}:{os.defpath}", "HOME": str(folder), **kept},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_holds_the_program_and_its_content_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"coordinator", "steps"}
    for kind in ("workflows", "personas"):
        shipped = {
            path.relative_to(ROOT / kind).as_posix()
            for path in (ROOT / kind).rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        packed = {name.partition(f"/content/{kind}/")[2] for name in names}
        assert shipped
        assert shipped <= packed
    assert "coordinator/py.typed" in names
    scripts = {path.name for path in (ROOT / "coordinator").rglob("*.lua")}
    assert scripts <= {name.rpartition("/")[2] for name in names}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_everything_is_imported_from_the_wheel(programs: Path, empty: Path) -> None:
    program = "import coordinator, steps; print(coordinator.__file__); print(steps.__file__)"
    done = _run(programs, empty, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    environment = str(programs.parent)
    assert all(line.startswith(environment) for line in done.stdout.split())


def test_the_version_is_that_of_the_wheel(programs: Path, empty: Path, wheel: Path) -> None:
    done = _run(programs, empty, "coordinator", "--version")
    assert done.returncode == 0, done.stderr
    assert wheel.name.split("-")[1] in done.stdout


def test_help_is_shown_in_an_empty_folder(programs: Path, empty: Path) -> None:
    done = _run(programs, empty, "coordinator", "--help")
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout


def test_the_shipped_workflows_are_valid_where_they_are_installed(
    programs: Path, empty: Path
) -> None:
    (site,) = (programs.parent / "lib").glob("python*/site-packages")
    content = site / "coordinator" / "content"
    done = _run(
        programs, empty, "coordinator", "validate", str(content / "workflows"), "--format", "json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["files"] >= 3
    assert report["faults"] == []


def test_a_copy_of_a_shipped_workflow_is_valid_too(programs: Path, empty: Path) -> None:
    (site,) = (programs.parent / "lib").glob("python*/site-packages")
    content = site / "coordinator" / "content"
    shutil.copytree(content / "personas", empty / "personas")
    (empty / "workflows").mkdir()
    for path in (content / "workflows").glob("*.yml"):
        shutil.copy(path, empty / "workflows")
    done = _run(programs, empty, "coordinator", "validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_settings_are_shown_in_an_empty_folder(programs: Path, empty: Path) -> None:
    done = _run(programs, empty, "coordinator", "config", "show")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "redis.url" in done.stdout
