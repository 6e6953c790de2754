"""The settings as the rest of the program sees them: frozen, typed, with nothing optional left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


class ConfigError(Exception):
    """The settings cannot be used; every reason at once, each with its place and its cure."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Which server, and what is accepted of it."""

    url: str = field(repr=False)
    password_file: Path | None
    allow_insecure: bool
    require_aof: bool

    def connection_url(self) -> str:
        """The URL with the password of `password_file` in it, read now; never to be shown.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.password_file is None:
            return self.url
        from urllib.parse import quote, urlsplit

        try:
            password = self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise ConfigError([f"redis.password_file: {error}; correct the path"]) from None
        parts = urlsplit(self.url)
        user = parts.username or ""
        place = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """The repository of workflows and personas."""

    url: str = field(repr=False)
    ref: str
    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where `/metrics` and `/healthz` listen."""

    port: int
    host: str
    allow_remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker of this machine serves personas."""

    allow_commands: tuple[str, ...]
    concurrency: int
    lease: timedelta
    drain: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """Where workflows and personas are looked up, from the repository's top."""

    workflows: str
    personas: str

    @property
    def paths(self) -> tuple[str, ...]:
        """Every folder of a repository that is read."""
        return (self.workflows, self.personas, "envs")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is said on stderr."""

    level: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator decides; read once, handed on as values."""

    redis: RedisSettings
    source: SourceSettings
    metrics: MetricsSettings
    worker: WorkerSettings
    folders: FolderSettings
    log: LogSettings
    state_dir: Path
    repo_roots: tuple[Path, ...]
    lease: timedelta
    env: str
    instance: str
    origins: Mapping[str, str] = field(repr=False)
    """Setting -> `flag`, `environment`, `file` or `default`."""

    def value(self, key: str) -> object:
        """The value of a setting by its key, such as `redis.url`."""
        found: object = self
        for name in key.split("."):
            found = getattr(found, name)
        return found
