"""The operations that show a run to others: push, merge, finalize, tag, rollback, release.

A branch of the remote and the run's ref move together in one atomic push. So a repeat, by anybody,
either finds the whole done or nothing. Without `may_push` only the run's ref moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from coordinator.gitx import history, trees
from coordinator.gitx.errors import GitRefusedError, InvalidRequestError
from coordinator.gitx.history import RunCommit
from coordinator.gitx.limits import check_branch, check_integration
from coordinator.gitx.mirror import RefUpdate
from coordinator.gitx.names import BranchName, RefName, Sha, TagName
from coordinator.gitx.request import STRATEGIES, WorkResult
from coordinator.gitx.run_ref import replay
from coordinator.gitx.work import Work

_SEARCHED: Final = 500
_MERGES: Final = frozenset({"merge", "finalize"})
_SPELLINGS: Final = {
    "merge_commit": "merge",
    "merge-commit": "merge",
    "fast_forward": "fast-forward",
}


def push(work: Work) -> WorkResult:
    """Show the run's revision under its work branch on the remote."""
    branch = work.branch_from("branch", work.branch)
    check_branch(branch, work.request.limits, usual=[work.branch])
    if branch == work.base_branch:
        raise GitRefusedError(f"push does not move the base branch {branch}; use merge or finalize")
    if not work.request.may_push:
        return work.answer(work.tip, branch=branch)
    there = work.refs.get(RefName(branch.ref))
    if there == work.tip:
        return work.answer(work.tip, branch=branch, pushed=True, already_done=True)
    if there is None and not work.own:
        return work.answer(work.tip, branch=branch, reason="nothing to push")
    if there is not None and not work.mirror.is_ancestor(work.others_part(there), work.tip):
        raise GitRefusedError(f"branch {branch} holds commits of others; choose another name")
    work.mirror.publish([work.update(branch, work.tip)])
    return work.answer(work.tip, branch=branch, pushed=True)


def merge(work: Work) -> WorkResult:
    """Bring the run to the target branch."""
    strategy = str(work.request.params.get("strategy", "merge"))
    return _integrate(work, strategy, cleanup=False)


def finalize(work: Work) -> WorkResult:
    """Bring the run to the target branch and remove its work branch."""
    strategy = str(work.request.params.get("merge_strategy", "squash"))
    return _integrate(work, strategy, cleanup=work.request.params.get("cleanup_branch", True))


def _integrate(work: Work, named: str, *, cleanup: bool) -> WorkResult:
    strategy = _SPELLINGS.get(named, named)
    if strategy not in STRATEGIES:
        raise InvalidRequestError(f"{named[:80]} is no strategy; use one of {sorted(STRATEGIES)}")
    target = work.branch_from("target_branch", work.base_branch)
    check_branch(target, work.request.limits, usual=[work.base_branch])
    target_tip = work.tip_of(target)
    if (again := _merged_before(work, target, target_tip)) is not None:
        return again
    merged = _merged(work, strategy, target, target_tip)
    changed = work.changes(target_tip, merged)
    if not changed:
        return work.answer(work.tip, base=target, merged=False, reason="nothing to merge")
    check_integration(changed, work.request.limits)
    updates = [work.update(target, merged)] if work.request.may_push else []
    if cleanup and work.request.may_push:
        # A branch that others began stays, with what the run added to it.
        updates += [update for update in _without_branch(work, target) if update.new is None]
    work.move(merged, *updates)
    pushed = work.request.may_push
    return work.answer(
        merged,
        changed=changed,
        base=target,
        base_tip=merged if pushed else target_tip,
        commit=str(merged),
        merged=True,
        pushed=pushed,
    )


def _merged_before(work: Work, target: BranchName, target_tip: Sha) -> WorkResult | None:
    if (done := work.done()) is None and work.own:
        if work.mirror.is_ancestor(work.tip, target_tip):
            done = work.own[0]
        elif (done := _found_on_target(work, target_tip)) is not None:
            # The remote could not move both refs at once, and somebody was killed in between.
            work.move(done.sha)
            work = replace(work, refs={**work.refs, work.ref: done.sha})
    if done is None:
        return None
    pushed = work.mirror.is_ancestor(done.sha, target_tip)
    return _answer_merged(work, done, work.own, base=target, pushed=pushed)


def _answer_merged(
    work: Work, done: RunCommit, commits: Sequence[RunCommit], *, base: BranchName, pushed: bool
) -> WorkResult:
    revision = work.refs.get(work.ref, done.sha)
    facts: dict[str, Any] = {"merged": True, "pushed": pushed, "already_done": True}
    changed = work.changes(_before(done, commits), done.sha)
    return work.answer(revision, changed=changed, base=base, commit=str(done.sha), **facts)


def _before(done: RunCommit, commits: Sequence[RunCommit]) -> Sha:
    """Where the target was before `done` came to it, possibly with others before it."""
    start = done
    for commit in commits[commits.index(done) :] if done in commits else []:
        if start.operation in _MERGES or commit.run != done.run:
            break
        if commit.operation in _MERGES:
            return commit.sha
        start = commit
    return start.parents[0]


def merged_by_a_gone_run(work: Work) -> WorkResult | None:
    """The answer of a merge whose run has released its files since; None if it never happened."""
    if work.request.operation not in _MERGES:
        return None
    target = work.branch_from("target_branch", work.base_branch)
    target_tip = work.tip_of(target)
    done = _found_on_target(work, target_tip)
    if done is None:
        return None
    commits = _on_target(work, target_tip)
    return _answer_merged(work, done, commits, base=target, pushed=True)


def _found_on_target(work: Work, target_tip: Sha) -> RunCommit | None:
    marker = history.marker_of(work.request)
    return history.find(_on_target(work, target_tip), work.request.run, marker)


def _on_target(work: Work, target_tip: Sha) -> list[RunCommit]:
    base = work.request.files.base_revision
    start = [f"^{base}"] if base and work.mirror.resolve(base) else []
    return history.read_commits(work.mirror, target_tip, *start, limit=_SEARCHED)


def _merged(work: Work, strategy: str, target: BranchName, target_tip: Sha) -> Sha:
    if strategy == "fast-forward":
        if not work.mirror.is_ancestor(target_tip, work.tip):
            raise GitRefusedError(
                f"{target} has moved on, so it cannot be fast-forwarded; sync or rebase first"
            )
        return work.tip
    if strategy == "rebase":
        return replay(work, target_tip)
    doing = f"merging run {work.request.run} into {target}"
    tree = trees.merge_commits(work.mirror, target_tip, work.tip, doing=doing)
    if tree == work.mirror.tree_of(target_tip):
        return target_tip
    parents = [target_tip] if strategy == "squash" else [target_tip, work.tip]
    return work.commit(tree, parents, included=work.markers())


def _without_branch(work: Work, *kept: BranchName) -> list[RefUpdate]:
    """The removal of what the run put on its work branch: all of it, or down to others' commits."""
    there = work.refs.get(RefName(work.branch.ref))
    if there is None or work.branch in {work.base_branch, *kept}:
        return []
    others = work.others_part(there)
    if others == there:
        return []
    in_base = work.mirror.is_ancestor(others, work.tip_of(work.base_branch))
    return [work.update(work.branch, None if in_base else others)]


def tag(work: Work) -> WorkResult:
    """Put an annotated tag on the run's revision."""
    name = TagName(work.request.params.get("name"))
    if not work.request.may_push:
        return work.answer(work.tip, tag=str(name))
    ref = RefName(name.ref)
    there = work.refs.get(ref)
    if there is not None:
        if work.mirror.resolve(there) != work.tip:
            raise GitRefusedError(f"tag {name} already exists on another revision; choose another")
        return work.answer(work.tip, tag=str(name), pushed=True, already_done=True)
    made = work.mirror.git("mktag", stdin=_tag_object(work, name)).text
    work.mirror.publish([RefUpdate(ref, None, Sha(made))])
    return work.answer(work.tip, tag=str(name), pushed=True)


def _tag_object(work: Work, name: TagName) -> bytes:
    variables = work.identity.variables(work.request.at)
    tagger = f"{work.identity.name} <{work.identity.email}> {variables['GIT_COMMITTER_DATE'][1:]}"
    message = history.message_for(work.request, work.request.params.get("message", "") or str(name))
    head = f"object {work.tip}\ntype commit\ntag {name}\ntagger {tagger}\n\n"
    return (head + message).encode("utf-8", "replace")


def rollback(work: Work) -> WorkResult:
    """Undo on the target branch what this run brought there, and remove its work branch.

    The undoing is a new commit; nothing that others may have built on is rewritten.
    """
    target = work.branch_from("target_branch", work.base_branch)
    check_branch(target, work.request.limits, usual=[work.base_branch])
    target_tip = work.tip_of(target)
    commits = history.read_commits(work.mirror, target_tip, limit=_SEARCHED)
    done = history.find(commits, work.request.run, history.marker_of(work.request))
    undone = _to_undo(work, commits)
    updates = _without_branch(work, target) if work.request.may_push else []
    if done is not None or not work.request.may_push or not (undone or updates):
        again = done is not None
        sha = str(done.sha) if done else None
        facts: dict[str, Any] = {"commit": sha, "pushed": again, "already_done": again}
        return work.answer(work.tip, base=target, rolled_back=[], **facts)
    reverted = _reverted(work, target_tip, undone)
    work.mirror.publish([work.update(target, reverted), *updates])
    return work.answer(
        work.tip,
        changed=work.changes(target_tip, reverted),
        base=target,
        base_tip=reverted,
        commit=str(reverted),
        rolled_back=[str(commit.sha) for commit in undone],
        pushed=True,
    )


def _to_undo(work: Work, commits: list[RunCommit]) -> list[RunCommit]:
    """The run's commits on the target since its last rollback there, newest first.

    A `sync` brought in what others had done, which is not the run's to undo.
    """
    found = []
    for commit in commits:
        if commit.run != work.request.run or commit.operation == "sync":
            continue
        if commit.operation == "rollback":
            break
        found.append(commit)
    return found


def _reverted(work: Work, target_tip: Sha, undone: list[RunCommit]) -> Sha:
    tree = start = work.mirror.tree_of(target_tip)
    for commit in undone:
        before = work.mirror.tree_of(commit.parents[0])
        doing = f"undoing {commit.sha[:12]} on a newer revision"
        tree = trees.three_way(work.mirror, commit.tree, tree, before, doing=doing)
    if tree == start:
        return target_tip
    return work.commit(tree, [target_tip], reverts=[commit.sha for commit in undone])


def release(work: Work) -> WorkResult:
    """Remove the run's ref from the remote; after a run without success its work branch too.

    The mirror keeps its copies, so that what happened can be looked at.
    """
    if work.mirror.url is None:
        revision = work.refs.get(work.ref)
        return _released(work, revision, already_done=revision is None)
    failed = not work.request.params.get("succeeded", False)
    branch = _without_branch(work) if failed else []
    there = work.refs.get(work.ref)
    if there is not None or branch:
        work.move(None, *branch, keep_copies=True)
    return _released(work, there, already_done=there is None and not branch)


def _released(work: Work, revision: Sha | None, *, already_done: bool) -> WorkResult:
    result: dict[str, Any] = {
        "operation": "release",
        "revision": revision and str(revision),
        "branch": str(work.branch),
        "base_branch": str(work.base_branch),
        "changed": [],
        "pushed": False,
        "already_done": already_done,
    }
    return WorkResult(result=result, files={})
