"""A workflow file with an overlay in it, as YAML that says what comes from where."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from coordinator.cli.files import read_file
from coordinator.cli.folder import FaultyError, Folder, read_document
from coordinator.cli.text import yaml_scalar
from coordinator.definitions.drafts import id_of
from coordinator.definitions.overlay import overlaid
from coordinator.definitions.read import Path, Positions
from coordinator.nearby import shown

_Note = Callable[[Path], str]


def merged_text(folder: Folder, name: str) -> str:
    """The workflow with the overlay that was chosen; what comes from it has a comment.

    Raises:
        NotFoundError: there is no such workflow here.
        FaultyError: the environment cannot be used.
    """
    target = folder.target(name)
    environments, refusal = folder.environments(target)
    if refusal:
        raise FaultyError(refusal)
    document = read_document(str(target.path), read_file(target.path))
    overlay = environments.overlay
    if overlay is None:
        return "\n".join(_lines(document.value, (), 0, lambda _: "")) + "\n"
    merged, _ = overlaid(document, overlay, id_of(document), step_types=folder.step_types)

    def note(at: Path) -> str:
        return _note(merged.positions, at)

    head = f"# {shown(target.path)} with {overlay.document.path}"
    return "\n".join([head, *_lines(merged.value, (), 0, note)]) + "\n"


def _note(positions: Positions, at: Path) -> str:
    """Where a value came from, said once for all of it."""
    if at not in positions.files or at[:-1] in positions.files:
        return ""
    return f"  # {positions.files[at]}:{positions.value(at)[0]}"


def _lines(value: object, at: Path, depth: int, note: _Note) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            there, head = (*at, key), f"{pad}{yaml_scalar(key)}:"
            if isinstance(inner, dict | list) and inner:
                yield head + note(there)
                yield from _lines(inner, there, depth + 1, note)
            else:
                yield f"{head} {yaml_scalar(inner)}{note(there)}"
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            first, *others = _lines(inner, (*at, index), depth + 1, note)
            yield f"{pad}- {first.lstrip()}"
            yield from others
    else:
        yield f"{pad}{yaml_scalar(value)}{note(at)}"
