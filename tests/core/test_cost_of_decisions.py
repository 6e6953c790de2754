"""However wide a run is, no decision writes or commands more than a commit should hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from coordinator.core.definition import ErrorClass, OnBranchError
from coordinator.core.events import Event
from coordinator.core.turn import CHUNK, MAX_COMMANDS, MAX_NODE_CHANGES
from tests.core.build import Step, ask, foreach, human, parallel, wait, workflow
from tests.core.story import Story
from tests.core.walk_audit import Audit, check_end

WIDE: Final = 2 * MAX_COMMANDS + 50
SLACK: Final = 4 * CHUNK
"""By how much one item of work may overshoot the bound."""
ALL: Final = frozenset(ErrorClass)


class Bounded(Story):
    """A story in which every commit stays small, and what it leaves is worked off."""

    commits = 0

    def happens(self, event: Event) -> list[str]:
        """Decide, and go on until all is done."""
        told = super().happens(event)
        decision = self.last
        assert decision is not None
        if decision.changes is not None:
            self.commits += 1
            assert len(decision.commands) <= MAX_COMMANDS + SLACK
            assert len(decision.changes.nodes) <= MAX_NODE_CHANGES + SLACK
            assert len(decision.changes.scopes) <= MAX_NODE_CHANGES + SLACK
            assert len(decision.changes.results) <= MAX_NODE_CHANGES + SLACK
            if self.run.record.agenda:
                told += self.continues()
        return told


def _asks() -> list[Step]:
    steps = [ask(f"n{at}", undo=[ask(f"u{at}")]) for at in range(WIDE)]
    return [*steps, ask("last", *(step.id for step in steps))]


def _each(*steps: Step, **keys: Any) -> list[Step]:
    return [foreach("each", items=list(range(WIDE)), max_concurrent=WIDE, steps=steps, **keys)]


def _block() -> list[Step]:
    return [parallel("p", steps=[ask(f"n{at}") for at in range(WIDE)])]


SHAPES: Final[dict[str, Callable[[], list[Step]]]] = {
    "steps side by side": _asks,
    "items": lambda: _each(ask("a"), ask("b", "a")),
    "one block": _block,
    "questions": lambda: _each(human("h")),
    "waits for a signal": lambda: _each(wait("w", signal="go", timeout=60_000)),
}


def _begun(shape: str, **keys: Any) -> Bounded:
    story = Bounded(workflow(*SHAPES[shape](), max_steps=10 * WIDE), **keys)
    story.starts()
    return story


def _ends(story: Story) -> None:
    while story.requests:
        for path in list(story.requests):
            story.passes(path)
    Audit(story).check()
    assert story.run.record.status.is_final
    check_end(story)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("deed", ["cancels", "terminates"])
def test_a_wide_run_is_ended_in_small_commits(shape: str, deed: str) -> None:
    story = _begun(shape)
    getattr(story, deed)()
    assert story.commits > 1
    _ends(story)


@pytest.mark.parametrize("shape", ["items", "one block", "questions", "waits for a signal"])
def test_a_wide_block_is_skipped_and_begun_again_in_small_commits(shape: str) -> None:
    story = _begun(shape)
    [block] = story.definition.graph.nodes
    story.retries(block)
    Audit(story).check()
    assert story.run.nodes[block].attempt == 2
    story.skips(block)
    assert story.node(block) == "skipped"
    _ends(story)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wide_run_that_was_held_goes_on_in_small_commits(shape: str) -> None:
    story = _begun(shape, advance="manual")
    story.pauses()
    story.advances("auto")
    story.resumes()
    Audit(story).check()
    story.cancels()
    _ends(story)


def test_a_signal_that_many_wait_for_reaches_them_in_small_commits() -> None:
    story = _begun("waits for a signal")
    story.signals("go")
    assert story.status == "succeeded"


def test_a_wide_map_is_tried_again_in_small_commits() -> None:
    """What ran in its first attempt is forgotten some items at a time."""
    policy = {"on_branch_error": OnBranchError.WAIT_ALL, "retry": {"max_attempts": 2, "on": ALL}}
    story = Bounded(workflow(*_each(ask("a"), ask("b", "a"), **policy), max_steps=10 * WIDE))
    story.starts()
    for path in list(story.requests):
        story.replies(path, error="refused")
    commits = story.commits
    story.fires("each", "retry")
    assert story.commits > commits + 1
    assert len(story.requests) == WIDE
    _ends(story)
    assert story.status == "succeeded"


def test_a_wide_run_that_failed_goes_on_in_small_commits() -> None:
    """What was done is undone, and the next round asks for all of it once more."""
    story = _begun("steps side by side")
    for path in list(story.requests):
        story.passes(path)
    story.replies("last", error="refused")
    _ends(story)
    assert story.status == "failed"
    story.retries()
    assert len(story.requests) == WIDE
    _ends(story)
    assert story.status == "succeeded"
