"""What is wrong with the overlay of an environment, and with what it makes of the workflows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coordinator.cli.files import Target, is_env_file, is_persona_file, targets
from coordinator.cli.folder import Folder
from coordinator.definitions.faults import Fault
from coordinator.definitions.layout import stem_of
from coordinator.definitions.overlay import names_missing
from coordinator.nearby import named, shown


def environment_faults(folder: Folder, target: Target, ids: Mapping[Path, str]) -> list[Fault]:
    """The faults of an overlay's file: its own, and those of workflows that come from it.

    `ids` are those of the workflows that were checked already, by absolute path.
    """
    found = folder.overlays(target)
    file = shown(target.path.absolute())
    faults = [fault for fault in found.faults if fault.file == file]
    around = Target(found.root / "x", found.root) if found.root else target
    overlay = found.environments.overlays.get(stem_of(target.path.name))
    if overlay is None or found.root is None:
        return faults
    known = set()
    for other in _workflows(folder, found.root):
        checked = ids.get(other.path.absolute())
        if checked is None:
            environments = found.environments.choosing(overlay.name, is_trial=True)
            more = folder.compile(other, environments)[1]
            faults += [fault for fault in more if fault.file == file]
        known.add(checked or named(other.path) or "")
    faults += [each for each in folder.surroundings(around, overlay).faults if each.file == file]
    personas = folder.surroundings(around).personas
    return faults + names_missing(overlay, known, {*personas.files, *personas.broken})


def _workflows(folder: Folder, root: Path) -> list[Target]:
    return [
        each
        for each in targets(root, folder.names)
        if not is_env_file(each.path) and not is_persona_file(each.path, folder.names)
    ]
