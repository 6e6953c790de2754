from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.engine.observe import Silent, Telemetry
from coordinator.telemetry import Metrics
from coordinator.telemetry.metrics import MAX_VALUES


def _samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name == name
    }


def _used(telemetry: Telemetry) -> None:
    telemetry.run_started("project-loop")
    telemetry.requested("tester-qa")
    telemetry.replied("tester-qa", "done")
    telemetry.node_settled("persona-request", "succeeded", 42.0)
    telemetry.run_ended("project-loop", "succeeded", 61.5)
    telemetry.slot_granted("project-loop", 12.5)
    telemetry.slot_refused("project-loop")
    telemetry.batch(17)
    telemetry.committed("ok", 3)
    telemetry.ignored("late")
    telemetry.refused("co:{0}:tasks")


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    _used(made)
    made.queue_depth("co:{0}:req:tester-qa", lag=7, pending=2)
    made.open_runs(4)
    made.waiting_on_humans(1)
    made.active_revisions({"main": "main@sha1:" + "a" * 40})
    made.source_synced()
    return made


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("coordinator_runs_started_total", ("project-loop",), 1),
        ("coordinator_runs_total", ("project-loop", "succeeded"), 1),
        ("coordinator_nodes_total", ("succeeded", "persona-request"), 1),
        ("coordinator_step_duration_seconds_sum", ("persona-request",), 42),
        ("coordinator_run_duration_seconds_count", ("succeeded",), 1),
        ("coordinator_run_slots_total", ("project-loop", "granted"), 1),
        ("coordinator_run_slots_total", ("project-loop", "refused"), 1),
        ("coordinator_run_queue_seconds_sum", ("project-loop",), 12.5),
        ("coordinator_requests_total", ("tester-qa",), 1),
        ("coordinator_replies_total", ("tester-qa", "done"), 1),
        ("coordinator_stream_lag_entries", ("co:{0}:req:tester-qa",), 7),
        ("coordinator_stream_pending_entries", ("co:{0}:req:tester-qa",), 2),
        ("coordinator_commits_total", ("ok",), 3),
        ("coordinator_events_ignored_total", ("late",), 1),
        ("coordinator_dead_letters_total", ("co:{0}:tasks",), 1),
        ("coordinator_batch_size_sum", (), 17),
        ("coordinator_runs_open", (), 4),
        ("coordinator_human_waiting", (), 1),
        ("coordinator_active_revision_info", ("main", "main@sha1:" + "a" * 40), 1),
    ],
)
def test_what_is_told_can_be_read(
    metrics: Metrics, name: str, labels: tuple[str, ...], value: float
) -> None:
    samples = {frozenset(key): one for key, one in _samples(metrics, name).items()}
    assert samples[frozenset(labels)] == value


def test_the_age_of_the_last_sync_grows_and_is_negative_before_the_first(metrics: Metrics) -> None:
    assert _samples(Metrics(), "coordinator_source_sync_age_seconds")[()] == -1
    first = _samples(metrics, "coordinator_source_sync_age_seconds")[()]
    assert 0 <= first <= _samples(metrics, "coordinator_source_sync_age_seconds")[()]


def test_a_new_revision_replaces_the_old_one(metrics: Metrics) -> None:
    metrics.active_revisions({"main": "main@sha1:" + "b" * 40})
    assert list(_samples(metrics, "coordinator_active_revision_info")) == [
        ("main", "main@sha1:" + "b" * 40)
    ]


def test_ten_thousand_odd_names_make_no_more_series_than_the_cap() -> None:
    metrics = Metrics()
    for number in range(10_000):
        metrics.run_started(f'odd "{number}"\n\\ name \x1b[31m')
        metrics.requested(f"persona-{number}" + "x" * (number % 300))
        metrics.refused(f"co:{{0}}:res:{number}")
    for name in ("runs_started", "requests", "dead_letters"):
        samples = _samples(metrics, f"coordinator_{name}_total")
        assert len(samples) <= MAX_VALUES + 1
        assert samples[("other",)] >= 10_000 - MAX_VALUES
        assert sum(samples.values()) == 10_000
    assert len(metrics.exposition()) < 200_000


def test_a_name_that_was_admitted_keeps_its_own_series_after_the_cap() -> None:
    metrics = Metrics()
    metrics.run_started("project-loop")
    for number in range(1_000):
        metrics.run_started(f"odd-{number}")
    metrics.run_started("project-loop")
    assert _samples(metrics, "coordinator_runs_started_total")[("project-loop",)] == 2


def test_two_processes_worth_of_metrics_do_not_share_anything(metrics: Metrics) -> None:
    assert _samples(Metrics(), "coordinator_runs_total") == {}


def test_the_exposition_format_is_valid(metrics: Metrics) -> None:
    text = metrics.exposition()
    families = {family.name for family in text_string_to_metric_families(text.decode())}
    assert "coordinator_runs" in families
    promtool = shutil.which("promtool")
    if promtool:
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
        ours = [line for line in done.stderr.decode().splitlines() if "coordinator_" in line]
        assert ours == []


def test_silence_takes_the_same_calls() -> None:
    _used(Silent())
