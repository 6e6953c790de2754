"""What a scenario expects of a run, and in what the run differs from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator.core.definition import Workflow
from coordinator.core.ids import static_path
from coordinator.core.report import NodeRow
from coordinator.core.state import NodeStatus
from coordinator.definitions.faults import listed, nearest
from coordinator.simulation.paths import every_path
from coordinator.simulation.script import ANY_INSTANCE, glob
from coordinator.simulation.simulate import Simulation

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The `expect:` of a scenario; what is not given is not asked for."""

    status: str | None = None
    nodes: Mapping[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, object] = field(default_factory=dict)
    within_ms: int | None = None

    def mismatches(self, simulation: Simulation) -> tuple[str, ...]:
        """A sentence for everything that is not as expected; none at all when all is."""
        found = _Found(simulation)
        return (
            *_status(self, simulation),
            *(said for each in self.nodes.items() for said in found.node(*each)),
            *(said for path in self.never for said in found.never(path)),
            *found.order(self.order),
            *(said for each in self.attempts.items() for said in found.attempts(*each)),
            *_outputs(self, simulation),
            *_within(self, simulation),
        )


def near_to(path: str, simulation: Simulation) -> str:
    """`; did you mean ...` with the path that is most like this one, else an empty text."""
    near = near_path(path, [*simulation.started, *every_path(simulation.definition)])
    return f'; did you mean "{near}"?' if near else ""


def near_path(path: str, paths: Iterable[str]) -> str:
    """The path that is most like this one; one that ends alike comes first; empty if none is."""
    by_id = {each.rpartition("/")[2]: each for each in reversed([*paths][:500])}
    own = path.rpartition("/")[2]
    near = nearest(path[:200], list(by_id.values())) or nearest(own[:200], list(by_id))
    return by_id.get(own) or by_id.get(near or "") or near or ""


def names_a_node(workflow: Workflow, pattern: str) -> bool:
    """Whether a path or glob is of a node that the workflow has, reached or not."""
    place = static_path(ANY_INSTANCE.sub("*", pattern))
    return any(_matches(place, path) for path in every_path(workflow))


class _Found:
    """The run that happened, as expectations ask about it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._rows = {row.path: row for row in simulation.rows()}

    def node(self, pattern: str, status: str) -> Iterator[str]:
        """What is wrong with the status of the nodes that `pattern` names."""
        matching = self._matching(pattern)
        if not matching and self._is_known(pattern):
            if status != NodeStatus.SKIPPED:
                yield f"nodes.{pattern}: expected {status}, actual: it was never reached"
        elif not matching:
            yield f"nodes.{pattern}: {self._unknown(pattern)}"
        for row in matching:
            if row.status != status:
                yield _said(f"nodes.{row.path}", status, f"{row.status}{_why(row)}")

    def never(self, pattern: str) -> Iterator[str]:
        """Which of the nodes that `pattern` names ran all the same."""
        ran = [path for path in self._simulation.started if _matches(pattern, path)]
        if ran:
            yield _said(f"never.{pattern}", "it never runs", f"{listed(ran)} ran")
        elif not self._is_known(pattern):
            yield f"never: {self._unknown(pattern)}"

    def order(self, patterns: tuple[str, ...]) -> Iterator[str]:
        """Which nodes did not first start in the order of `patterns`."""
        starts = {path: number for number, path in enumerate(self._simulation.started)}
        last, before = -1, ""
        for pattern in patterns:
            first = min((at for path, at in starts.items() if _matches(pattern, path)), default=-1)
            if first < 0:
                unknown = "" if self._is_known(pattern) else f" ({self._unknown(pattern)})"
                yield f"order: expected {pattern} to run, actual: it never ran{unknown}"
            elif first < last:
                yield f"order: expected {before} before {pattern}, actual: {pattern} came first"
            else:
                last, before = first, pattern

    def attempts(self, pattern: str, expected: int) -> Iterator[str]:
        """Which of the nodes that `pattern` names had another number of attempts."""
        matching = self._matching(pattern)
        if not matching and self._is_known(pattern):
            if expected:
                yield _said(f"attempts.{pattern}", expected, "none, it was never reached")
        elif not matching:
            yield f"attempts.{pattern}: {self._unknown(pattern)}"
        for row in matching:
            if row.attempts != expected:
                yield _said(f"attempts.{row.path}", expected, row.attempts)

    def _matching(self, pattern: str) -> list[NodeRow]:
        return [row for path, row in self._rows.items() if _matches(pattern, path)]

    def _is_known(self, pattern: str) -> bool:
        return names_a_node(self._simulation.definition, pattern)

    def _unknown(self, pattern: str) -> str:
        near = near_to(pattern, self._simulation)
        return f'{self._simulation.definition.id} has no node "{pattern}"{near}'


def _matches(pattern: str, path: str) -> bool:
    return bool(glob(pattern).fullmatch(path)) if "*" in pattern else pattern == path


def _said(what: str, expected: object, actual: object) -> str:
    return f"{what}: expected {expected}, actual {actual}"


def _why(row: NodeRow) -> str:
    return f" ({row.reason})" if row.reason else ""


def _status(expect: Expectation, simulation: Simulation) -> Iterator[str]:
    if expect.status in (None, simulation.status):
        return
    error = simulation.state.record.error
    why = f" ({error.get('node') or 'run'}: {error.get('message')})" if error else ""
    yield _said("status", expect.status, f"{simulation.status}{why}")


def _outputs(expect: Expectation, simulation: Simulation) -> Iterator[str]:
    made = simulation.state.record.outputs
    outputs = made if isinstance(made, Mapping) else {}
    for name, expected in expect.outputs.items():
        actual = outputs.get(name)
        if not _is_same(actual, expected):
            yield _said(f"outputs.{name}", _shown(expected), _shown(actual))


def _within(expect: Expectation, simulation: Simulation) -> Iterator[str]:
    limit = expect.within_ms
    if limit is not None and simulation.virtual_ms > limit:
        took = f"{simulation.virtual_ms / 1_000:g} s"
        yield _said("within", f"at most {limit / 1_000:g} s", took)


def _is_same(actual: object, expected: object) -> bool:
    """Equality of JSON values: `1` is not `true`, which Python takes for equal."""
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return actual.keys() == expected.keys() and all(
            _is_same(value, expected[key]) for key, value in actual.items()
        )
    if isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        return len(actual) == len(expected) and all(map(_is_same, actual, expected))
    return actual == expected


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
