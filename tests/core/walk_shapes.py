"""Random definitions: every primitive and every property of steps, nested three deep."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from coordinator.core.definition import ErrorClass, Join, OnBranchError, OnRest, Workflow
from tests.core.build import (
    Step,
    ask,
    child,
    compute,
    conditional,
    foreach,
    git,
    human,
    parallel,
    repeat,
    switch,
    wait,
    workflow,
)

SIGNALS: Final = ("go", "stop")
ENDS: Final = ("abort", "abort", "abort", "continue", "escalate", "rollback")
JOINS: Final = (*[Join.NONE_FAILED] * 4, *Join)
LEAVES: Final = ("ask", "ask", "ask", "ask", "human", "wait", "set", "child", "git")
HOLDERS: Final = ("parallel", "parallel", "repeat", "choose", "switch", "foreach", "foreach")
RETRIED: Final = frozenset(ErrorClass)
ITEMS: Final = (
    [],
    [1],
    [1, 2],
    [1, 2, 3],
    "{{ task.list }}",
    "{{ state.list | default([7, 8]) }}",
    "{{ state.n | default([5]) }}",
)


class Shape:
    """Makes a definition from a seed, so that a failing example is one number."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0
        self.ids: list[str] = []

    def workflow(self) -> Workflow:
        """A whole definition."""
        keys: dict[str, Any] = {}
        if self.chance(0.4):
            keys["finally_"] = self.steps(self.random.choice([0, 1]))
        if self.chance(0.4):
            keys["on_failure"] = self.steps(self.random.choice([0, 1]))
        if self.chance(0.25):
            keys["timeout_ms"] = 600_000
        if self.chance(0.1):
            keys["max_steps"] = self.random.randint(2, 12)
        keys["uses_files"] = self.chance(0.4)
        if self.chance(0.15):
            keys["concurrency"] = {"key": "k" if self.chance(0.8) else "{{ task.missing }}"}
        steps = self.steps(self.random.choice([1, 2, 2, 3]))
        return workflow(*steps, outputs={"last": "{{ state.n | default(none) }}"}, **keys)

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.random.random() < share

    def steps(self, depth: int) -> list[Step]:
        """The steps of one graph."""
        made: list[Step] = []
        for _ in range(self.random.choice([1, 2, 2, 3, 3, 4])):
            names = [step.id for step in made]
            after = self.random.sample(names, min(len(names), self.random.randint(0, 2)))
            made.append(self.step(depth, after))
        return made

    def step(self, depth: int, after: list[str]) -> Step:
        """A step that depends on `after`, holding others if it may be so deep."""
        self.number += 1
        name = f"n{self.number}"
        is_holder = depth > 0 and self.chance(0.6)
        made = (
            self.holder(name, after, depth)
            if is_holder
            else self.leaf(self.random.choice(LEAVES), name, after)
        )
        made.keys.update(self.properties(depth, after))
        if isinstance(made.primitive, tuple) and made.primitive[0] == "choose":
            made.keys.pop("condition", None)
        self.ids.append(name)
        return made

    # What every step may have

    def properties(self, depth: int, after: list[str]) -> dict[str, Any]:
        """Properties of any step."""
        keys: dict[str, Any] = {"on_error": self.random.choice(ENDS)}
        if self.chance(0.3):
            keys["condition"] = self.condition()
        if after:
            keys["join"] = self.random.choice(JOINS)
        if self.chance(0.15):
            del keys["on_error"]
            keys["fallback"] = "other" if self.chance(0.3) else self.steps(max(depth - 1, 0))
        if self.chance(0.15):
            keys["undo"] = self.steps(max(depth - 1, 0) if self.chance(0.3) else 0)
        if self.chance(0.35):
            keys["retry"] = self.retry()
        keys["gate"] = "pass" if self.chance(0.15) else None
        keys["required"] = self.chance(0.05)
        keys["review"] = self.chance(0.12)
        if self.chance(0.1):
            keys["outputs"] = {"out": self.random.choice(["{{ result.n }}", "{{ verdict }}", 1])}
        return keys

    def retry(self) -> dict[str, Any]:
        """More attempts, for some failures or for all."""
        made: dict[str, Any] = {"max_attempts": self.random.randint(2, 3), "delay_ms": 1_000}
        if self.chance(0.6):
            made["on"] = RETRIED
        if self.chance(0.1):
            made["max_total_ms"] = 2_000
        return made

    def condition(self) -> str:
        """A condition over the task, the state, or an earlier step."""
        fixed = ["task.flag", "!task.flag", "state.n == 1", "len(task.list) > 1", "index == 0"]
        seen = [f"state.{name}_status != 'fail'" for name in self.ids[-3:]]
        return self.random.choice(fixed + seen)

    # The step types

    def leaf(self, kind: str, name: str, after: list[str]) -> Step:
        """A step that holds no others."""
        match kind:
            case "human":
                given = [None, {"answer": "approve"}, {"answer": "reject"}]
                keys = {
                    "deadline": self.random.choice([None, 60_000, "{{ task.limit }}"]),
                    "on_deadline": self.random.choice(given),
                }
                return human(name, *after, **keys)
            case "wait":
                return wait(name, *after, **self.patience())
            case "set":
                return compute(name, *after, values=self.values())
            case "child":
                return child(name, *after, timeout=self.random.choice([None, 60_000]))
            case "git":
                return git(name, *after)
            case _:
                files = self.random.choice(["none", "none", "read", "patch"])
                params = {"n": self.random.choice([1, "{{ task.flag }}", "{{ task.missing }}"])}
                return ask(name, *after, files=files, params=params if self.chance(0.2) else {})

    def patience(self) -> Mapping[str, Any]:
        """What a wait waits for."""
        signal = {"signal": self.random.choice(SIGNALS)}
        return self.random.choice(
            [
                signal,
                {**signal, "timeout": 60_000},
                {"duration": 5_000},
                {"duration": "{{ task.limit }}"},
                {"until": 1},
                {"until": "{{ task.flag }}"},
            ]
        )

    def values(self) -> dict[str, Any]:
        """What a set writes."""
        return {
            "n": self.random.choice(["{{ state.n | default(0) }}", 1, None, "{{ state.x }}"]),
            "list": self.random.choice([[], [1], [1, 2, 3, 4], None]),
        }

    def holder(self, name: str, after: list[str], depth: int) -> Step:
        """A step that holds others."""
        policy = self.random.choice(list(OnBranchError))
        match self.random.choice(HOLDERS):
            case "parallel":
                own: dict[str, Any] = {
                    "need": self.random.choice([None, 1, 1, 2]),
                    "on_rest": self.random.choice(list(OnRest)),
                    "on_branch_error": policy,
                }
                return parallel(name, *after, steps=self.steps(depth - 1), **own)
            case "repeat":
                steps = self.steps(depth - 1)
                last = f"state.{steps[-1].id}_status == 'pass'"
                until = self.random.choice([last, last, "true", "iteration == 2", None])
                most = self.random.randint(1, 3)
                return repeat(name, *after, steps=steps, until=until, most=most)
            case "foreach":
                own = {"max_concurrent": self.random.choice([1, 2, 20]), "on_branch_error": policy}
                items = self.random.choice(ITEMS)
                return foreach(name, *after, items=items, steps=self.steps(depth - 1), **own)
            case "choose":
                otherwise = self.random.choice([None, self.steps(depth - 1)])
                then, when = self.steps(depth - 1), self.condition()
                return conditional(name, *after, when=when, then=then, otherwise=otherwise)
            case _:
                cases = {case: self.steps(depth - 1) for case in ("true", "other")}
                default = self.random.choice([None, self.steps(depth - 1)])
                on = self.random.choice(["{{ task.flag }}", "{{ state.n | default('other') }}"])
                return switch(name, *after, on=on, cases=cases, default=default)


def make_shape(seed: int) -> Workflow:
    """A definition from its number."""
    return Shape(seed).workflow()
