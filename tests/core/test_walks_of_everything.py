"""Random definitions of all there is, and whatever may happen to them from outside.

Each decision is audited (`walk_audit.py`): nothing waits outside that nobody wants, what is counted
is what a recount gives, nothing runs inside of what is over, nothing is asked twice, nothing starts
in a pause, the state that came in stays as it was, and a run that was stored goes on the same.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core import turn
from coordinator.core.decide import decide
from coordinator.core.events import Continued, Event
from coordinator.core.state import RunState
from tests.core.story import Story, small_commits
from tests.core.walk_audit import check_end
from tests.core.walk_player import Player, written
from tests.core.walk_reference import Reference
from tests.core.walk_shapes import make_shape

numbers = st.integers(0, 10**9)


def _check(story: Story) -> None:
    check_end(story)
    Reference(story).check()
    state: RunState | None = None
    for event in story.events:
        state = decide(story.definition, state, event).state
    assert written(state) == written(story.run), "a replay gives another state"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(numbers, numbers, st.sampled_from([0.0, 0.15, 0.35, 0.6]))
def test_whatever_happens_to_whatever_definition_every_promise_is_kept(
    shape: int, course: int, unruly: float
) -> None:
    _check(Player(make_shape(shape), course, unruly=unruly).play())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(numbers, numbers, st.sampled_from([0.0, 0.35]))
def test_the_same_holds_when_every_work_is_done_in_small_commits(
    shape: int, course: int, unruly: float
) -> None:
    with small_commits():
        _check(Player(make_shape(shape), course, unruly=unruly).play())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(numbers, numbers)
def test_in_how_many_commits_the_work_is_done_makes_no_difference(shape: int, course: int) -> None:
    story = Player(make_shape(shape), course, unruly=0.35).play()
    at_once: RunState | None = None
    bit_by_bit: RunState | None = None
    for event in story.events:
        at_once = decide(story.definition, at_once, event).state
        bit_by_bit = _bit_by_bit(story, bit_by_bit, event)
        assert written(bit_by_bit) == written(at_once)


def _bit_by_bit(story: Story, state: RunState | None, event: Event) -> RunState:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn, "MAX_COMMANDS", 1)
        after = decide(story.definition, state, event).state
        more = Continued(id=event.id, run=event.run, at_ms=event.at_ms, seed=event.seed)
        while after.record.agenda:
            after = decide(story.definition, after, more).state
    return after
