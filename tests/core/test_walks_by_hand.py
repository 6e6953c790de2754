"""Random runs that people take into their hands: reviewed, held, skipped, retried, begun again.

The promises: a run that failed and is retried, with every persona passing now, ends as it would
have if all had passed at first; nobody who had succeeded is asked again; nothing is left in flight;
and a replay of the same events gives the same state.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core.definition import Ask, Join, Workflow
from coordinator.core.events import ByHand, CancelRequested, Event, TerminateRequested
from coordinator.core.state import NodeStatus, RunState
from tests.core.build import Step, compute, repeat, wait, workflow
from tests.core.story import Story
from tests.core.test_walks import _facts, _Maker, _replayed, _Walk


class _Plain(_Maker):
    """Definitions in which a failure leaves nothing behind but itself."""

    def step(self, depth: int, after: list[str]) -> Step:
        made = super().step(depth, after)
        made.keys.pop("fallback", None)
        made.keys["on_error"] = "abort"
        if after:
            joins = [Join.NONE_FAILED, Join.ALL_SUCCEEDED, Join.ANY_SUCCEEDED]
            made.keys["join"] = self.random.choice(joins)
        made.keys["review"] = self.random.random() < 0.15
        return made

    def made(self, kind: str, name: str, after: list[str], depth: int, keys: Any) -> Step:
        if kind == "repeat":
            most = self.random.randint(1, 3)
            return repeat(
                name, *after, steps=self.steps(depth - 1), until="true", most=most, **keys
            )
        if kind == "wait":
            return wait(name, *after, duration=5_000, **keys)
        if kind == "set":
            return compute(name, *after, values={"n": 1}, **keys)
        return super().made(kind, name, after, depth, keys)


def make_plain(seed: int) -> Workflow:
    """A definition nested up to three deep, whose steps may want a review."""
    maker = _Plain(seed)
    finally_ = maker.steps(1) if maker.random.random() < 0.3 else None
    return workflow(*maker.steps(2), finally_=finally_, **maker.concurrency())


class _Honest(_Walk):
    """Whoever is asked passes, or fails in a way that is a failure."""

    fails = 0.35
    refuses = 0.0

    def _answer(self, path: str) -> None:
        asked = self.story.questions[path]
        if asked.kind == "review":
            retries = self.random.random() < self.fails and self.steps < 100
            self.story.answers(path, "retry" if retries else "continue", by="ann")
        elif asked.kind == "escalation":
            self.story.answers(path, "retry", by="ann")
        else:
            self.story.answers(path, "approve", by="ann")

    def _reply(self, path: str) -> None:
        if self.random.random() < self.fails:
            self.story.replies(path, error=self.random.choice(["refused", "transport"]))
        else:
            self.story.passes(path, result={"n": 1})


def _passing(story: Story, seed: int) -> Story:
    """The rest of the story, with everybody passing."""
    walk = _Honest(story.definition, seed, unruly=False)
    walk.story, walk.fails = story, 0.0
    while not story.run.record.status.is_final:
        walk.go_on()
    return story


def _reference(definition: Workflow, flag: object, seed: int) -> Story:
    story = Story(definition, task={"flag": flag})
    story.starts()
    return _passing(story, seed)


def _succeeded(story: Story) -> dict[str, int]:
    """The attempts of what has succeeded and was not undone."""
    run = story.run
    return {
        path: state.attempt
        for path, state in run.nodes.items()
        if state.status is NodeStatus.SUCCEEDED
        and "@" not in path
        and not path.startswith(("finally/", "on_failure/"))
        and "/undo/" not in path
        and isinstance(story.definition.nodes[_static(path)].primitive, Ask)
        and run.scopes.get(f"{path}/undo") is None
    }


def _static(path: str) -> str:
    from coordinator.core.ids import static_path

    return static_path(path)


def _ends(run: RunState, definition: Workflow) -> dict[str, Any]:
    return {step: run.nodes[step].status.value for step in definition.graph.nodes}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_failed_run_that_is_retried_ends_as_if_all_had_passed_at_first(
    shape: int, course: int
) -> None:
    definition = make_plain(shape)
    walk = _Honest(definition, course, unruly=False)
    story = walk.play()
    reference = _reference(definition, story.run.head.task["flag"], course)
    if story.status != "failed":
        return
    assert reference.status in ("succeeded", "stopped")
    before = _succeeded(story)

    assert story.retries()[0] == "reopen"
    _passing(story, course)

    assert story.status == reference.status
    assert _ends(story.run, definition) == _ends(reference.run, definition)
    again = {path for path, attempt in before.items() if story.run.nodes[path].attempt != attempt}
    assert not again, f"asked again though they had succeeded: {again}"
    _check_in_flight(story)
    assert _facts(_replayed(definition, story.events)) == _facts(story.run)


def _check_in_flight(story: Story) -> None:
    record = story.run.record
    assert not story.requests
    assert not story.questions
    assert not story.timers
    assert (record.running, record.waiting, record.agenda) == (0, 0, ())


class _Meddling(_Walk):
    """People do whatever they can to the run, at any time and more than once."""

    def go_on(self) -> None:
        super().go_on()
        if self.random.random() < 0.3 and not self.story.run.record.status.is_final:
            self._meddle()

    def _meddle(self) -> None:
        story, paths = self.story, sorted(self.story.run.nodes)
        path = self.random.choice(paths) if paths else "n1"
        deed = self.random.choice(
            [
                lambda: story.skips(path, by="ann"),
                lambda: story.retries(path),
                lambda: story.lets_go(path),
                lambda: story.advances(self.random.choice(["auto", "manual"])),
                lambda: story.patches(n=1),
            ]
        )
        if self.steps < 150:
            deed()

    def _stuck(self) -> None:
        if self.story.lets_go() == ["ignored: late"]:
            super()._stuck()

    def _again(self) -> Event:
        """Of what people do, a store hands nothing out twice."""
        once = ByHand | CancelRequested | TerminateRequested
        while isinstance(event := super()._again(), once):
            pass
        return event

    def _answer(self, path: str) -> None:
        if self.story.questions[path].kind == "review":
            words = ["continue", "reject", "retry"] if self.steps < 150 else ["continue", "reject"]
            self.story.answers(path, self.random.choice(words), by="ann")
        else:
            super()._answer(path)


def make_reviewed(seed: int) -> Workflow:
    """Any definition, whose steps may want a review."""
    maker = _Reviewed(seed)
    return workflow(*maker.steps(2), finally_=maker.steps(0), **maker.concurrency())


class _Reviewed(_Maker):
    def step(self, depth: int, after: list[str]) -> Step:
        made = super().step(depth, after)
        made.keys["review"] = self.random.random() < 0.2
        return made


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.booleans())
def test_whatever_people_do_a_run_ends_with_nothing_in_flight_and_may_go_on(
    shape: int, course: int, unruly: bool
) -> None:
    definition = make_reviewed(shape)
    walk = _Meddling(definition, course, unruly=unruly)
    story = walk.play()

    for _ in range(2):
        _check_in_flight(story)
        if story.retries()[0].startswith("refused"):
            break
        while not story.run.record.status.is_final:
            walk.go_on()

    _check_in_flight(story)
    assert _facts(_replayed(definition, story.events)) == _facts(story.run)
