"""Definitions as the engine needs them: by digest for runs that are under way, by
name for new ones.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from coordinator.core.definition import Workflow
from coordinator.core.ids import Digest
from coordinator.core.routing import Choice, choose_workflow, routes_from
from coordinator.ports import ActiveBundle, DefinitionStore

LoadWorkflow = Callable[[Digest, bytes], Workflow]
"""Compile a stored document, having checked that it hashes to the digest.

Raises `DefinitionUnusableError` when it does not, or does not compile here.
"""

_MOST_CACHED: Final = 256


class DefinitionUnusableError(Exception):
    """The definition of a run is missing, was tampered with, or does not compile here.

    The run waits until it is put right; a person has to act.
    """

    def __init__(self, digest: str, why: str) -> None:
        super().__init__(f"the definition {digest} cannot be used: {why}")
        self.digest = digest
        self.why = why


class DefinitionMissingError(DefinitionUnusableError):
    """It is not in the store."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest, "it is not in the store")


class NothingActiveError(Exception):
    """No definitions are active yet; time may heal it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The definition that serves a new run."""

    workflow: Workflow
    revision: str
    why: str


class Catalogue:
    """Reads definitions through a cache; active bundles are looked up again after
    `refresh_seconds`.
    """

    def __init__(
        self, store: DefinitionStore, load: LoadWorkflow, *, refresh_seconds: float = 0.5
    ) -> None:
        self._store = store
        self._load = load
        self._refresh_seconds = refresh_seconds
        self._cached: OrderedDict[str, Workflow] = OrderedDict()
        self._active: tuple[ActiveBundle, ...] = ()
        self._looked_up = float("-inf")

    async def workflow(self, digest: str) -> Workflow:
        """The compiled definition.

        Raises:
            DefinitionUnusableError: it is not in the store, or not as it was.
        """
        cached = self._cached.get(digest)
        if cached is not None:
            self._cached.move_to_end(digest)
            return cached
        document = await self._store.get(Digest(digest))
        if document is None:
            raise DefinitionMissingError(digest)
        workflow = self._load(Digest(digest), document)
        self._cached[digest] = workflow
        while len(self._cached) > _MOST_CACHED:
            self._cached.popitem(last=False)
        return workflow

    async def active(self) -> tuple[ActiveBundle, ...]:
        """What serves new runs now."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_up >= self._refresh_seconds or not self._active:
            self._active = tuple(await self._store.active())
            self._looked_up = now
        return self._active

    def forget_active(self) -> None:
        """Look the active bundles up again next time."""
        self._looked_up = float("-inf")

    async def choose(
        self, task: Mapping[str, object], name: str | None, *, digest: str | None = None
    ) -> Chosen:
        """The definition for a new run: the one asked for by digest or name, else by the rules.

        Raises:
            NothingActiveError: there are no definitions yet.
            NoRouteError: none fits; the message names what there is.
            UnknownWorkflowError: none of that name is active.
            UnknownDefinitionError: none with that digest was ever stored.
        """
        if digest is not None:
            try:
                workflow = await self.workflow(digest)
            except DefinitionMissingError as error:
                raise UnknownDefinitionError(str(error)) from None
            return Chosen(workflow=workflow, revision="", why="asked for by digest")
        bundles = await self.active()
        if name is not None and not any(name in bundle.digests for bundle in bundles):
            self.forget_active()  # it may have been activated a moment ago
            bundles = await self.active()
        if not any(bundle.digests for bundle in bundles):
            raise NothingActiveError
        choice = _choose(task, name, bundles)
        bundle = next(bundle for bundle in bundles if choice.workflow in bundle.digests)
        workflow = await self.workflow(bundle.digests[choice.workflow])
        return Chosen(workflow=workflow, revision=bundle.revision, why=choice.why)


def _choose(
    task: Mapping[str, object], name: str | None, bundles: tuple[ActiveBundle, ...]
) -> Choice:
    known = sorted({workflow for bundle in bundles for workflow in bundle.digests})
    if name is not None and name in known:
        return Choice(workflow=name, why="asked for by name")
    if name is not None:
        raise UnknownWorkflowError(name, known)
    routes = [route for bundle in bundles for route in routes_from(bundle.routes)]
    return choose_workflow(task, routes, known)


class UnknownDefinitionError(Exception):
    """A task asks for a digest that is not in the store."""


class UnknownWorkflowError(Exception):
    """A task asks for a workflow that is not active."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no active workflow is called {name!r}; there are: {', '.join(known)}")
        self.name = name
        self.known = known
