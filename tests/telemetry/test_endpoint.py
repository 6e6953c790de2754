from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping

import pytest

from coordinator.telemetry import Endpoint, EndpointError, Metrics, serve_metrics
from coordinator.telemetry.endpoint import is_loopback

WELL: Mapping[str, object] = {"healthy": True, "redis": "up"}


class Health:
    """What `/healthz` is to say next."""

    def __init__(self) -> None:
        self.report: Mapping[str, object] | Exception = WELL

    def __call__(self) -> Mapping[str, object]:
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def endpoint(health: Health) -> Iterator[Endpoint]:
    metrics = Metrics()
    metrics.run_started("project-loop")
    opened = Endpoint(metrics, ("127.0.0.1", 0), health)
    yield opened
    opened.close()


def _ask(
    endpoint: Endpoint, path: str, method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_metrics_are_served_in_prometheus_text_format(endpoint: Endpoint) -> None:
    status, headers, body = _ask(endpoint, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'coordinator_runs_started_total{workflow="project-loop"} 1.0' in body


def test_health_is_200_while_well_and_503_otherwise(endpoint: Endpoint, health: Health) -> None:
    status, _, body = _ask(endpoint, "/healthz")
    assert (status, json.loads(body)) == (200, WELL)
    health.report = {"healthy": False, "redis": "down"}
    status, _, body = _ask(endpoint, "/healthz")
    assert (status, json.loads(body)["redis"]) == (503, "down")


def test_a_health_check_that_fails_itself_is_not_well_and_tells_no_secret(
    endpoint: Endpoint, health: Health
) -> None:
    health.report = RuntimeError("redis://:hunter2@h")
    status, _, body = _ask(endpoint, "/healthz")
    assert (status, json.loads(body)) == (503, {"healthy": False, "error": "RuntimeError"})


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics?x=1", "/healthz/../x"])
def test_any_other_path_is_not_found(endpoint: Endpoint, path: str) -> None:
    assert _ask(endpoint, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_get_and_head_is_understood(endpoint: Endpoint, method: str) -> None:
    assert _ask(endpoint, "/metrics", method)[0] == 501


def test_head_has_no_body_and_the_server_says_little_of_itself(endpoint: Endpoint) -> None:
    status, headers, body = _ask(endpoint, "/metrics", "HEAD")
    assert (status, body, headers["Server"]) == (200, b"", "coordinator")


def test_it_listens_on_loopback_only(endpoint: Endpoint) -> None:
    assert endpoint.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "nowhere.invalid"])
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(EndpointError, match="allow_remote"):
        serve_metrics(Metrics(), 9464, host=host, health=Health())


def test_the_operator_can_allow_it(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    opened = serve_metrics(Metrics(), port, host="0.0.0.0", allow_remote=True, health=health)
    assert opened is not None
    try:
        assert _ask(opened, "/healthz")[0] == 200
    finally:
        opened.close()


def test_port_zero_is_off(health: Health) -> None:
    assert serve_metrics(Metrics(), 0, health=health) is None


def test_a_port_in_use_is_told_with_a_cure(endpoint: Endpoint, health: Health) -> None:
    with pytest.raises(EndpointError, match=r"in use; choose another metrics\.port"):
        serve_metrics(Metrics(), endpoint.port, health=health)


def test_a_peer_that_says_nothing_does_not_keep_others_waiting(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port)):
        assert _ask(endpoint, "/healthz")[0] == 200
