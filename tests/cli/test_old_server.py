"""A server that is too old is refused with its version and the one that is needed."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Shell

INFO = b"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n"


class OldServer(socketserver.StreamRequestHandler):
    """Speaks enough of the protocol to say how old it is."""

    def handle(self) -> None:
        while command := self._command():
            name = command[0].upper()
            if name == b"INFO":
                self.wfile.write(b"$%d\r\n%b\r\n" % (len(INFO), INFO))
            else:
                self.wfile.write(b"+PONG\r\n" if name == b"PING" else b"+OK\r\n")

    def _command(self) -> list[bytes]:
        line = self.rfile.readline()
        if not line.startswith(b"*"):
            return []
        words = []
        for _ in range(int(line[1:])):
            length = int(self.rfile.readline()[1:])
            words.append(self.rfile.read(length + 2)[:-2])
        return words


@pytest.fixture
def old_server() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldServer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "command", [("runs", "list"), ("daemon",), ("worker", "--persona", "x"), ("inbox", "list")]
)
def test_every_command_that_needs_the_server_refuses_it(
    shell: Shell, old_server: str, command: tuple[str, ...]
) -> None:
    done = shell(*command, "--redis", old_server)

    assert done.code == 1
    assert "6.2" in done.err
    assert "7.0" in done.err
    assert "Traceback" not in done.err
