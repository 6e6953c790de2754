"""`/metrics` and `/healthz` on a thread of their own, on loopback unless the operator says more."""

from __future__ import annotations

import ipaddress
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from coordinator.telemetry.metrics import Metrics

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS_FOR_A_REQUEST: Final = 5.0

Health = Callable[[], Mapping[str, object]]
"""What is to be shown at `/healthz`; it is well while `healthy` is true."""


class EndpointError(Exception):
    """The address cannot, or must not, be listened on."""


class Endpoint:
    """A listening server; `close` ends it."""

    def __init__(self, metrics: Metrics, address: tuple[str, int], health: Health) -> None:
        handler = type("Handler", (_Handler,), {"metrics": metrics, "health": staticmethod(health)})
        try:
            self._server = _server_class(address[0])(address, handler)
        except OSError as error:
            host, port = address
            raise EndpointError(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; choose another "
                "metrics.port, or 0 for none"
            ) from None
        self.host, self.port = self._server.server_address[:2]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; safe to call again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(
    metrics: Metrics,
    port: int,
    *,
    host: str = "127.0.0.1",
    allow_remote: bool = False,
    health: Health,
) -> Endpoint | None:
    """A server for `/metrics` and `/healthz`; None when `port` is 0.

    Raises:
        EndpointError: the address is taken, or reaches beyond this machine without `allow_remote`.
    """
    if port == 0:
        return None
    if not allow_remote and not is_loopback(host):
        raise EndpointError(
            f"metrics.host is {host}, which other machines reach, and there is no password. Use "
            "127.0.0.1, or set metrics.allow_remote where the network is yours alone"
        )
    return Endpoint(metrics, (host, port), health)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches every address that the name stands for."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)  # noqa: S104 - an empty host means every address
    except OSError:
        return False
    return all(ipaddress.ip_address(one[4][0]).is_loopback for one in found)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def server_bind(self) -> None:
        # The inherited one asks a name server for our full name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that goes away is no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server


class _Handler(BaseHTTPRequestHandler):
    metrics: Metrics
    health: Health
    timeout = _SECONDS_FOR_A_REQUEST

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, METRICS_TYPE, self.metrics.exposition())
        elif self.path == "/healthz":
            status, report = self._examine()
            body = json.dumps(report, default=str).encode() + b"\n"
            self._answer(status, "application/json", body)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"see /metrics and /healthz\n")

    do_HEAD = do_GET

    def _examine(self) -> tuple[HTTPStatus, Mapping[str, object]]:
        try:
            report = type(self).health()
        except Exception as error:  # whatever it is, the answer is "not well"
            report = {"healthy": False, "error": type(error).__name__}
        is_well = report.get("healthy") is True
        return (HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE), report

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "coordinator"

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line."""
