"""The table of settings: every key with its variable, default and sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordinator.config import values
from coordinator.config.values import Parse

PREFIX: Final = "COORDINATOR_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of the table."""

    key: str
    default: str
    parse: Parse
    help: str
    variable: str = ""

    @property
    def environment(self) -> str:
        """The variable that sets it."""
        return self.variable or PREFIX + self.key.upper().replace(".", "_")


SETTINGS: Final = (
    Setting(
        key="redis.url",
        default="redis://127.0.0.1:6379/0",
        parse=values.text,
        help="the Redis (7.0 or newer) or Valkey server: `redis://`, `rediss://`, `unix://`, "
        "or `embedded` for a private one in the state directory",
    ),
    Setting(
        key="redis.password_file",
        default="",
        parse=values.optional_path,
        help="file with the server's password, so that it is in no URL",
    ),
    Setting(
        key="redis.allow_insecure",
        default="false",
        parse=values.flag,
        help="accept a server on another host without a password",
    ),
    Setting(
        key="redis.require_aof",
        default="false",
        parse=values.flag,
        help="refuse a server that keeps no append-only file",
    ),
    Setting(
        key="source.url",
        default="",
        parse=values.place,
        help="the git repository of workflows and personas: a path or a URL",
    ),
    Setting(key="source.ref", default="main", parse=values.text, help="its branch, tag or commit"),
    Setting(
        key="source.interval",
        default="30s",
        parse=values.duration,
        help="how often to look for commits",
    ),
    Setting(
        key="state_dir",
        default=".coordinator",
        parse=values.path,
        help="mirrors, workspaces and the embedded bus's data; nothing in it is shared",
    ),
    Setting(
        key="repo_roots",
        default="",
        parse=values.paths,
        help="folders whose repositories tasks may name by path; empty = none",
    ),
    Setting(
        key="metrics.port",
        default="0",
        parse=values.whole(0, 65_535),
        help="port of `/metrics` and `/healthz`; 0 = off",
    ),
    Setting(
        key="metrics.host", default="127.0.0.1", parse=values.text, help="address they listen on"
    ),
    Setting(
        key="metrics.allow_remote",
        default="false",
        parse=values.flag,
        help="let that address be one that other machines reach (there is no password)",
    ),
    Setting(
        key="worker.allow_commands",
        variable="COORDINATOR_ALLOW_COMMANDS",
        default="",
        parse=values.words,
        help="programs that command personas may run here; `*` = all, empty = none",
    ),
    Setting(
        key="worker.concurrency",
        default="2",
        parse=values.whole(1, 1_000),
        help="requests that one worker works on at a time",
    ),
    Setting(
        key="worker.lease",
        default="15s",
        parse=values.duration,
        help="a request without a sign of life for so long is taken over by another worker",
    ),
    Setting(
        key="worker.drain",
        default="30s",
        parse=values.duration,
        help="what runs may take so long to end when the worker is told to stop",
    ),
    Setting(
        key="lease",
        default="15s",
        parse=values.duration,
        help="events that a coordinator has not settled for so long are taken over by another",
    ),
    Setting(
        key="env",
        default="",
        parse=values.name,
        help="the environment whose overlay, `envs/<name>.yaml`, counts; empty = none",
    ),
    Setting(
        key="instance",
        default="",
        parse=values.name,
        help="stable name of this process; empty = host and process id",
    ),
    Setting(
        key="folders.workflows",
        default="workflows",
        parse=values.text,
        help="folder of the workflows in the repository",
    ),
    Setting(
        key="folders.personas",
        default="personas",
        parse=values.text,
        help="folder of the personas in the repository",
    ),
    Setting(
        key="log.level",
        default="info",
        parse=values.one_of("debug", "info", "warning", "error"),
        help="least important line that is written to stderr",
    ),
    Setting(
        key="log.format",
        default="auto",
        parse=values.one_of("auto", "json", "console"),
        help="`auto` = console on a terminal, JSON lines elsewhere",
    ),
)
"""Every setting there is."""
