"""Which workflow a task runs when nobody named one.

The `match:` rules of the active workflows are asked first, in the order of the workflows' ids; a
rule that asks for nothing comes after all that ask for something. Where none fits, the kind of task
decides:

| task                                                   | workflow, if it is active |
|--------------------------------------------------------|---------------------------|
| type is the id of a workflow                           | that one                  |
| type `hotfix`                                          | `hotfix`                  |
| type `feature` or `enhancement`, or scope `large`      | `feature`                 |
| type `analysis`, `context` or `understand`             | `context-only`            |
| anything else, and where the one above is not active   | `project-loop`            |
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.core.expressions import Expression, ExpressionError, compile_expression

_FEATURES: Final = frozenset({"feature", "enhancement"})
_ANALYSES: Final = frozenset({"analysis", "context", "understand"})
_FALLBACK: Final = "project-loop"


class NoRouteError(Exception):
    """No active workflow is for this task; the message names those that are active."""

    def __init__(self, message: str, *, workflows: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.workflows = tuple(workflows)


class BadRouteError(NoRouteError):
    """A stored rule cannot be read or evaluated; the repository it came from has to be fixed."""

    def __init__(self, workflow: str, why: str) -> None:
        super().__init__(f"the match rule of {workflow!r} {why}; correct it in the workflow's file")
        self.workflow = workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which tasks a workflow is for. All that is asked for must hold; empty asks for nothing."""

    workflow: str
    types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """One of them is enough."""
    scopes: tuple[str, ...] = ()
    when: Expression | None = None
    env: Mapping[str, object] = field(default_factory=dict)
    """What `when` may read as `env`."""

    @property
    def is_open(self) -> bool:
        """Whether it takes every task."""
        return not (self.types or self.labels or self.scopes or self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A workflow, and why it was chosen, as a sentence for people."""

    workflow: str
    why: str


def routes_from(rules: Iterable[Mapping[str, object]]) -> tuple[Route, ...]:
    """Stored rules `{workflow, types, labels, scopes, when}` in the order in which they are asked.

    Raises:
        BadRouteError: one of them is none.
    """
    routes = [_route(rule) for rule in rules]
    return tuple(sorted(routes, key=lambda route: (route.is_open, route.workflow)))


def choose_workflow(
    task: Mapping[str, object],
    routes: Iterable[Route],
    workflows: Collection[str],
) -> Choice:
    """The workflow among `workflows` for a normalised task.

    Raises:
        NoRouteError: none is for it.
        BadRouteError: the rule that would decide cannot be evaluated.
    """
    for route in routes:
        if route.workflow in workflows and (why := _matched(route, task)):
            return Choice(workflow=route.workflow, why=why)
    return _by_kind(task, workflows)


def _matched(route: Route, task: Mapping[str, object]) -> str:
    """Why the rule takes the task; empty if it does not."""
    if route.is_open:
        return f"The match rule of {route.workflow} takes every task."
    why = []
    for name, wanted in (("type", route.types), ("scope", route.scopes)):
        if wanted and task.get(name) not in wanted:
            return ""
        if wanted:
            why.append(f"the {name} is {task.get(name)}")
    labels = task.get("labels")
    shared = [each for each in route.labels if isinstance(labels, list | tuple) and each in labels]
    if route.labels and not shared:
        return ""
    if shared:
        why.append(f"it has the label {shared[0]}")
    if route.when is not None:
        if not _holds(route, route.when, {"task": task, "env": route.env}):
            return ""
        why.append(f"{route.when.source} holds")
    return f"The match rule of {route.workflow} takes it: {', '.join(why)}."


def _holds(route: Route, when: Expression, scope: Mapping[str, object]) -> bool:
    try:
        return when.truth(scope)
    except ExpressionError as error:
        raise BadRouteError(route.workflow, f"cannot be evaluated ({error})") from None


def _by_kind(task: Mapping[str, object], workflows: Collection[str]) -> Choice:
    kind, scope = task.get("type"), task.get("scope")
    for workflow, why in _candidates(kind, scope):
        if workflow in workflows:
            return Choice(workflow=workflow, why=f"No match rule takes it, and {why}.")
    known = sorted(workflows)
    there = f"there are: {', '.join(known)}" if known else "there are none"
    raise NoRouteError(
        f"no workflow is for a task of type {kind!r} and scope {scope!r}; {there}. Name one of "
        "them with the task, or add a match rule to one",
        workflows=known,
    )


def _candidates(kind: object, scope: object) -> Iterable[tuple[str, str]]:
    if isinstance(kind, str):
        yield kind, f"its type {kind} is the name of a workflow"
    if kind in _FEATURES or (scope == "large" and kind != "hotfix"):
        yield "feature", f"type {kind} of scope {scope} is for feature"
    if kind in _ANALYSES:
        yield "context-only", f"type {kind} is for context-only"
    yield _FALLBACK, f"{_FALLBACK} is for all other tasks"


# -- stored rules -------------------------------------------------------------------------------


def _route(rule: Mapping[str, object]) -> Route:
    workflow, when, env = rule.get("workflow"), rule.get("when"), rule.get("env")
    if not isinstance(workflow, str) or not isinstance(when, str | None):
        raise BadRouteError(str(workflow)[:80], "cannot be read")
    try:
        compiled = compile_expression(when) if when else None
    except ExpressionError as error:
        raise BadRouteError(workflow, f"cannot be read ({error})") from None
    return Route(
        workflow=workflow,
        types=_words(rule, "types", workflow),
        labels=_words(rule, "labels", workflow),
        scopes=_words(rule, "scopes", workflow),
        when=compiled,
        env=env if isinstance(env, Mapping) else {},
    )


def _words(rule: Mapping[str, object], name: str, workflow: str) -> tuple[str, ...]:
    words = rule.get(name) or ()
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise BadRouteError(workflow, f"cannot be read ({name} is no list of words)")
    return tuple(words)
