"""Random definitions of all there is, and whatever may happen to them from outside.

Each decision is audited (`walk_audit.py`): nothing waits outside that nobody wants, what is counted
is what a recount gives, nothing runs inside of what is over, nothing is asked twice, nothing starts
in a pause, the state that came in stays as it was, and a run that was stored goes on the same.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core.decide import decide
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
@given(numbers, numbers, st.sampled_from([0.0, 0.15, 0.35]))
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
