"""One git operation at work: what the truth says now, and the ways to change and to answer it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from coordinator.gitx import history, trees
from coordinator.gitx.errors import GitRefusedError
from coordinator.gitx.history import Marker, RunCommit
from coordinator.gitx.limits import Change
from coordinator.gitx.mirror import Mirror, RefUpdate
from coordinator.gitx.names import BranchName, RefName, Sha, TagName, run_ref
from coordinator.gitx.request import WorkRequest, WorkResult
from coordinator.gitx.trees import Identity

_MAX_NAMES: Final = 1_000
_NO_REPOSITORY: Final = (
    "the task names no repository; submit it with --repo PATH_OR_URL (or `repo` in the task)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A request, and the refs it is about as they were when it started.

    Every change goes through `move`, which changes nothing when one of these refs moved meanwhile.
    """

    mirror: Mirror
    request: WorkRequest
    identity: Identity
    base_branch: BranchName
    refs: dict[RefName, Sha]
    own: tuple[RunCommit, ...] = ()
    """The run's own commits at its tip, newest first."""

    @classmethod
    def load(cls, mirror: Mirror, request: WorkRequest, identity: Identity) -> Work:
        """Look where everything is now.

        Raises:
            GitRefusedError: the repository has no branch to work from.
        """
        base = request.files.base_branch or mirror.default_branch()
        if base is None and mirror.url is None:
            raise GitRefusedError(_NO_REPOSITORY)
        if base is None:
            raise GitRefusedError("the repository names no default branch; give a base branch")
        work = cls(mirror=mirror, request=request, identity=identity, base_branch=base, refs={})
        work = replace(work, refs=mirror.fetch(work._names()))
        if work.ref in work.refs:
            own = history.own_commits(mirror, work.tip, request.run)
            work = replace(work, own=tuple(own))
        return work

    def _names(self) -> list[RefName]:
        given = [self.request.params.get(n) for n in ("branch", "base_branch", "target_branch")]
        branches = [self.base_branch, self.branch, *(BranchName(name) for name in given if name)]
        names = [self.ref, *(RefName(branch.ref) for branch in branches)]
        if self.request.operation == "tag":
            names.append(RefName(TagName(self.request.params.get("name")).ref))
        return list(dict.fromkeys(names))

    @property
    def ref(self) -> RefName:
        """The run's ref."""
        return run_ref(self.request.run)

    @property
    def tip(self) -> Sha:
        """The run's newest revision."""
        return self.refs[self.ref]

    @property
    def branch(self) -> BranchName:
        """The run's work branch; where the workflow named none, one of the run's own."""
        return self.request.files.branch or BranchName(f"coordinator/{self.request.run}")

    def branch_from(self, parameter: str, default: BranchName) -> BranchName:
        """The branch that a parameter names, or `default`."""
        name = self.request.params.get(parameter)
        return BranchName(name) if name else default

    def tip_of(self, branch: BranchName) -> Sha:
        """Where `branch` is.

        Raises:
            GitRefusedError: there is no such branch.
        """
        sha = self.refs.get(RefName(branch.ref))
        if sha is None and self.mirror.url is None and self.mirror.default_branch() is None:
            raise GitRefusedError(_NO_REPOSITORY)
        if sha is None:
            raise GitRefusedError(
                f"the repository has no branch {branch}; create it or name another"
            )
        return sha

    def done(self) -> RunCommit | None:
        """The commit by which this very attempt was carried out before, if it was."""
        return history.find(self.own, self.request.run, history.marker_of(self.request))

    def markers(self) -> list[Marker]:
        """All attempts whose work is in the run's revision."""
        return [marker for commit in reversed(self.own) for marker in commit.markers]

    def others_part(self, tip: Sha) -> Sha:
        """What is left of a branch at `tip` without this run's own commits at its end."""
        own = history.own_commits(self.mirror, tip, self.request.run)
        return own[-1].parents[0] if own else tip

    def commit(
        self,
        tree: Sha,
        parents: Sequence[Sha],
        *,
        included: Iterable[Marker] = (),
        reverts: Sequence[Sha] = (),
    ) -> Sha:
        """A git commit of `tree` with the request's message and trailers."""
        text = self.request.params.get("message", "")
        message = history.message_for(self.request, text, included=included, reverts=reverts)
        return self.commit_as(tree, parents, message)

    def commit_as(self, tree: Sha, parents: Sequence[Sha], message: str) -> Sha:
        """A git commit of `tree` with exactly this message."""
        variables = self.identity.variables(self.request.at)
        return trees.commit_tree(self.mirror, tree, parents, message, variables)

    def move(self, tip: Sha | None, *others: RefUpdate, keep_copies: bool = False) -> None:
        """Set the run's ref to `tip`, and the other refs with it: all or none.

        Raises:
            GitRaceError: one of them is no longer where it was at the start.
        """
        own = RefUpdate(self.ref, self.refs.get(self.ref), tip)
        self.mirror.publish([*others, own], keep_copies=keep_copies)

    def update(self, branch: BranchName, new: Sha | None) -> RefUpdate:
        """The move of `branch` from where it was at the start."""
        return RefUpdate(RefName(branch.ref), self.refs.get(RefName(branch.ref)), new)

    def answer(
        self,
        revision: Sha,
        *,
        changed: Iterable[Change] = (),
        branch: BranchName | None = None,
        base: BranchName | None = None,
        **facts: Any,
    ) -> WorkResult:
        """The result of an operation that left the run at `revision`."""
        base_branch = base or self.base_branch
        base_tip = facts.pop("base_tip", None) or self.refs.get(RefName(base_branch.ref))
        shared = self.mirror.merge_base(base_tip, revision) if base_tip else None
        known = self.request.files
        files: dict[str, str | None] = {
            "ref": self.ref,
            "branch": branch or known.branch,
            "base_branch": base_branch,
            "base_revision": shared or known.base_revision,
            "revision": revision,
        }
        names = [_printable(change.path) for change in changed]
        result: dict[str, Any] = {
            "operation": self.request.operation,
            "revision": str(revision),
            "branch": str(branch or self.branch),
            "base_branch": str(base_branch),
            "changed": names[:_MAX_NAMES],
            "changed_count": len(names),
            "pushed": False,
            "already_done": False,
            **facts,
        }
        changed_files = {
            name: None if value is None else str(value)
            for name, value in files.items()
            if value != getattr(known, name)
        }
        return WorkResult(result=result, files=changed_files)

    def changes(self, old: Sha, new: Sha) -> list[Change]:
        """What differs between two revisions."""
        return trees.changes(self.mirror, self.mirror.tree_of(old), self.mirror.tree_of(new))


def _printable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
