"""The workflows and personas that come with the program, from a checkout or a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

EXAMPLES: Final = "workflows/examples"
_FOLDERS: Final = ("workflows", "personas")


def shipped_folder() -> Path:
    """The folder that has `workflows` and `personas` in it.

    Raises:
        FileNotFoundError: this installation lacks them.
    """
    package = Path(__file__).parent
    for folder in (package / "content", package.parent):
        if all((folder / name).is_dir() for name in _FOLDERS):
            return folder
    raise FileNotFoundError("this installation has no shipped workflows; install it again")


def shipped_files() -> dict[str, str]:
    """Path -> text of every shipped definition, as they lie in a definitions repository.

    The examples are not among them: `example_files` has those.
    """
    root = shipped_folder()
    examples = root / EXAMPLES
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for name in _FOLDERS
        for path in _files_below(root / name)
        if examples not in path.parents
    }


def example_files() -> dict[str, str]:
    """Path -> text of every example with its personas and scenarios."""
    root = shipped_folder()
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in _files_below(root / EXAMPLES)
    }


def _files_below(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*"))
    return [path for path in found if path.is_file() and not path.name.startswith(".")]
