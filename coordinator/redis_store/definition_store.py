"""Compiled definitions by their digest, and which of them are active, on Redis."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator import faults
from coordinator.core.ids import Digest
from coordinator.core.jsontext import dump, parse
from coordinator.ports import ActiveBundle
from coordinator.redis_store import scripting
from coordinator.redis_store.connection import Command, Server


class RedisDefinitionStore:
    """`DefinitionStore` on a Redis server."""

    def __init__(self, server: Server) -> None:
        self._keys = server.keys
        self._active = server.keys.named("active")
        self._sync = server.keys.named("sync")
        self.link = server.link()

    async def put(self, documents: Mapping[Digest, bytes]) -> None:
        """As `DefinitionStore.put`."""
        commands: list[Command] = [
            ("SET", self._keys.definition(digest), document)
            for digest, document in documents.items()
        ]
        if commands:
            await scripting.run(self.link, *commands, is_repeatable=True)

    async def get(self, digest: Digest) -> bytes | None:
        """As `DefinitionStore.get`."""
        document: bytes | None = await self.link.one(
            "GET", self._keys.definition(digest), is_repeatable=True
        )
        return document

    async def active(self) -> list[ActiveBundle]:
        """As `DefinitionStore.active`."""
        reply = await self.link.one("HVALS", self._active, is_repeatable=True)
        return sorted((_bundle(text) for text in reply), key=lambda bundle: bundle.bundle)

    async def activate(self, bundle: ActiveBundle, *, replaces: str | None) -> bool:
        """As `DefinitionStore.activate`."""
        seen: bytes | None = await self.link.one(
            "HGET", self._active, bundle.bundle, is_repeatable=True
        )
        if (_bundle(seen).revision if seen else None) != replaces:
            return False
        text = dump(
            {
                "bundle": bundle.bundle,
                "digests": bundle.digests,
                "revision": bundle.revision,
                "routes": list(bundle.routes),
                "personas": list(bundle.personas),
                "activated_ms": bundle.activated_ms,
            }
        )
        command = scripting.SWAP.on([self._active], bundle.bundle, seen or b"", text)
        faults.point("activate.before")
        is_ours = bool(await scripting.run_one(self.link, command))
        faults.point("activate.after")
        return is_ours

    async def put_status(self, bundle: str, status: Mapping[str, object]) -> None:
        """As `DefinitionStore.put_status`."""
        await self.link.one("HSET", self._sync, bundle, dump(status), is_repeatable=True)

    async def get_status(self, bundle: str) -> Mapping[str, object] | None:
        """As `DefinitionStore.get_status`."""
        text: bytes | None = await self.link.one("HGET", self._sync, bundle, is_repeatable=True)
        status: Mapping[str, object] | None = parse(text) if text else None
        return status

    async def close(self) -> None:
        """Disconnect."""
        await self.link.close()


def _bundle(text: bytes) -> ActiveBundle:
    data = parse(text)
    return ActiveBundle(
        bundle=data["bundle"],
        digests=data.get("digests", {}),
        revision=data.get("revision", ""),
        routes=data.get("routes", ()),
        personas=data.get("personas", ()),
        activated_ms=data.get("activated_ms", 0),
    )
