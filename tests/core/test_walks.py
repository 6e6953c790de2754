"""Random definitions, random outcomes in random order, with everything delivered more than once.

The promises: every run ends; nothing is left in flight; every attempt is asked for once; joins obey
their table; a replay of the same events gives the same state; and nothing that comes late counts.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core.decide import decide
from coordinator.core.definition import Graph, Join, OnBranchError, OnRest, Workflow
from coordinator.core.events import Event
from coordinator.core.report import rows
from coordinator.core.slots import waits_for_slot
from coordinator.core.state import NodeState, NodeStatus, RunState
from tests.core.build import (
    Step,
    ask,
    child,
    compute,
    conditional,
    foreach,
    human,
    parallel,
    repeat,
    switch,
    wait,
    workflow,
)
from tests.core.story import Story

SLOT = "@slot"
"""Among what could happen next: word about the run's concurrency key."""
CONDITIONS = (None, None, None, "task.flag", "!task.flag")


class _Maker:
    """Makes a definition from a seed, so that a failing example is one number."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0

    def steps(self, depth: int) -> list[Step]:
        made: list[Step] = []
        for _ in range(self.random.randint(1, 4)):
            names = [step.id for step in made]
            after = self.random.sample(names, min(len(names), self.random.randint(0, 2)))
            made.append(self.step(depth, after))
        return made

    def concurrency(self) -> dict[str, Any]:
        """One run in four has a key."""
        return {"concurrency": {"key": "k"}} if self.random.random() < 0.25 else {}

    def step(self, depth: int, after: list[str]) -> Step:
        self.number += 1
        name = f"n{self.number}"
        keys: dict[str, Any] = {"condition": self.random.choice(CONDITIONS)}
        if after:
            keys["join"] = self.random.choice([Join.NONE_FAILED] * 4 + list(Join))
        keys["on_error"] = self.random.choice(
            ["abort", "abort", "continue", "escalate", "rollback"]
        )
        if self.random.random() < 0.15:
            del keys["on_error"]
            keys["fallback"] = self.steps(0)
        kind = self.random.choice(
            ["ask", "ask", "ask", "child", "human", "wait", "set"]
            + (["parallel", "repeat", "choose", "switch", "foreach"] if depth else [])
        )
        return self.made(kind, name, after, depth, keys)

    def made(self, kind: str, name: str, after: list[str], depth: int, keys: Any) -> Step:
        match kind:
            case "parallel":
                inner = self.steps(depth - 1)
                need = self.random.choice([None, None, 1])
                policy = self.random.choice(list(OnBranchError))
                rest = self.random.choice(list(OnRest))
                own = {"need": need, "on_rest": rest, "on_branch_error": policy}
                return parallel(name, *after, steps=inner, **own, **keys)
            case "repeat":
                inner = self.steps(depth - 1)
                until = self.random.choice([f"state.{inner[-1].id}_status == 'pass'", "true"])
                most = self.random.randint(1, 3)
                return repeat(name, *after, steps=inner, until=until, most=most, **keys)
            case "choose" | "switch" | "foreach":
                return self.chosen(kind, name, after, depth, keys)
            case _:
                return self.single(kind, name, after, keys)

    def chosen(self, kind: str, name: str, after: list[str], depth: int, keys: Any) -> Step:
        match kind:
            case "foreach":
                inner = self.steps(depth - 1)
                own = {
                    "items": list(range(self.random.randint(0, 3))),
                    "max_concurrent": self.random.choice([1, 2, 20]),
                    "on_branch_error": self.random.choice(list(OnBranchError)),
                }
                return foreach(name, *after, steps=inner, **own, **keys)
            case "choose":
                del keys["condition"]
                otherwise = self.random.choice([None, self.steps(depth - 1)])
                then = self.steps(depth - 1)
                return conditional(
                    name, *after, when="task.flag", then=then, otherwise=otherwise, **keys
                )
            case _:
                cases = {case: self.steps(depth - 1) for case in ("true", "other")}
                default = self.random.choice([None, self.steps(depth - 1)])
                return switch(
                    name, *after, on="{{ task.flag }}", cases=cases, default=default, **keys
                )

    def single(self, kind: str, name: str, after: list[str], keys: Any) -> Step:
        match kind:
            case "human":
                keys["deadline"] = self.random.choice([None, 60_000])
                return human(name, *after, gate=self.random.choice([None, "pass"]), **keys)
            case "wait":
                signal = {"signal": self.random.choice(["go", "stop"])}
                limited = {**signal, "timeout": 60_000, "retry": {"max_attempts": 2}}
                limits = self.random.choice([signal, limited, {"duration": 5_000}, {"until": 1}])
                return wait(name, *after, **limits, **keys)
            case "child":
                keys["retry"] = {"max_attempts": self.random.randint(1, 2), "delay_ms": 1_000}
                keys["timeout"] = self.random.choice([None, 60_000])
                if "fallback" in keys and self.random.random() < 0.5:
                    keys["fallback"] = "other"
                return child(name, *after, **keys)
            case "set":
                value = self.random.choice(["{{ state.n | default(0) }}", 1, None, "{{ state.x }}"])
                return compute(name, *after, values={"n": value}, **keys)
            case _:
                retry = {"max_attempts": self.random.randint(1, 3), "delay_ms": 1_000}
                keys["gate"] = self.random.choice([None, None, "pass"])
                if self.random.random() < 0.2:
                    keys["undo"] = self.steps(0)
                if "fallback" in keys and self.random.random() < 0.5:
                    keys["fallback"] = "other"
                return ask(name, *after, retry=retry, **keys)


def make(seed: int) -> Workflow:
    """A definition with containers nested up to three deep."""
    maker = _Maker(seed)
    finally_ = maker.steps(1) if maker.random.random() < 0.3 else None
    depth = maker.random.choice([1, 2, 2, 3])
    return workflow(*maker.steps(depth), finally_=finally_, **maker.concurrency())


class _Walk:
    """Plays a definition to its end, choosing among everything that could happen next."""

    refuses = 0.1
    """How often a run is refused its slot."""

    def __init__(self, definition: Workflow, seed: int, *, unruly: bool) -> None:
        self.random = random.Random(seed)
        self.story = Story(definition, task={"flag": self.random.random() < 0.5})
        self.unruly = unruly
        self.asked: set[tuple[str, int]] = set()
        self.steps = 0

    def play(self) -> Story:
        self.story.starts()
        while not self.story.run.record.status.is_final:
            self.go_on()
        return self.story

    def go_on(self) -> None:
        """Let one thing happen of those that could."""
        self.steps += 1
        assert self.steps < 5_000, "the run does not end"
        self._note_requests()
        choices = [*self.story.requests, *self.story.questions, *self._retries()]
        choices += [*self._waits(), *([SLOT] if waits_for_slot(self.story.run.record) else [])]
        if self.story.run.record.agenda:
            self.story.continues()
        elif self.story.run.record.paused_ms and self.random.random() < 0.5:
            self.story.resumes()
        elif choices:
            self._happens(self.random.choice(sorted(choices)))
        else:
            self._stuck()
        if self.unruly:
            self._repeat_something()

    def _stuck(self) -> None:
        assert self.story.run.record.paused_ms, f"stuck: {self.story.nodes}"
        self.story.resumes()

    def _note_requests(self) -> None:
        for path, request in self.story.requests.items():
            self.asked.add((path, request.attempt))

    def _retries(self) -> list[str]:
        return [
            path
            for path, attempt, kind in self.story.timers
            if kind == "retry" and self._attempt(path) == attempt
        ]

    def _waits(self) -> list[str]:
        nodes = self.story.run.nodes.items()
        waiting = [path for path, state in nodes if state.status is NodeStatus.WAITING]
        return [path for path in waiting if not self.story.run.nodes[path].asks_a_human]

    def _end_wait(self, path: str) -> None:
        attempt = self._attempt(path)
        kinds = [kind for kind in ("wait", "timeout") if (path, attempt, kind) in self.story.timers]
        if kinds and self.random.random() < 0.5:
            self.story.fires(path, kinds[0], attempt)
        else:
            self._signal()

    def _signal(self) -> None:
        names = sorted(self.story.definition.signals)
        if names:
            self.story.signals(self.random.choice(names))

    def _attempt(self, path: str) -> int:
        state = self.story.run.nodes.get(path)
        return state.attempt if state else 0

    def _happens(self, path: str) -> None:
        if path == SLOT:
            self._slot(self.story.run.record.slot_attempt)
        elif path in self.story.questions:
            self._answer(path)
        elif path in self.story.requests:
            self._reply(path)
        elif path in self._waits():
            self._end_wait(path)
        else:
            attempt = self._attempt(path)
            self.story.timers.pop((path, attempt, "retry"))
            self.story.fires(path, "retry", attempt)

    def _slot(self, attempt: int) -> None:
        if self.random.random() < self.refuses:
            self.story.is_refused("1" * 26, attempt)
        else:
            self.story.is_granted(attempt)

    def _answer(self, path: str) -> None:
        attempt = self._attempt(path)
        if (path, attempt, "deadline") in self.story.timers and self.random.random() < 0.3:
            self.story.fires(path, "deadline", attempt)
            return
        is_escalation = self.story.questions[path].kind == "escalation"
        answers = ["skip", "continue", "abort", "retry"] if is_escalation else ["approve", "reject"]
        if self.steps > 200 and is_escalation:
            answers = ["abort", "skip"]
        self.story.answers(path, self.random.choice(answers), by="ann")

    def _reply(self, path: str) -> None:
        chance = self.random.random()
        if chance < 0.6:
            self.story.passes(path, result={"n": 1})
        elif chance < 0.75:
            self.story.replies(path, verdict="fail")
        elif chance < 0.85:
            self.story.fires(path, "timeout", self._attempt(path))
        else:
            kind = self.random.choice(["persona_error", "refused", "transport"])
            self.story.replies(path, error=kind)

    def _repeat_something(self) -> None:
        story, chance = self.story, self.random.random()
        if story.run.record.status.is_final:
            return
        if chance < 0.3 and story.events:
            before = story.state
            told = story.happens(self._again())
            assert story.state is before or told, "a repeated event was applied in silence"
        elif chance < 0.32:
            story.pauses()
        elif chance < 0.36:
            self._signal()
        elif chance < 0.37 and self.steps > 5:
            story.cancels()
        elif chance < 0.375 and self.steps > 5:
            story.terminates()

    def _again(self) -> Event:
        from coordinator.core.events import PauseRequested, ResumeRequested

        old = [
            event
            for event in self.story.events
            if not isinstance(event, PauseRequested | ResumeRequested)
        ]
        return self.random.choice(old)


def _check_end(story: Story) -> None:
    record = story.run.record
    assert not story.requests, f"left in flight: {list(story.requests)}"
    assert not story.questions, f"left in the inbox: {list(story.questions)}"
    assert not story.timers, f"left in the timers: {list(story.timers)}"
    assert (record.running, record.waiting) == (0, 0)
    assert not record.agenda
    assert story.asked_slot is None, "its slot was not given back"
    for scope, tally in story.run.scopes.items():
        assert (tally.kept, tally.is_kept) == (0, False), f"{scope} keeps something at the end"
    for path, state in story.run.nodes.items():
        left = state.status is NodeStatus.PENDING and state.spent  # another branch was taken later
        assert state.status.is_settled or left, f"{path} is {state.status} at the end"
    rows(story.definition, story.run)


def _check_joins(definition: Workflow, state: RunState) -> None:
    """A node that ran had its join met; one that did not, and whose container ran on, had not."""
    if "" not in state.scopes:
        return  # the run never began
    _check_graph(definition.graph, "", state)


def _check_graph(graph: Graph, scope: str, state: RunState) -> None:
    tally = state.scopes.get(scope)
    for node in graph.nodes.values():
        path = f"{scope}/{node.id}" if scope else node.id
        after = [state.nodes[f"{scope}/{d}" if scope else d] for d in node.dependencies]
        here = state.nodes[path]
        ran = here.attempt > 0
        holds = _reference_join(node.join, after)
        if ran:
            assert holds, f"{path} ran against its join {node.join}"
        elif holds and tally is not None and not tally.is_closed and node.condition is None:
            assert here.status in (NodeStatus.FAILED, NodeStatus.SUCCEEDED), path


def _reference_join(join: Join, after: list[NodeState]) -> bool:
    good = [s.status is NodeStatus.SUCCEEDED or s.is_tolerated for s in after]
    bad = [
        s.status is NodeStatus.CANCELLED or (s.status is NodeStatus.FAILED and not s.is_tolerated)
        for s in after
    ]
    failed = [s.status is NodeStatus.FAILED for s in after]
    match join:
        case Join.NONE_FAILED:
            return not any(bad) and (any(good) or not after)
        case Join.ALL_SUCCEEDED:
            return all(good)
        case Join.ANY_SUCCEEDED:
            return any(good)
        case Join.ANY_FAILED:
            return any(failed)
        case Join.ALL_SETTLED:
            return True


def _replayed(definition: Workflow, events: list[Event]) -> RunState | None:
    state: RunState | None = None
    for event in events:
        state = decide(definition, state, event).state
    return state


def _facts(state: RunState | None) -> tuple[Any, ...]:
    assert state is not None
    return (
        state.head,
        state.record,
        dict(state.nodes.items()),
        dict(state.scopes.items()),
        dict(state.results.items()),
        dict(state.values.items()),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.booleans())
def test_every_run_ends_with_nothing_in_flight_and_can_be_replayed(
    shape: int, course: int, unruly: bool
) -> None:
    definition = make(shape)

    walk = _Walk(definition, course, unruly=unruly)
    story = walk.play()

    _check_end(story)
    _check_joins(definition, story.run)
    assert _facts(_replayed(definition, story.events)) == _facts(story.run)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 30))
def test_a_decision_leaves_the_state_it_was_given_as_it_was(
    shape: int, course: int, at: int
) -> None:
    definition = make(shape)
    story = _Walk(definition, course, unruly=False).play()
    events = story.events[: at + 1]
    before = _replayed(definition, events)
    facts = _facts(before)

    for event in story.events[at + 1 :]:
        decide(definition, before, event)

    assert _facts(before) == facts
