"""Plays random definitions, with everything from outside that a run may meet, and audits it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from coordinator.core import codec
from coordinator.core.commands import AskHuman, Command, SendRequest, SetTimer
from coordinator.core.decide import Decision, decide
from coordinator.core.definition import Files, Workflow
from coordinator.core.events import (
    Answered,
    ByHand,
    CancelRequested,
    Continued,
    Event,
    Parent,
    PauseRequested,
    ResumeRequested,
    Signalled,
    TerminateRequested,
)
from coordinator.core.jsontext import dump, parse
from coordinator.core.pmap import PMap
from coordinator.core.report import rows
from coordinator.core.state import Phase, RunState
from coordinator.core.turn import MAX_COMMANDS, MAX_NODE_CHANGES
from coordinator.core.why import Serving, endings, waits
from tests.core.story import Story
from tests.core.walk_audit import Audit

TAME: Final = 120
"""After so many steps nobody disturbs the run any more, so that it comes to an end."""
SLACK: Final = 400
"""By how much one item of work may overshoot the bound of a commit."""
_ONCE: Final = ByHand | CancelRequested | TerminateRequested | PauseRequested | ResumeRequested


def written(state: RunState | None) -> bytes:
    """A run as the stores hold it."""
    return b"" if state is None else dump(_data(state))


def _data(state: RunState) -> dict[str, Any]:
    return {
        "head": codec.head_data(state.head),
        "record": codec.record_data(state.record),
        "nodes": {path: codec.node_data(node) for path, node in sorted(state.nodes.items())},
        "scopes": {path: codec.scope_data(one) for path, one in sorted(state.scopes.items())},
        "results": dict(sorted(state.results.items())),
        "values": dict(sorted(state.values.items())),
    }


def read(text: bytes, run: str, *, backwards: bool) -> RunState:
    """A run that was written; stores give the entries of a run back in any order."""
    data = parse(text)
    order = -1 if backwards else 1
    return RunState(
        run,  # type: ignore[arg-type] # as stores know it
        codec.head_from(data["head"]),
        codec.record_from(data["record"]),
        PMap({path: codec.node_from(one) for path, one in list(data["nodes"].items())[::order]}),
        PMap({path: codec.scope_from(one) for path, one in list(data["scopes"].items())[::order]}),
        PMap(dict(list(data["results"].items())[::order])),
        PMap(dict(list(data["values"].items())[::order])),
    )


def _plainly(decision: Decision) -> Any:
    """A decision as plain data, its commands in order."""
    told = [decision.ignored, decision.refused, decision.moves]
    return parse(dump([told, [_command(one) for one in decision.commands]]))


def _command(command: Command) -> list[Any]:
    return [
        type(command).__name__,
        {field.name: getattr(command, field.name) for field in fields(command)},
    ]


class Audited(Story):
    """A story of which every decision is held against what has to be true."""

    share = 0.3
    """How often the costly checks are made."""

    def __init__(self, definition: Workflow, *, seed: int, **more: Any) -> None:
        super().__init__(definition, **more)
        self.chance = random.Random(seed)
        self.asked: set[tuple[str, int, str]] = set()

    def happens(self, event: Event) -> list[str]:
        """Decide and check."""
        before, closely = self.state, self.chance.random() < self.share
        text = written(before) if closely else b""
        told = super().happens(event)
        decision = self.last
        assert decision is not None
        if self.state is before:
            assert told, "an event that did nothing says so"
            return told
        self._bounded(decision)
        for command in decision.commands:
            self._note(command)
        self._holds_still(before, event, decision)
        Audit(self).check()
        if closely:
            self._closely(before, text, event, decision)
        return told

    def _bounded(self, decision: Decision) -> None:
        changes = decision.changes
        assert changes is not None
        assert len(decision.commands) <= MAX_COMMANDS + SLACK
        assert len(changes.nodes) <= MAX_NODE_CHANGES + SLACK

    def _note(self, command: Command) -> None:
        match command:
            case SendRequest():
                key = (command.node, command.attempt, "request")
            case AskHuman(kind="human"):
                key = (command.node, command.attempt, "question")
            case SetTimer(node=node) if node:
                key = (node, command.attempt, command.kind.value)
            case _:
                return
        assert key not in self.asked, f"{key} came twice"
        self.asked.add(key)

    def _holds_still(self, before: RunState | None, event: Event, decision: Decision) -> None:
        """While it is paused a run starts nothing."""
        was_paused = before is not None and bool(before.record.paused_ms)
        if not was_paused or not self.run.record.paused_ms or isinstance(event, ResumeRequested):
            return
        for command in decision.commands:
            is_start = isinstance(command, SendRequest) or (
                isinstance(command, AskHuman) and command.kind == "human"
            )
            assert not is_start or "@" in command.node, f"{command.node} starts in a pause"

    def _closely(
        self, before: RunState | None, text: bytes, event: Event, decision: Decision
    ) -> None:
        rows(self.definition, self.run)
        endings(self.definition, self.run)
        for wait in waits(self.definition, self.run, Serving()):
            known = self.run.nodes.get(wait.path)
            assert known is None or not known.status.is_settled, f"{wait.path} waits for nothing"
        assert written(before) == text, "a decision changed the state that it was given"
        now = written(self.run)
        assert written(read(now, self.run.id, backwards=False)) == now, "the codec"
        if before is not None:
            again = read(text, self.run.id, backwards=self.chance.random() < 0.5)
            other = decide(self.definition, again, event)
            assert _plainly(other) == _plainly(decision), "a stored run decides otherwise"
            assert written(other.state) == now, "a stored run becomes something else"


class Player:
    """Chooses among everything that could happen next."""

    def __init__(self, definition: Workflow, seed: int, *, unruly: float = 0.3) -> None:
        self.random = random.Random(seed)
        lists = ([], [1, 2], [1, 2, 3, 4], 7)
        task = {
            "flag": self.random.random() < 0.5,
            "list": self.random.choice(lists),
            "limit": "30s",
            "repo": self.random.choice([None, "/r"]),
        }
        started: dict[str, Any] = {"advance": self.random.choice(["auto"] * 5 + ["manual"])}
        if self.random.random() < 0.15:
            files_of = self.random.choice(["", "p" * 26])
            started["parent"] = Parent(
                run="p" * 26, node="x", attempt=1, token="t", files_of=files_of
            )
            started["files"] = {"repo": "/r", "revision": "r0"} if files_of else None
        self.story = Audited(definition, seed=seed, task=task, **started)
        self.unruly = unruly
        self.rounds = self.random.choice([0, 0, 1, 2])
        self.steps = 0

    def play(self) -> Story:
        """The run from its beginning to its end."""
        self.story.starts()
        while not self.is_over() or self._begins_another_round():
            self.go_on()
        return self.story

    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.story.run.record.status.is_final

    def _begins_another_round(self) -> bool:
        if not self.rounds:
            return False
        self.rounds -= 1
        self.story.retries(self._some_node() if self.chance(0.5) else "")
        return not self.is_over()

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.random.random() < share

    @property
    def is_tame(self) -> bool:
        """Whether only what brings the run to its end happens from now on."""
        return self.steps > TAME

    def go_on(self) -> None:
        """Let one thing happen."""
        self.steps += 1
        assert self.steps < 3_000, f"the run does not end: {self.story.nodes}"
        if not self.is_tame and self.chance(self.unruly):
            self._disturb()
        elif self.story.run.record.agenda:
            self.story.continues()
        elif self.story.run.record.paused_ms and self.chance(0.5):
            self.story.resumes()
        else:
            self._proceed()

    # What the run waits for

    def _proceed(self) -> None:
        story = self.story
        choices: list[Callable[[], object]] = []
        choices += [lambda path=path: self._reply(path) for path in sorted(story.requests)]
        choices += [lambda path=path: self._answer(path) for path in sorted(story.questions)]
        timers = [key for key in sorted(story.timers) if key[2] in ("retry", "wait")]
        choices += [lambda key=key: story.fires(key[0], key[2], key[1]) for key in timers]
        if self._is_queued():
            choices.append(self._slot)
        if any(node.awaited_signal for node in story.run.nodes.values()):
            choices.append(self._signal)
        if any(node.is_held for node in story.run.nodes.values()):
            choices.append(self._let_go)
        if choices:
            self.random.choice(choices)()
        else:
            assert story.run.record.paused_ms, f"stuck: {story.nodes}"
            story.resumes()

    def _is_queued(self) -> bool:
        record = self.story.run.record
        return record.phase is Phase.QUEUED and not record.granted_ms

    def _slot(self) -> None:
        """Word of the slot that the run asked for, now or earlier."""
        attempt = self.story.run.record.slot_attempt
        if self.chance(0.2):
            attempt = max(attempt - 1, 0)
        if self.chance(0.9):
            self.story.is_granted(attempt)
        else:
            self.story.is_refused("another", attempt)

    def _signal(self) -> None:
        known = sorted(self.story.definition.signals) or ["nobody"]
        self.story.signals(self.random.choice(known), n=1)

    def _let_go(self) -> None:
        held = sorted(path for path, node in self.story.run.nodes.items() if node.is_held)
        if self.chance(0.7):
            self.story.lets_go(self.random.choice(held))
        elif self.chance(0.5):
            self.story.lets_go()
        else:
            self.story.advances("auto")

    def _answer(self, path: str) -> None:
        answers = {
            "human": ["approve", "approve", "reject"],
            "review": ["continue", "continue", "reject", "retry"],
            "escalation": ["skip", "continue", "abort", "retry"],
        }
        words = [
            word
            for word in answers[self.story.questions[path].kind]
            if not (self.is_tame and word in ("retry", "reject"))
        ]
        values = {"n": 1} if words[0] == "skip" and self.chance(0.5) else {}
        word = self.random.choice(words)
        self.story.answers(path, word, by="ann", values=values if word == "continue" else {})

    def _reply(self, path: str) -> None:
        chance, story = self.random.random(), self.story
        if path.startswith("@"):
            self._reply_of_own(path)
        elif chance < 0.55 or self.is_tame:
            story.passes(path, **self._brought(path))
        elif chance < 0.7:
            story.replies(path, verdict=self.random.choice(["fail", "unknown"]), result={"a": 1})
        elif chance < 0.75:
            story.replies(path, status=self.random.choice(["progress", "blocked"]))
        else:
            kind = self.random.choice(["persona_error", "refused", "transport", "cancelled"])
            retryable = self.random.choice([None, None, True, False])
            story.replies(path, error=kind, retryable=retryable)

    def _brought(self, path: str) -> dict[str, Any]:
        """What comes with a good reply."""
        turn = Audit(self.story).turn
        brought: dict[str, Any] = {"result": {"n": self.random.choice([1, [1], "x"])}}
        files = getattr(turn.define(path).primitive, "files", Files.NONE)
        if files is Files.PATCH and self.chance(0.7):
            brought["patch"] = {"base": "r0", "diff": "d"}
        return brought

    def _reply_of_own(self, path: str) -> None:
        if self.chance(0.2) and not self.is_tame:
            self.story.replies(path, error=self.random.choice(["transport", "step_error"]))
        else:
            self.story.passes(path, files={"repo": "/r", "ref": "refs/x", "revision": "r1"})

    # What nobody waits for

    def _disturb(self) -> None:
        deeds: list[tuple[int, Callable[[], object]]] = [
            (8, self._again),
            (4, self._time_passes),
            (3, self._stray),
            (3, self._pause_or_resume),
            (3, self._signal),
            (3, lambda: self.story.skips(self._some_node(), by="ann")),
            (4, lambda: self.story.retries(self._some_node())),
            (2, lambda: self.story.lets_go(self._some_node())),
            (1, self._slot),
            (1, lambda: self.story.patches(n=self.random.choice([1, None, [1, 2]]))),
            (1, lambda: self.story.advances(self.random.choice(["auto", "manual"]))),
            (1, lambda: self.story.cancels() if self.steps > 4 else None),
            (1, lambda: self.story.terminates() if self.chance(0.4) else None),
        ]
        weights = [weight for weight, _ in deeds]
        self.random.choices(deeds, weights)[0][1]()

    def _pause_or_resume(self) -> None:
        if self.story.run.record.paused_ms:
            self.story.resumes()
        else:
            self.story.pauses()

    def _some_node(self) -> str:
        known = sorted(self.story.run.nodes)
        if self.chance(0.2):
            known = sorted(self.story.definition.nodes)
        return self.random.choice(known) if known else "n1"

    def _time_passes(self) -> None:
        if self.story.timers:
            path, attempt, kind = self.random.choice(sorted(self.story.timers))
            self.story.fires(path, kind, attempt)

    def _stray(self) -> None:
        """A reply, an answer or a timer that no one sent, or that belongs to some other attempt."""
        path, attempt = self._some_node(), self.random.randint(0, 4)
        kind = self.random.choice(["reply", "answer", "timeout", "deadline", "retry", "wait"])
        if kind == "reply":
            before = self.story.state
            self.story.passes(path, attempt=attempt + 1, token="guessed")
            assert self.story.state is before, "a reply with a guessed token was applied"
        elif kind == "answer":
            words = ["approve", "reject", "continue", "retry", "skip", "abort", "perhaps"]
            self.story.answers(path, self.random.choice(words), attempt=attempt)
        else:
            self.story.fires(path, kind, attempt)

    def _again(self) -> None:
        """Something that has come already comes once more, and changes nothing."""
        old = [event for event in self.story.events if not isinstance(event, _ONCE)]
        event, before = self.random.choice(old), self.story.state
        told = self.story.happens(event)
        if not isinstance(event, Answered | Signalled | Continued):
            assert self.story.state is before, f"a repeated event was applied: {told}"
