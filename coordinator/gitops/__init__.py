"""Definitions from the commits of a repository: look, read, compile, activate.

`sync_forever` looks at an `Origin` (a git repository, or a plain folder) again and again. What
compiles without errors becomes the active bundle of the store in one step; what does not changes
nothing, and its faults stand in the `SyncStatus`. Compiled documents are stored by their digest and
never deleted here, because runs are pinned to them.
"""

from coordinator.gitops.files import Snapshot, SourceError, Tip
from coordinator.gitops.folder import FolderOrigin
from coordinator.gitops.repository import GitOrigin
from coordinator.gitops.sources import DEFAULT_BUNDLE, Source
from coordinator.gitops.status import SyncStatus
from coordinator.gitops.sync import Origin, Sync, sync_forever, sync_once

__all__ = [
    "DEFAULT_BUNDLE",
    "FolderOrigin",
    "GitOrigin",
    "Origin",
    "Snapshot",
    "Source",
    "SourceError",
    "Sync",
    "SyncStatus",
    "Tip",
    "sync_forever",
    "sync_once",
]
