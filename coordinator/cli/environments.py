"""What is wrong with the overlay of an environment, and with what it makes of the workflows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from coordinator.cli.files import Target, is_env_file, is_persona_file, targets
from coordinator.cli.folder import Folder
from coordinator.definitions.compiled import Compiled
from coordinator.definitions.faults import Fault
from coordinator.definitions.layout import stem_of
from coordinator.definitions.overlay import names_missing
from coordinator.nearby import named, shown


def environment_faults(
    folder: Folder, target: Target, checked: Mapping[Path, Compiled]
) -> list[Fault]:
    """The faults of an overlay's file: its own, and those of workflows that come from it.

    `checked` are the workflows that were checked in every environment already, by absolute path.
    """
    found = folder.overlays(target)
    file = shown(target.path.absolute())
    faults = [fault for fault in found.faults if fault.file == file]
    around = Target(found.root / "x", found.root) if found.root else target
    overlay = found.environments.overlays.get(stem_of(target.path.name))
    if overlay is None or found.root is None:
        return faults
    known: dict[str, Collection[str] | None] = {}
    for other in _workflows(folder, found.root):
        compiled = checked.get(other.path.absolute())
        if compiled is None:
            environments = found.environments.choosing(overlay.name, is_trial=True)
            compiled, more = folder.compile(other, environments)
            faults += [fault for fault in more if fault.file == file]
        name = compiled.workflow.id if compiled else named(other.path)
        known[name or ""] = compiled.workflow.variables if compiled else None
    faults += [each for each in folder.surroundings(around, overlay).faults if each.file == file]
    personas = folder.surroundings(around).personas
    return faults + names_missing(overlay, known, {*personas.files, *personas.broken})


def _workflows(folder: Folder, root: Path) -> list[Target]:
    return [
        each
        for each in targets(root, folder.names)
        if not is_env_file(each.path) and not is_persona_file(each.path, folder.names)
    ]
