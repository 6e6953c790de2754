"""A daemon that cannot start as it was told to says why, and what to do."""

from __future__ import annotations

import socket

import pytest

from tests.cli.conftest import Shell


def test_a_taken_metrics_port_is_no_bug_of_ours(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = shell.program("daemon", "--redis", "embedded", "--metrics-port", port)

    assert done.code == 1
    assert "choose another metrics.port" in done.err
    assert "bug" not in done.err


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("COORDINATOR_SOURCE_URL", "ext::sh -c id", "ext::"),
        ("COORDINATOR_SOURCE_REF", "--upload-pack=x", "--upload-pack=x"),
        ("COORDINATOR_FAULT", "nowhere:1:kill", "nowhere:1:kill"),
    ],
)
def test_an_unusable_setting_is_named(shell: Shell, variable: str, value: str, told: str) -> None:
    given = {"COORDINATOR_SOURCE_URL": "./definitions.git", variable: value}

    done = shell.program("daemon", "--redis", "embedded", **given)

    assert done.code == 1
    assert told in done.err
    assert "bug" not in done.err
    assert "Traceback" not in done.err
