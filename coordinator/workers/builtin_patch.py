"""The engineer without a model: it applies the patches that the task itself brings, in turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coordinator.gitx.errors import GitError
from coordinator.gitx.process import GitPlace, run_git
from coordinator.workers.builtin import Outcome, Payload, mapping
from coordinator.workers.builtin_plan import patches_of

BY: Final = "coordinator-persona apply-patch (the task's own patch, not a model)"


def apply_patch(payload: Payload, directory: Path, _: Sequence[str] = ()) -> Outcome:
    """Apply patch `i` of the task in iteration `i` of the loop; the last one repeats.

    A patch may be made against the files as they are now, or against those before the earlier
    patches: then these are taken back first. Where neither fits, nothing is changed.
    """
    patches = patches_of(mapping(payload.get("task")))
    if not patches:
        return _fail("the task brings no patches (task.patches is a list of diffs)")
    if not (directory / ".git").is_dir():
        return _fail("this is no workspace; the persona needs `files: patch`")
    number = min(_iteration(payload), len(patches))
    files = _Files(directory)
    undone: list[int] = []
    try:
        if reason := files.apply(patches[number - 1]):
            undone = files.apply_instead(patches[: number - 1], patches[number - 1])
            if not undone:
                return _fail(f"patch {number} of {len(patches)} does not apply: {reason}", number)
    except GitError as error:
        return _fail(f"patch {number} of {len(patches)}: {error}", number)
    result: dict[str, object] = {
        "status": "pass",
        "by": BY,
        "patch": number,
        "patches": len(patches),
        "took_back": undone,
    }
    return Outcome(result, 0)


class _Files:
    """The files of the workspace, changed by whole patches only."""

    def __init__(self, directory: Path) -> None:
        self._place = GitPlace(git_dir=directory / ".git", work_tree=directory)

    def apply(self, patch: str, *options: str) -> str:
        """Apply all of it or nothing; why it does not fit, or nothing.

        Raises:
            GitError: git could not do its work.
        """
        text = patch if patch.endswith("\n") else f"{patch}\n"
        try:
            run_git(
                ["apply", "--whitespace=nowarn", *options, "-"],
                self._place,
                stdin=text.encode("utf-8", "replace"),
            )
        except GitError as error:
            if error.exit_code in {1, 128}:
                return error.stderr.strip() or str(error)
            raise
        return ""

    def apply_instead(self, earlier: Sequence[str], patch: str) -> list[int]:
        """Take back the earlier patches that are in, then apply; the numbers of those taken back.

        Where that does not fit either, they are put in again and the list is empty.
        """
        undone: list[int] = []
        for number in range(len(earlier), 0, -1):
            if not self.apply(earlier[number - 1], "--reverse"):
                undone.append(number)
        if undone and not self.apply(patch):
            return undone
        for number in reversed(undone):
            self.apply(earlier[number - 1])
        return []


def _iteration(payload: Payload) -> int:
    number = mapping(payload.get("context")).get("iteration")
    return number if isinstance(number, int) and number >= 1 else 1


def _fail(reason: str, number: int | None = None) -> Outcome:
    return Outcome({"status": "fail", "by": BY, "patch": number, "reason": reason}, 1)
