"""The only place that runs git: checked names, fixed argv, an environment of our own, no work tree.

`Mirror` is the daemon's private copy of a repository, from whose objects everything is read.
`perform` does one git operation of a run there, safe to repeat by anybody; `execute_git_operation`
is the same on plain data. `materialise` gives a persona the files of a revision in a throwaway
folder and takes its changes back as a patch.
"""

from coordinator.gitx.credentials import Credential
from coordinator.gitx.errors import (
    GitConflictError,
    GitError,
    GitRaceError,
    GitRefusedError,
    GitTransientError,
    InvalidNameError,
    InvalidRequestError,
)
from coordinator.gitx.limits import Change
from coordinator.gitx.mirror import Mirror, RefUpdate, TreeEntry, is_lfs_pointer
from coordinator.gitx.names import BranchName, RefName, RemoteUrl, RepoPath, RunName, Sha, TagName
from coordinator.gitx.perform import execute_git_operation, perform
from coordinator.gitx.request import ChangeLimits, Patch, RunFiles, WorkRequest, WorkResult
from coordinator.gitx.stopping import GitStoppedError, Stopper, run_stoppable
from coordinator.gitx.trees import Identity
from coordinator.gitx.workspace import Workspace, materialise, materialise_from

__all__ = [
    "BranchName",
    "Change",
    "ChangeLimits",
    "Credential",
    "GitConflictError",
    "GitError",
    "GitRaceError",
    "GitRefusedError",
    "GitStoppedError",
    "GitTransientError",
    "Identity",
    "InvalidNameError",
    "InvalidRequestError",
    "Mirror",
    "Patch",
    "RefName",
    "RefUpdate",
    "RemoteUrl",
    "RepoPath",
    "RunFiles",
    "RunName",
    "Sha",
    "Stopper",
    "TagName",
    "TreeEntry",
    "WorkRequest",
    "WorkResult",
    "Workspace",
    "execute_git_operation",
    "is_lfs_pointer",
    "materialise",
    "materialise_from",
    "perform",
    "run_stoppable",
]
