"""How containers begin, when enough of them is done, and how they come to their end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple

from coordinator.core.context import RunScope
from coordinator.core.definition import (
    Choose,
    ErrorClass,
    Loop,
    Map,
    OnBranchError,
    OnRest,
    Scope,
)
from coordinator.core.events import Failure
from coordinator.core.expressions import ExpressionError
from coordinator.core.failures import fail
from coordinator.core.jsontext import text_of
from coordinator.core.kept import is_of_phase, keep, let_go
from coordinator.core.places import inside_of
from coordinator.core.settle import another_round, error_of, settle, shut
from coordinator.core.state import NodeState, NodeStatus, ScopeState
from coordinator.core.success import succeed
from coordinator.core.templates import TemplateError
from coordinator.core.turn import CHUNK, Turn, child_path, owner_of


def begun(turn: Turn, state: NodeState) -> NodeState:
    """The state of a container whose next attempt begins."""
    return state._replace(
        status=NodeStatus.RUNNING,
        attempt=state.attempt + 1,
        started_ms=state.started_ms or turn.at_ms,
        reason="",
        verdict=None,
        error=None,
        is_handed_on=False,
    )


def begin_container(turn: Turn, path: str) -> None:
    """Begin an attempt of the container; for a map there is `begin_items`."""
    state = begun(turn, turn.node(path))
    match turn.define(path).primitive:
        case Loop():
            turn.move(
                path,
                state._replace(iteration=state.iteration + 1, iterations_before=state.iteration),
            )
            open_scope(turn, f"{path}#{state.iteration + 1}")
        case Choose() as choose:
            _choose(turn, path, choose, state)
        case _:
            turn.move(path, state)
            open_scope(turn, path)


def _choose(turn: Turn, path: str, choose: Choose, state: NodeState) -> None:
    turn.move(path, state)
    try:
        taken, operands = _branch_taken(choose, RunScope(turn, path))
    except (ExpressionError, TemplateError) as error:
        fail(turn, path, Failure(error_class=ErrorClass.STEP_ERROR, message=str(error)))
        return
    reason = "" if taken >= 0 else "no branch was chosen"
    turn.note(path, state._replace(branch=taken, detail=bounded(operands), reason=reason))
    if taken < 0:
        _end_container(turn, path, path, ScopeState(unsettled=0))
    else:
        open_scope(turn, path)


def _branch_taken(choose: Choose, scope: RunScope) -> tuple[int, Mapping[str, object]]:
    """Which branch runs (-1 none, `len(branches)` the `otherwise`), and what decided it."""
    branches, rest = choose.branches, len(choose.branches) if choose.otherwise else -1
    if choose.on is not None:
        value = choose.on.render(scope)
        said = text_of(value)
        taken = next((at for at, branch in enumerate(branches) if branch.case == said), rest)
        return taken, {"on": value}
    held = (at for at, branch in enumerate(branches) if branch.when and branch.when.truth(scope))
    taken = next(held, rest)
    first = branches[0].when if branches else None
    return taken, first.operands(scope) if first else {}


def open_scope(turn: Turn, scope: str) -> None:
    """Begin a graph: its nodes without dependencies start."""
    graph = turn.graph(scope)
    count = len(graph.nodes) if graph else 0
    turn.scopes[scope] = ScopeState(unsettled=count)
    if count:
        turn.push("children", scope, "0")
    else:
        turn.push("complete", scope)


def open_fallback(turn: Turn, scope: str) -> None:
    """Begin the steps that run instead of a failed node, unless it was ended meanwhile."""
    state = turn.node(owner_of(scope))
    if state.status is NodeStatus.RUNNING and state.is_handed_on:
        open_scope(turn, scope)


def start_children(turn: Turn, scope: str, begin: int) -> None:
    """Start the scope's nodes without dependencies, some at a time."""
    graph = turn.graph(scope)
    roots = graph.roots if graph and turn.scope(scope) is not None else ()
    for step in roots[begin : begin + CHUNK]:
        turn.push("start", child_path(scope, step))
    if begin + CHUNK < len(roots):
        turn.push("children", scope, str(begin + CHUNK))


def restart(turn: Turn, scope: str, begin: int) -> None:
    """Start what may start in a scope that goes on where it was left, some at a time."""
    graph, tally = turn.graph(scope), turn.scope(scope)
    if graph is None or tally is None:
        return
    for step in islice(graph.nodes, begin, begin + CHUNK):
        state = turn.node(child_path(scope, step))
        if state.status is NodeStatus.PENDING and not state.unsettled:
            turn.push("start", child_path(scope, step))
    if begin + CHUNK < len(graph.nodes):
        turn.push("restart", scope, str(begin + CHUNK))
    elif not tally.unsettled:
        turn.push("complete", scope)


def go_on(turn: Turn, path: str) -> bool:
    """Begin the container where it was left; False where it has to begin over, because it failed
    although nothing in it did.
    """
    state, inside = turn.node(path), inside_of(turn, path)
    tally = turn.scope(inside)
    turn.note(path, state._replace(goes_on=False, is_done=False))
    if tally is None or not (tally.unsettled or state.is_done):
        return False
    turn.move(path, begun(turn, turn.node(path)))
    if isinstance(turn.define(path).primitive, Map):
        turn.push("items" if tally.unsettled else "complete", path)
    else:
        turn.push("restart", inside, "0")
    return True


def doom(turn: Turn, error: Mapping[str, object]) -> None:
    """The run can only fail now: end what is in flight; `undo`, `on_failure` and
    `finally` follow.
    """
    if turn.record.outcome:
        return
    turn.record = turn.record._replace(outcome="failed", error=error)
    shut(turn, "")


def shut_when_decided(turn: Turn, scope: str, tally: ScopeState) -> None:
    """Close the scope as soon as its container's outcome is certain."""
    if tally.is_closed or tally.is_kept or tally.unsettled == 0 or is_of_phase(scope):
        return
    policy = _policy(turn, scope)
    if policy.need is not None:
        is_enough = tally.succeeded >= policy.need
        is_hopeless = tally.succeeded + tally.unsettled < policy.need
        if is_enough and policy.on_rest is OnRest.KEEP and _meets_gate(turn, scope, tally):
            keep(turn, scope)
            succeed(turn, scope, verdict=tally.verdict)
        elif is_enough or is_hopeless:
            shut(turn, scope)
    elif tally.failed and policy.on_branch_error is OnBranchError.FAIL_FAST:
        shut(turn, scope)


class _Policy(NamedTuple):
    """When a scope has had enough: that of a `Scope` or `Map`, and the usual one of all others."""

    need: int | None = None
    on_rest: OnRest = OnRest.CANCEL
    on_branch_error: OnBranchError = OnBranchError.FAIL_FAST


_USUAL: Final = _Policy()


def _policy(turn: Turn, scope: str) -> _Policy:
    primitive = turn.define(owner_of(scope)).primitive
    if scope != owner_of(scope):
        return _USUAL
    if isinstance(primitive, Scope):
        return _Policy(primitive.need, primitive.on_rest, primitive.on_branch_error)
    if isinstance(primitive, Map):
        return _Policy(on_branch_error=primitive.on_branch_error)
    return _USUAL


def complete(turn: Turn, scope: str) -> None:
    """Every node of a container's scope has settled: the container goes on, or comes to its end."""
    owner = owner_of(scope)
    state, tally = turn.node(owner), turn.scope(scope)
    if tally is not None and tally.is_kept:
        let_go(turn, scope)
    elif tally is None or state.status is not NodeStatus.RUNNING:
        return
    elif state.is_cancelling:
        _after_cancelling(turn, owner, state)
    elif _has_failed(turn, scope, tally):
        _fail_container(turn, owner, scope, state)
    else:
        primitive = turn.define(owner).primitive
        if isinstance(primitive, Loop) and scope.startswith(f"{owner}#"):
            _after_iteration(turn, owner, primitive, tally)
        else:
            _end_container(turn, owner, scope, tally)


def _after_cancelling(turn: Turn, owner: str, state: NodeState) -> None:
    turn.note(owner, state._replace(is_cancelling=False, then=""))
    match state.then:
        case "again":
            another_round(turn, owner)
        case "skipped":
            settle(turn, owner, NodeStatus.SKIPPED)
        case _:
            settle(turn, owner, NodeStatus.CANCELLED, reason="cancelled")


def _has_failed(turn: Turn, scope: str, tally: ScopeState) -> bool:
    policy = _policy(turn, scope)
    if policy.need is not None:
        ran = tally.succeeded + tally.failed + tally.cancelled > 0
        return ran and tally.succeeded < policy.need
    if policy.on_branch_error is OnBranchError.IGNORE:
        return False
    return tally.failed > 0


def _fail_container(turn: Turn, owner: str, scope: str, state: NodeState) -> None:
    error = state.error or error_of(ErrorClass.STEP_ERROR, "too few of its steps succeeded")
    failure = Failure(
        error_class=str(error["class"]),
        message=str(error["message"]),
        retryable=_may_retry(owner, scope),
    )
    fail(turn, owner, failure, origin=str(error.get("node", "")))


def _may_retry(owner: str, scope: str) -> bool | None:
    """A fallback is the last resort: when it fails, retries are used up."""
    return False if scope == f"{owner}/fallback" else None


def _after_iteration(turn: Turn, owner: str, loop: Loop, tally: ScopeState) -> None:
    state = turn.node(owner)
    try:
        is_done = loop.until is not None and loop.until.truth(
            RunScope(turn, f"{owner}#{state.iteration}/")
        )
    except ExpressionError as error:
        fail(turn, owner, Failure(error_class=ErrorClass.STEP_ERROR, message=str(error)))
        return
    allowed = state.iterations_before + loop.max_iterations
    if is_done or (loop.until is None and state.iteration >= allowed):
        _end_container(turn, owner, f"{owner}#{state.iteration}", tally)
    elif state.iteration >= allowed:
        message = (
            f"after {state.iteration} iterations still not: {loop.until and loop.until.source}"
        )
        fail(turn, owner, Failure(error_class=ErrorClass.EXHAUSTED, message=message))
    else:
        turn.note(owner, state._replace(iteration=state.iteration + 1))
        open_scope(turn, f"{owner}#{state.iteration + 1}")


def _end_container(turn: Turn, owner: str, scope: str, tally: ScopeState) -> None:
    verdict = tally.verdict
    if not _meets_gate(turn, owner, tally):
        gate = turn.define(owner).gate
        message = f"the verdict is {verdict or 'missing'}, and it has to be {gate}"
        turn.note(owner, turn.node(owner)._replace(verdict=verdict))
        may = _may_retry(owner, scope)
        fail(turn, owner, Failure(error_class=ErrorClass.GATE, message=message, retryable=may))
        return
    succeed(turn, owner, verdict=verdict)


def _meets_gate(turn: Turn, owner: str, tally: ScopeState) -> bool:
    gate = turn.define(owner).gate
    return gate is None or tally.verdict == gate


def bounded(operands: Mapping[str, object]) -> dict[str, object]:
    """Operand values small enough to keep with the node."""
    return {
        name: value if isinstance(value, bool | int | float | None) else str(value)[:200]
        for name, value in islice(operands.items(), 20)
    }
