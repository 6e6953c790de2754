"""Logs and metrics. Loops are handed a logger and the metrics; only wiring and cli import this."""

from coordinator.telemetry.endpoint import Endpoint, EndpointError, serve_metrics
from coordinator.telemetry.logs import Logger, open_log
from coordinator.telemetry.metrics import Metrics

__all__ = ["Endpoint", "EndpointError", "Logger", "Metrics", "open_log", "serve_metrics"]
