"""The one entry point to git work: a request in, a result out, safe to repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from coordinator.gitx import integration, run_ref
from coordinator.gitx.credentials import Credential
from coordinator.gitx.errors import GitRaceError, GitRefusedError
from coordinator.gitx.mirror import Mirror
from coordinator.gitx.names import RemoteUrl
from coordinator.gitx.request import WorkRequest, WorkResult
from coordinator.gitx.trees import Identity
from coordinator.gitx.work import Work

OPERATIONS: Final[Mapping[str, Callable[[Work], WorkResult]]] = {
    "prepare": run_ref.prepare,
    "checkout-branch": run_ref.checkout_branch,
    "apply-patch": run_ref.apply_patch,
    "commit": run_ref.commit,
    "push": integration.push,
    "merge": integration.merge,
    "rebase": run_ref.rebase,
    "tag": integration.tag,
    "sync": run_ref.sync,
    "diff": run_ref.diff,
    "finalize": integration.finalize,
    "rollback": integration.rollback,
    "release": integration.release,
}
MAX_RACES: Final = 8
_PAUSE_SECONDS: Final = 0.02
_COORDINATOR: Final = Identity()


def perform(
    mirror: Mirror, request: WorkRequest, *, identity: Identity = _COORDINATOR
) -> WorkResult:
    """Carry out one operation of a run and return what came of it.

    A repeat of the same run, node and attempt, from any mirror, changes nothing more and gives the
    same result with `already_done`. Where somebody else moves a ref meanwhile, the work is done
    again on what is there then.

    Raises:
        GitConflictError: two changes cannot both hold; names the files.
        GitRefusedError: the run, or anybody, may not do this.
        GitTransientError: it may work later; nothing, or the whole, was done.
        GitError: git failed for another reason.
    """
    with mirror.writing() as held:
        for race in range(1, MAX_RACES):
            try:
                return _perform_once(held, request, identity)
            except GitRaceError:
                time.sleep(_PAUSE_SECONDS * race)
        return _perform_once(held, request, identity)


def _perform_once(mirror: Mirror, request: WorkRequest, identity: Identity) -> WorkResult:
    work = Work.load(mirror, request, identity)
    if work.ref not in work.refs and request.operation not in {"prepare", "release"}:
        if (again := integration.merged_by_a_gone_run(work)) is not None:
            return again
        if request.files.revision is not None:
            raise GitRefusedError(
                f"the files of run {request.run} are no longer in the repository; "
                "its run ended, or somebody removed its ref"
            )
        work = run_ref.prepared(work)
    return OPERATIONS[request.operation](work)


def execute_git_operation(
    state_dir: Path,
    request: Mapping[str, Any],
    *,
    allow_local: bool | Sequence[Path] = False,
    credential: Credential | None = None,
    identity: Identity = _COORDINATOR,
) -> dict[str, Any]:
    """Carry out a request given as plain data, in the mirror of its repository below `state_dir`.

    Blocks; call it from a thread. `allow_local` lists the folders whose repositories the operator
    allows as remotes.

    Raises:
        GitError: as `perform`, each with its `error_class` and `retryable`.
    """
    work = WorkRequest.from_json(request)
    repo = work.files.repo
    url = None if repo is None else RemoteUrl.parse(repo, allow_local=allow_local)
    return perform(
        Mirror.open(state_dir, url, credential=credential), work, identity=identity
    ).to_json()
