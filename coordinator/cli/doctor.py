"""`coordinator doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from coordinator.cli.commands import Leaf, output_option, redis_option
from coordinator.cli.connection import connected, has_coordinator, run_async, shown_url
from coordinator.cli.errors import ExitCode
from coordinator.cli.session import Session, lines, show
from coordinator.cli.text import one_line

if TYPE_CHECKING:
    from coordinator.config import Settings
    from coordinator.ports import Desk
    from coordinator.wiring import Connection

_PUBLIC: Final = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: `ok`, `warn` or `fail`, about what, and what to do."""

    status: str
    what: str
    detail: str
    advice: str = ""


@click.command(cls=Leaf)
@output_option("text", "json", "yaml")
@redis_option
@click.pass_obj
def doctor(session: Session, form: str) -> int:
    """Check Redis, git, the source of definitions, personas and security settings.

    Each line is ok, warn or fail, with what to do; exit 1 when something fails.

    \b
    Example:
      coordinator doctor --redis redis://10.0.0.5:6379
    """
    settings = session.settings()
    found = [*_git(), *_source(settings), *run_async(_server(settings)), *_security(settings)]
    if form == "text":
        lines(_line(one) for one in found)
    else:
        show(form, [asdict(one) for one in found])
    has_failed = any(one.status == "fail" for one in found)
    return ExitCode.FAILED if has_failed else ExitCode.DONE


def _line(one: Finding) -> str:
    advice = f"\n      -> {one_line(one.advice)}" if one.advice else ""
    return f"{one.status:<4}  {one.what}: {one_line(one.detail, 500)}{advice}"


def _ok(what: str, detail: str) -> Finding:
    return Finding(status="ok", what=what, detail=detail)


def _warn(what: str, detail: str, advice: str) -> Finding:
    return Finding(status="warn", what=what, detail=detail, advice=advice)


def _fail(what: str, detail: str, advice: str) -> Finding:
    return Finding(status="fail", what=what, detail=detail, advice=advice)


def _git() -> Iterator[Finding]:
    from coordinator.gitx import GitError
    from coordinator.gitx.process import git_binary

    try:
        yield _ok("git", git_binary())
    except GitError as error:
        yield _fail("git", str(error), "install git 2.38 or newer, and have it on PATH")


def _source(settings: Settings) -> Iterator[Finding]:
    from coordinator.config import mask_url

    url = settings.source.url
    if not url:
        yield _warn(
            "source",
            "no repository of workflows is configured",
            "set source.url (COORDINATOR_SOURCE_URL); `dev` and `run --local` need none",
        )
        return
    shown = f"{mask_url(url)} at {settings.source.ref}"
    problem = _look_at_source(settings)
    if problem:
        yield _fail("source", f"{shown}: {problem}", "correct source.url and source.ref")
    else:
        yield _ok("source", shown)


def _look_at_source(settings: Settings) -> str:
    """Why the source cannot be read; empty when it can."""
    from coordinator.gitops import GitOrigin, Source, SourceError
    from coordinator.gitx import GitError

    try:
        source = Source(url=settings.source.url, ref=settings.source.ref)
        origin = GitOrigin(source, settings.state_dir / "sources")
        origin.look()
    except (GitError, SourceError, OSError) as error:
        return str(error)
    return ""


async def _server(settings: Settings) -> list[Finding]:
    from coordinator.bus import BusError
    from coordinator.ports import StoreUnavailableError, StoreUnsuitableError

    url = shown_url(settings)
    try:
        async with connected(settings) as connection:
            return [*_facts(connection, url), *await _alive(connection)]
    except StoreUnavailableError as error:
        advice = "start it, correct redis.url, or use redis.url: embedded"
        return [_fail("redis", f"{url}: {error}", advice)]
    except (StoreUnsuitableError, BusError) as error:
        return [_fail("redis", f"{url}: {error}", "do what it says, or name another server")]


def _facts(connection: Connection, url: str) -> Iterator[Finding]:
    facts = connection.server.facts
    if facts is None:
        return
    yield _ok("redis", f"{url}: {facts.product}")
    if not facts.has_aof:
        yield _warn(
            "persistence", "no append-only file: runs are lost when it restarts",
            "set `appendonly yes`",
        )  # fmt: skip
    else:
        yield _ok("persistence", "append-only file")
    if facts.eviction == "noeviction":
        yield _ok("maxmemory-policy", facts.eviction)
    elif facts.eviction:
        detail = f"{facts.eviction}: runs may be evicted"
        yield _warn("maxmemory-policy", detail, "set `maxmemory-policy noeviction`")


async def _alive(connection: Connection) -> list[Finding]:
    from coordinator.cli.catalogue import source_problems

    members = await connection.desk.members()
    active = await connection.definitions.active()
    found = []
    if has_coordinator(members):
        names = [member.name for member in members if member.role == "coordinator"]
        found.append(_ok("coordinators", ", ".join(names)))
    else:
        advice = "start `coordinator daemon` or `coordinator dev`"
        found.append(_warn("coordinators", "none runs", advice))
    workflows = sorted({name for bundle in active for name in bundle.digests})
    if workflows:
        found.append(_ok("workflows", ", ".join(workflows)))
    else:
        advice = "set source.url, or start `coordinator dev` over a folder"
        found.append(_warn("workflows", "none is active", advice))
    for problem in await source_problems(connection):
        found.append(_warn("definitions", problem, "commit what corrects it"))
    asked = {name for bundle in active for name in bundle.personas}
    served = {name for member in members for name in member.personas}
    for name in sorted(asked - served - await _human(connection)):
        advice = f"start `coordinator worker --persona {name}`"
        found.append(_warn(f"persona {name}", "no worker serves it", advice))
    if asked and asked <= served:
        found.append(_ok("personas", f"{len(asked)}, each with a worker"))
    return [*found, *await _dead(connection.desk)]


async def _human(connection: Connection) -> set[str]:
    """Personas that are people: they need no worker."""
    from coordinator.cli.catalogue import from_server

    known = await from_server(connection)
    return {name for name, one in known.personas.items() if one.kind.value == "human"}


async def _dead(desk: Desk) -> list[Finding]:
    letters = await desk.dead_letters(limit=1_000)
    if not letters:
        return [_ok("dead letters", "none")]
    detail = f"{len(letters)}; the newest: {letters[0].reason}"
    return [_warn("dead letters", detail, "see `coordinator dead list`")]


def _security(settings: Settings) -> Iterator[Finding]:
    before = 0
    for finding in _loose(settings):
        before += 1
        yield finding
    if not before:
        yield _ok("security", "nothing is looser than it has to be")


def _loose(settings: Settings) -> Iterator[Finding]:
    if "*" in settings.worker.allow_commands:
        detail = "worker.allow_commands is *: personas may run any program"
        yield _warn("security", detail, "name the programs that are needed")
    if settings.redis.allow_insecure:
        detail = "redis.allow_insecure: a server on another host needs no password"
        yield _warn("security", detail, "set a password, and take it away")
    if settings.metrics.allow_remote:
        detail = f"metrics on {settings.metrics.host} are readable by other machines"
        yield _warn("security", detail, "listen on 127.0.0.1, or protect the port")
    for root in settings.repo_roots:
        if root.resolve() == Path(root.anchor or "/"):
            advice = "name the folders that hold repositories"
            yield _warn("security", f"repo_roots has {root}", advice)
    yield from _readable(settings)


def _readable(settings: Settings) -> Iterator[Finding]:
    """Files that hold secrets and can be read, or folders that can be written, by others."""
    password = settings.redis.password_file
    if password is not None and password.exists() and password.stat().st_mode & _PUBLIC:
        detail = f"{password} can be read by other users"
        yield _warn("security", detail, f"chmod 600 {password}")
    folder = settings.state_dir
    if folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH:
        yield _warn("security", f"{folder} can be written by anybody", f"chmod 700 {folder}")
    if os.geteuid() == 0:
        detail = "this is root: what personas run would be root as well"
        yield _warn("security", detail, "run workers as a user of their own")
