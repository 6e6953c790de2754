"""PURE. The record of what is active, and whether another one is news."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.core.ids import Digest
from coordinator.definitions import Bundle, Compiled, Match
from coordinator.ports import ActiveBundle


def active_bundle(name: str, revision: str, bundle: Bundle, *, at_ms: int) -> ActiveBundle:
    """The record that makes these definitions serve new runs."""
    workflows = sorted(bundle.workflows.items())
    return ActiveBundle(
        bundle=name,
        digests={workflow: each.workflow.digest for workflow, each in workflows},
        revision=revision,
        routes=[_rule(each, each.match) for _, each in workflows if each.match],
        personas=sorted(bundle.personas),
        activated_ms=at_ms,
    )


def _rule(compiled: Compiled, match: Match) -> Mapping[str, object]:
    """A workflow's `match:` as `core.routing.routes_from` reads it."""
    workflow = compiled.workflow
    words = {"types": match.types, "labels": match.labels, "scopes": match.scopes}
    rule: dict[str, object] = {"workflow": workflow.id}
    rule |= {name: list(given) for name, given in words.items() if given}
    if match.when is not None:
        rule["when"] = match.when.source
        if "env" in match.when.roots:
            rule["env"] = dict(workflow.env)
    return rule


def behaves_like(new: ActiveBundle, old: ActiveBundle) -> bool:
    """Whether new runs would be the same; revisions differ with every commit."""
    return (dict(new.digests), list(new.routes), list(new.personas)) == (
        dict(old.digests),
        [dict(rule) for rule in old.routes],
        list(old.personas),
    )


def changed(new: Mapping[str, Digest], old: Mapping[str, Digest]) -> list[str]:
    """Workflow ids with `+`, `-` or `~` in front."""
    every = sorted({*new, *old})
    signs = {(True, False): "+", (False, True): "-", (True, True): "~"}
    return [
        signs[name in new, name in old] + name for name in every if new.get(name) != old.get(name)
    ]
