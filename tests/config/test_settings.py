from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from coordinator.config import (
    SETTINGS,
    ConfigError,
    file_faults,
    find_file,
    load_settings,
    masked,
    settings_schema,
    settings_table,
    unknown_variables,
)


def _file(folder: Path, text: str) -> Path:
    path = folder / "coordinator.yaml"
    path.write_text(text)
    return path


def test_without_anything_every_setting_has_its_default() -> None:
    settings = load_settings()
    assert settings.redis.url == "redis://127.0.0.1:6379/0"
    assert settings.metrics.host == "127.0.0.1"
    assert settings.worker.allow_commands == ()
    assert settings.repo_roots == ()
    assert set(settings.origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("flags", "environ", "origin", "port"),
    [
        ({"metrics.port": 4}, {"COORDINATOR_METRICS_PORT": "3"}, "flag", 4),
        ({"metrics.port": None}, {"COORDINATOR_METRICS_PORT": "3"}, "environment", 3),
        ({}, {}, "file", 2),
    ],
)
def test_flag_beats_environment_beats_file(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], origin: str, port: int
) -> None:
    settings = load_settings(flags, environ, _file(tmp_path, "metrics:\n  port: 2\n"))
    assert (settings.metrics.port, settings.origins["metrics.port"]) == (port, origin)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("COORDINATOR_REDIS_URL", "redis://h:1/2", "redis.url", "redis://h:1/2"),
        ("COORDINATOR_SOURCE_URL", "https://h/r.git", "source.url", "https://h/r.git"),
        ("COORDINATOR_SOURCE_URL", "git@h:r.git", "source.url", "git@h:r.git"),
        ("COORDINATOR_SOURCE_REF", "release", "source.ref", "release"),
        ("COORDINATOR_SOURCE_INTERVAL", "2m", "source.interval", timedelta(minutes=2)),
        ("COORDINATOR_SOURCE_INTERVAL", "5", "source.interval", timedelta(seconds=5)),
        ("COORDINATOR_STATE_DIR", "/var/x", "state_dir", Path("/var/x")),
        ("COORDINATOR_METRICS_PORT", "9464", "metrics.port", 9464),
        ("COORDINATOR_ALLOW_COMMANDS", "pytest, ruff", "worker.allow_commands", ("pytest", "ruff")),
        ("COORDINATOR_ALLOW_COMMANDS", "*", "worker.allow_commands", ("*",)),
        ("COORDINATOR_REPO_ROOTS", "/a:/b", "repo_roots", (Path("/a"), Path("/b"))),
        ("COORDINATOR_INSTANCE", "co-1", "instance", "co-1"),
        ("COORDINATOR_ENV", "staging", "env", "staging"),
        ("COORDINATOR_METRICS_ALLOW_REMOTE", "yes", "metrics.allow_remote", True),
    ],
)
def test_a_variable_sets_its_setting(variable: str, text: str, key: str, value: object) -> None:
    assert load_settings(environ={variable: text}).value(key) == value


def test_the_example_of_every_kind_in_a_file(tmp_path: Path) -> None:
    text = """
        redis: {url: "redis://h", require_aof: true}
        source: {url: definitions, interval: 10s}
        state_dir: state
        repo_roots: [repos, /srv/repos]
        worker: {allow_commands: [pytest, ruff], concurrency: 3}
        log: {format: json}
    """
    settings = load_settings(file=_file(tmp_path, text))
    assert settings.source.url == str(tmp_path / "definitions")
    assert settings.state_dir == tmp_path / "state"
    assert settings.repo_roots == (tmp_path / "repos", Path("/srv/repos"))
    assert settings.worker.allow_commands == ("pytest", "ruff")
    assert settings.redis.require_aof
    assert settings.log.format == "json"


def test_all_problems_are_named_at_once_with_place_and_near_miss(tmp_path: Path) -> None:
    text = "redis:\n  uri: x\nsourec: {url: y}\nworker:\n  concurrency: many\nmetrics: 9464\n"
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={"COORDINATOR_LEASE": "soon"}, file=_file(tmp_path, text))
    told = [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]
    assert told[0] == 'coordinator.yaml:2:3: redis.uri is no setting. Did you mean "redis.url"?'
    assert told[1].startswith("coordinator.yaml:3:1: sourec is no setting.")
    assert told[2].startswith("coordinator.yaml:6:1: metrics has to be a mapping, such as")
    assert "coordinator.yaml:5:3: worker.concurrency has to be a whole number" in told[3]
    assert told[4].startswith("COORDINATOR_LEASE: lease is no time: 'soon'")


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "redis: {url: a}\nredis: {url: b}\n", "a: &a [x]\nb: [*a, !!python/name:os.x]\n"],
    ids=["empty", "list", "duplicate key", "tag"],
)
def test_a_file_that_is_no_mapping_of_settings_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"coordinator\.yaml:\d+:\d+"):
        load_settings(file=_file(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_settings(file=tmp_path / "other.yaml")
    assert find_file(tmp_path) is None


def test_an_option_that_no_setting_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'redis\.ulr is no setting. Did you mean "redis\.url"'):
        load_settings({"redis.ulr": "x"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2@h:1/0", "redis://user:***@h:1/0"),
        ("rediss://:hunter2@h", "rediss://:***@h"),
        ("redis://:hunt/er2@h", "redis://:***@h"),
        ("unix:///run/r.sock?password=hunter2&db=1", "unix:///run/r.sock?password=***&db=1"),
        ("https://ghp_abcdefghijklmnop@h/r.git", "https://***@h/r.git"),
        ("https://ann@h/r.git", "https://ann@h/r.git"),
    ],
)
def test_secrets_are_masked(url: str, shown: str) -> None:
    settings = load_settings(environ={"COORDINATOR_REDIS_URL": url})
    assert masked(settings)["redis.url"] == (shown, "environment")
    assert "hunter2" not in repr(settings)


def test_the_password_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("p@ss:wörd\n")
    environ = {
        "COORDINATOR_REDIS_URL": "redis://h:1/0",
        "COORDINATOR_REDIS_PASSWORD_FILE": str(secret),
    }
    settings = load_settings(environ=environ)
    assert settings.redis.connection_url() == "redis://:p%40ss%3Aw%C3%B6rd@h:1/0"
    assert settings.redis.url == "redis://h:1/0"
    secret.unlink()
    with pytest.raises(ConfigError, match="password_file"):
        settings.redis.connection_url()


def test_variables_that_set_nothing_are_told() -> None:
    environ = {"COORDINATOR_REDIS_URI": "x", "COORDINATOR_FAULT": "", "HOME": "x"}
    assert unknown_variables(environ) == [
        'COORDINATOR_REDIS_URI is no setting. Did you mean "COORDINATOR_REDIS_URL"?'
    ]


def test_settings_are_frozen_and_the_table_lists_each_once() -> None:
    settings = load_settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.env = "x"  # type: ignore[misc]  # this is what must not work
    assert all(settings_table().count(f"| `{one.key}` |") == 1 for one in SETTINGS)
    assert list(masked(settings)) == [one.key for one in SETTINGS]


def test_importing_the_settings_loads_no_library() -> None:
    program = "import sys, coordinator.config; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "coordinator.config" in loaded
    assert not loaded & {"yaml", "pydantic", "asyncio", "jinja2", "difflib", "urllib.request"}


# The JSON Schema


def _is_valid(text: str) -> bool:
    return Draft202012Validator(settings_schema()).is_valid(yaml.safe_load(text))


def test_the_schema_knows_every_setting_with_its_sentence_and_its_default() -> None:
    Draft202012Validator.check_schema(settings_schema())
    for one in SETTINGS:
        about: Any = settings_schema()
        for part in one.key.split("."):
            about = about["properties"][part]
        assert about["description"] == f"{one.help} ({one.environment})".replace("`", "")
        if one.default:
            assert Draft202012Validator(about).is_valid(about["default"]), one.key
            assert str(about["default"]).lower() == one.default


@pytest.mark.parametrize(
    "text",
    [
        "redis: {uri: x}", "log: info", "log: {level: loud}", "worker: {concurrency: 0}",
        "metrics: {port: many}", "redis: {require_aof: maybe}", "lease: 0", "env: a b",
        "sourec: {url: x}", "worker: {allow_commands: 3}",
    ],
)  # fmt: skip
def test_what_the_schema_refuses_the_reader_refuses(text: str) -> None:
    assert not _is_valid(text)
    [fault] = file_faults("coordinator.yaml", text.encode())
    assert fault.line == 1
    assert fault.column > 1 or fault.rule == "WF020" or text == "log: info"


@pytest.mark.parametrize(
    "text",
    [
        "redis: {url: embedded, require_aof: true}", "log: {level: debug}", "lease: 15s",
        "worker: {allow_commands: [git, ls], concurrency: 3}", "repo_roots: [/a, b]",
        "worker: {allow_commands: 'git, ls'}", "lease: 20", "env: staging",
    ],
)  # fmt: skip
def test_what_the_schema_accepts_the_reader_accepts(text: str) -> None:
    assert _is_valid(text)
    assert file_faults("coordinator.yaml", text.encode()) == []
