"""What Prometheus is told, each metric in one place, and nothing about single runs.

| metric `coordinator_…` | labels | what it says |
|---|---|---|
| `runs_started_total` | workflow | runs created here |
| `runs_total` | workflow, status | runs that ended here |
| `run_duration_seconds` | status | from creation to end |
| `runs_open` | | runs that have not ended, in the whole system |
| `run_slots_total` | workflow, result | slots of concurrency keys: `granted`, `refused` |
| `run_queue_seconds` | workflow | from asking for a slot until a run had it |
| `nodes_total` | type, status | nodes that reached their end |
| `step_duration_seconds` | type | from start to end of a node |
| `requests_total` | persona | requests sent |
| `replies_total` | persona, status | replies applied |
| `stream_lag_entries` | stream | entries that nobody has read yet |
| `stream_pending_entries` | stream | entries read and not settled |
| `commits_total` | result | transitions by `ok`, `conflict`, `duplicate` |
| `batch_size` | | deliveries read at once |
| `events_ignored_total` | kind | late or repeated events |
| `dead_letters_total` | stream | messages that could never apply |
| `human_waiting` | | questions that wait for a human |
| `active_revision_info` | bundle, revision | 1 for the definitions that serve new runs |
| `source_sync_age_seconds` | | since the source was last looked at with success |

A label never grows beyond `MAX_VALUES` different values: what comes later is counted as `other`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

MAX_VALUES: Final = 200
MAX_LENGTH: Final = 120
OTHER: Final = "other"
PREFIX: Final = "coordinator"
STEP_SECONDS: Final = (
    *(0.1, 0.5, 1, 5, 15, 60, 300, 900),
    *(3_600, 14_400, 86_400, 259_200, 604_800),
)
"""From a tenth of a second to a week: a step may wait for a human."""
BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class _Values:
    """The different values of one label, until there are too many."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def admit(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._seen:
            return value
        if len(self._seen) >= MAX_VALUES or len(value) > MAX_LENGTH:
            return OTHER
        self._seen.add(value)
        return value


class _Family(Generic[_Metric]):
    """A metric whose children are made once, and found again by one dictionary look-up."""

    def __init__(self, metric: _Metric, labels: Iterable[_Values]) -> None:
        self._metric: _Metric = metric
        self._labels = tuple(labels)
        self._children: dict[tuple[str, ...], _Metric] = {}

    def of(self, *values: str) -> _Metric:
        """The child of these label values."""
        child = self._children.get(values)
        return child if child is not None else self._bind(values)

    def _bind(self, values: tuple[str, ...]) -> _Metric:
        pairs = zip(self._labels, values, strict=True)
        admitted = tuple(label.admit(value) for label, value in pairs)
        child = self._children.get(admitted)
        if child is None:
            child = self._children[admitted] = self._metric.labels(*admitted)
        return child


class Metrics:
    """The engine's `Telemetry` and the gauges that a sampler sets; made once per process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._label_values: dict[str, _Values] = {}
        self._synced_at: float | None = None
        self._started = self._counter("runs_started", "Runs created", "workflow")
        self._ended = self._counter("runs", "Runs that ended", "workflow", "status")
        self._slots = self._counter("run_slots", "Slots of concurrency keys", "workflow", "result")
        self._queued = self._histogram("run_queue_seconds", "Asking to slot", "workflow")
        self._nodes = self._counter("nodes", "Nodes that reached their end", "type", "status")
        self._requests = self._counter("requests", "Requests sent", "persona")
        self._replies = self._counter("replies", "Replies applied", "persona", "status")
        self._commits = self._counter("commits", "Transitions by what became of them", "result")
        self._ignored = self._counter("events_ignored", "Late or repeated events", "kind")
        self._dead = self._counter("dead_letters", "Messages that could never apply", "stream")
        self._steps = self._histogram("step_duration_seconds", "Start to end of a node", "type")
        self._runs = self._histogram("run_duration_seconds", "Creation to end of a run", "status")
        self._batch = Histogram(
            *_named("batch_size", "Deliveries read at once"),
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self._lag = self._gauge("stream_lag_entries", "Entries that nobody has read", "stream")
        self._pending = self._gauge("stream_pending_entries", "Read, not settled", "stream")
        self._active: Mapping[str, str] = {}
        self._revision = Gauge(
            *_named("active_revision_info", "1 for the definitions that serve new runs"),
            ("bundle", "revision"),
            registry=self.registry,
        )
        self._open = self._plain_gauge("runs_open", "Runs that have not ended")
        self._waiting = self._plain_gauge("human_waiting", "Questions that wait for a human")
        age = self._plain_gauge("source_sync_age_seconds", "Since the last look at the source")
        age.set_function(self._sync_age)

    def run_started(self, workflow: str) -> None:
        """Counted."""
        self._started.of(workflow).inc()

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        """Counted and timed."""
        self._ended.of(workflow, status).inc()
        self._runs.of(status).observe(seconds)

    def slot_granted(self, workflow: str, seconds: float) -> None:
        """Counted and timed."""
        self._slots.of(workflow, "granted").inc()
        self._queued.of(workflow).observe(seconds)

    def slot_refused(self, workflow: str) -> None:
        """Counted."""
        self._slots.of(workflow, "refused").inc()

    def node_settled(self, type: str, status: str, seconds: float) -> None:
        """Counted and timed."""
        self._nodes.of(type, status).inc()
        self._steps.of(type).observe(seconds)

    def requested(self, persona: str) -> None:
        """Counted."""
        self._requests.of(persona).inc()

    def replied(self, persona: str, status: str) -> None:
        """Counted."""
        self._replies.of(persona, status).inc()

    def batch(self, size: int) -> None:
        """Counted by size."""
        self._batch.observe(size)

    def committed(self, result: str, count: int) -> None:
        """Counted."""
        self._commits.of(result).inc(count)

    def ignored(self, kind: str) -> None:
        """Counted."""
        self._ignored.of(kind).inc()

    def refused(self, stream: str) -> None:
        """Counted."""
        self._dead.of(stream).inc()

    def queue_depth(self, stream: str, *, lag: int, pending: int) -> None:
        """What waits in one stream now."""
        self._lag.of(stream).set(lag)
        self._pending.of(stream).set(pending)

    def open_runs(self, count: int) -> None:
        """How many runs have not ended now."""
        self._open.set(count)

    def waiting_on_humans(self, count: int) -> None:
        """How many questions wait now."""
        self._waiting.set(count)

    def active_revisions(self, revisions: Mapping[str, str]) -> None:
        """Bundle -> the revision that serves new runs now; others are dropped."""
        if revisions == self._active:
            return
        self._active = dict(revisions)
        self._revision.clear()
        for bundle, revision in list(revisions.items())[:MAX_VALUES]:
            self._revision.labels(bundle[:MAX_LENGTH], revision[:MAX_LENGTH]).set(1)

    def source_synced(self) -> None:
        """The source was looked at, just now, with success."""
        self._synced_at = time.monotonic()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _sync_age(self) -> float:
        return -1.0 if self._synced_at is None else time.monotonic() - self._synced_at

    def _values(self, labels: Iterable[str]) -> list[_Values]:
        return [self._label_values.setdefault(label, _Values()) for label in labels]

    def _counter(self, name: str, text: str, *labels: str) -> _Family[Counter]:
        metric = Counter(*_named(name, text), labels, registry=self.registry)
        return _Family(metric, self._values(labels))

    def _gauge(self, name: str, text: str, *labels: str) -> _Family[Gauge]:
        metric = Gauge(*_named(name, text), labels, registry=self.registry)
        return _Family(metric, self._values(labels))

    def _histogram(self, name: str, text: str, *labels: str) -> _Family[Histogram]:
        metric = Histogram(
            *_named(name, text), labels, buckets=STEP_SECONDS, registry=self.registry
        )
        return _Family(metric, self._values(labels))

    def _plain_gauge(self, name: str, text: str) -> Gauge:
        return Gauge(*_named(name, text), registry=self.registry)


def _named(name: str, text: str) -> tuple[str, str]:
    return f"{PREFIX}_{name}", text
