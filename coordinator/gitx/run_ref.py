"""The operations on a run's own ref: prepare, checkout-branch, apply-patch, commit, sync, rebase.

The truth of a run's files is `refs/coordinator/runs/<run>`, in the remote where there is one. Each
operation reads it, makes its commit, and moves it on the condition that nobody else did. So whoever
is killed leaves either nothing or the whole, and anybody may repeat the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from coordinator.gitx import history, trees
from coordinator.gitx.checked_out import check_not_checked_out
from coordinator.gitx.errors import (
    GitConflictError,
    GitError,
    GitRefusedError,
    GitTransientError,
)
from coordinator.gitx.history import RunCommit
from coordinator.gitx.limits import check_branch, check_changes
from coordinator.gitx.names import BranchName, RefName, Sha
from coordinator.gitx.process import Bounds
from coordinator.gitx.request import WorkResult
from coordinator.gitx.work import Work

MAX_DIFF_BYTES: Final = 256 * 2**10
_DIFF_READ_BYTES: Final = 32 * 2**20


def prepared(work: Work) -> Work:
    """The same work with a run ref; an existing one wins, a new one starts at the base branch.

    That of a run which had ended and goes on starts where the run was.
    """
    if work.ref in work.refs:
        return work
    if work.request.files.revision is not None:
        return _as_it_was(work, work.request.files.revision)
    start = work.tip_of(work.base_branch)
    work.move(start)
    return replace(work, refs={**work.refs, work.ref: start}, own=())


def _as_it_was(work: Work, revision: Sha) -> Work:
    """Bring the run's ref back, and its work branch if this run had pushed one."""
    try:
        work.mirror.fetch_revision(revision)
    except GitTransientError:
        raise
    except GitError:
        raise GitRefusedError(
            f"the files of run {work.request.run} are no longer in the repository, nor in the "
            "mirror here; submit its task again"
        ) from None
    back = []
    branch = RefName(work.branch.ref)
    pushed = None if branch in work.refs else work.mirror.resolve(branch)
    if pushed and work.request.may_push and work.others_part(pushed) != pushed:
        back.append(work.update(work.branch, pushed))
    work.move(revision, *back)
    own = history.own_commits(work.mirror, revision, work.request.run)
    return replace(work, refs={**work.refs, work.ref: revision}, own=tuple(own))


def prepare(work: Work) -> WorkResult:
    """Make sure the run has a ref; with `merges`, that its base branch can be pushed to.

    Raises:
        GitRefusedError: the branch is checked out where the run would merge into it at its end.
    """
    there = work.ref in work.refs
    if work.request.params.get("merges") and work.request.may_push:
        check_not_checked_out(work.mirror, work.base_branch)
    work = prepared(work)
    return work.answer(work.tip, already_done=there)


def checkout_branch(work: Work) -> WorkResult:
    """Give the run its work branch, and its base branch while it has no changes of its own."""
    named = work.request.params.get("branch") or work.request.files.branch
    if named is None:
        raise GitRefusedError("checkout-branch needs the name of a branch")
    branch = BranchName(named)
    base = work.branch_from("base_branch", work.base_branch)
    if branch in {base, work.base_branch, work.mirror.default_branch()}:
        raise GitRefusedError(f"branch {branch} is a base branch; a run works on one of its own")
    check_branch(branch, work.request.limits, usual=[branch])
    start = _start_of(work, branch, base)
    if start is not None and start != work.tip:
        if work.own:
            raise GitRefusedError(
                f"the run already has changes; rebase it instead of starting {branch} over"
            )
        work.move(start)
    return work.answer(start or work.tip, branch=branch, base=base)


def _start_of(work: Work, branch: BranchName, base: BranchName) -> Sha | None:
    """Where the run must start to be on `branch`; None where it is already."""
    existing = work.refs.get(RefName(branch.ref))
    if existing is not None:
        others = work.others_part(existing)
        if not work.mirror.is_ancestor(others, work.tip_of(base)):
            if not work.request.params.get("continue_existing"):
                raise GitRefusedError(
                    f"branch {branch} already holds commits of others; choose another name, "
                    "or set continue_existing"
                )
            return None if work.mirror.is_ancestor(others, work.tip) else existing
    return None if base == work.base_branch else work.tip_of(base)


def apply_patch(work: Work) -> WorkResult:
    """Bring a persona's patch to the run's revision, within the limits of the step."""
    patch = work.request.patch
    if patch is None:
        raise GitRefusedError("apply-patch came without a patch")
    if (done := work.done()) is not None:
        return _answer_again(work, done)
    tip_tree = work.mirror.tree_of(work.tip)
    if work.mirror.resolve(patch.base) is None:
        # Its base was squashed away, and only the mirror that made it knew it.
        tree = trees.apply_diff(work.mirror, tip_tree, patch.diff)
    else:
        base_tree = work.mirror.tree_of(patch.base)
        patched = trees.apply_diff(work.mirror, base_tree, patch.diff)
        doing = "merging the patch with newer changes of the run"
        tree = trees.three_way(work.mirror, base_tree, tip_tree, patched, doing=doing)
    changed = trees.changes(work.mirror, tip_tree, tree)
    check_changes(changed, work.request.limits)
    if not changed:
        return work.answer(work.tip)
    commit = work.commit(tree, [work.tip])
    work.move(commit)
    return work.answer(commit, changed=changed, commit=str(commit))


def _answer_again(work: Work, done: RunCommit, *, base: BranchName | None = None) -> WorkResult:
    changed = work.changes(done.parents[0], done.sha) if done.parents else []
    commit = str(done.sha)
    return work.answer(work.tip, changed=changed, base=base, commit=commit, already_done=True)


def commit(work: Work) -> WorkResult:
    """Make one commit with a message of the run's patches since its last commit."""
    if (done := work.done()) is not None:
        return _answer_again(work, done)
    pending: list[RunCommit] = []
    for own in work.own:
        if own.operation != "apply-patch":
            break
        pending.append(own)
    start = pending[-1].parents[0] if pending else work.tip
    changed = work.changes(start, work.tip)
    if not changed:
        return work.answer(work.tip, already_done=True)
    markers = [marker for own in reversed(pending) for marker in own.markers]
    sha = work.commit(pending[0].tree, [start], included=markers)
    work.move(sha)
    return work.answer(sha, changed=changed, commit=str(sha))


def sync(work: Work) -> WorkResult:
    """Merge what is new in the base branch into the run."""
    base = work.branch_from("base_branch", work.base_branch)
    base_tip = work.tip_of(base)
    if (done := work.done()) is not None:
        return _answer_again(work, done, base=base)
    if work.mirror.is_ancestor(base_tip, work.tip):
        return work.answer(work.tip, base=base, commit=str(work.tip), already_done=True)
    if work.mirror.is_ancestor(work.tip, base_tip):
        merged = base_tip
    else:
        doing = f"merging {base} into run {work.request.run}"
        tree = trees.merge_commits(work.mirror, work.tip, base_tip, doing=doing)
        merged = work.commit(tree, [work.tip, base_tip])
    changed = work.changes(work.tip, merged)
    work.move(merged)
    return work.answer(merged, changed=changed, base=base, commit=str(merged))


def rebase(work: Work) -> WorkResult:
    """Put the run's own commits on top of the newest base."""
    base = work.branch_from("base_branch", work.base_branch)
    base_tip = work.tip_of(base)
    merges = any(len(own.parents) > 1 for own in work.own)
    if work.done() or (work.mirror.is_ancestor(base_tip, work.tip) and not merges):
        return work.answer(work.tip, base=base, commit=str(work.tip), already_done=True)
    sha = replay(work, base_tip)
    work.move(sha)
    return work.answer(sha, base=base, commit=str(sha))


def replay(work: Work, onto: Sha) -> Sha:
    """The run's own commits, without merges, made again one by one on top of `onto`.

    The last one also stands for this request, so that a repeat finds the work done.

    Raises:
        GitConflictError: one of them does not fit; the message says which.
        GitRefusedError: the run also stands on commits of others, which would be lost.
    """
    others = work.others_part(work.tip)
    if others != work.request.files.base_revision and not work.mirror.is_ancestor(others, onto):
        raise GitRefusedError("the run's branch holds commits of others; use sync or merge instead")
    steps = _replayed_trees(work, onto)
    for number, (own, tree) in enumerate(steps, start=1):
        message = own.message
        if number == len(steps):
            message = history.message_including(message, history.marker_of(work.request))
        onto = work.commit_as(tree, [onto], message)
    return onto


def _replayed_trees(work: Work, onto: Sha) -> list[tuple[RunCommit, Sha]]:
    tree = work.mirror.tree_of(onto)
    steps: list[tuple[RunCommit, Sha]] = []
    for own in reversed(work.own):
        if len(own.parents) != 1:
            continue
        subject = own.message.split("\n", 1)[0][:80]
        before = work.mirror.tree_of(own.parents[0])
        after = trees.three_way(
            work.mirror, before, tree, own.tree, doing=f'putting "{subject}" on a newer base'
        )
        if after != tree:
            steps.append((own, after))
        tree = after
    return steps


def diff(work: Work) -> WorkResult:
    """What the run changes against its base: the patch (cut at a limit), the files, the counts."""
    limit = min(work.request.params.get("max_bytes", MAX_DIFF_BYTES), MAX_DIFF_BYTES)
    base = work.mirror.merge_base(work.tip_of(work.base_branch), work.tip)
    if base is None:
        raise GitConflictError(
            "comparing the run with its base", [], "their histories are unrelated"
        )
    text = _diff_tree(work, "-p", "--full-index", base=base)
    counts = _counts(_diff_tree(work, "--numstat", base=base))
    cut = text.encode()[:limit].decode("utf-8", "ignore")
    return work.answer(
        work.tip,
        changed=work.changes(base, work.tip),
        patch=cut,
        truncated=len(cut) < len(text),
        insertions=sum(added for added, _ in counts),
        deletions=sum(deleted for _, deleted in counts),
    )


def _diff_tree(work: Work, *options: str, base: Sha) -> str:
    out = work.mirror.git(
        "diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color", *options,
        "--end-of-options", base, work.tip,
        bounds=Bounds(output_bytes=_DIFF_READ_BYTES),
    )  # fmt: skip
    return out.stdout.decode("utf-8", "replace")


def _counts(numstat: str) -> Sequence[tuple[int, int]]:
    rows = [line.split("\t") for line in numstat.splitlines()]
    return [(int(row[0]), int(row[1])) for row in rows if row[0].isdigit() and row[1].isdigit()]
