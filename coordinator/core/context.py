"""What expressions and templates can see of a run, as read-only views that are built when looked
at.

Nothing is copied: `steps.qa.verdict` costs the lookups it names, however large the run is. A name
that leads nowhere is a missing key, which a condition reads as null and a template refuses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from coordinator.core.artifacts import artifacts_of
from coordinator.core.definition import Loop, Map, Node
from coordinator.core.places import (
    OUTPUTS,
    RunReader,
    container_graph,
    item_around,
    item_scopes,
    iteration_of,
    locate,
)
from coordinator.core.state import NodeState, NodeStatus

ROOTS: Final = frozenset(
    {
        "task", "params", "variables", "state", "steps", "artifacts", "run", "env", "context",
        "item", "index", "iteration",
    }
)  # fmt: skip
"""The names that are always in scope; parameters and step ids come after them."""


class _View(Mapping[str, object]):
    """A mapping whose keys are known and whose values are made when asked for."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    @abstractmethod
    def _keys(self) -> list[str]:
        """The keys there are now."""


class RunScope(_View):
    """The names in scope for whoever sits at `reader_path` of a run."""

    __slots__ = ("_path", "_run")

    def __init__(self, run: RunReader, reader_path: str = "") -> None:
        self._run = run
        self._path = reader_path

    def __getitem__(self, name: str) -> object:
        maker = _MAKERS.get(name)
        if maker is not None:
            return maker(self._run, self._path)
        if name in self._run.definition.item_names:
            around = item_around(self._run, self._path, name)
            if around is not None:
                return around.item
        if name in self._run.head.params:
            return self._run.head.params[name]
        return StepsView(self._run, self._path)[name]

    def _keys(self) -> list[str]:
        definition = self._run.definition
        names = [*ROOTS, *definition.item_names, *self._run.head.params, *definition.names]
        return sorted(set(names))


class StepsView(_View):
    """`steps`: by id, with dashes or underscores."""

    __slots__ = ("_path", "_run")

    def __init__(self, run: RunReader, reader_path: str) -> None:
        self._run = run
        self._path = reader_path

    def __getitem__(self, name: str) -> NodeView:
        path = locate(self._run, name, self._path)
        if path is None:
            raise KeyError(name)
        return NodeView(self._run, path)

    def _keys(self) -> list[str]:
        return sorted(self._run.definition.names)


class NodeView(_View):
    """One step: `outcome, verdict, result, error, attempts, status, outputs`, then the keys of its
    outputs, then those of its result.

    `result` is missing where there is none to read: before the step settled, and where it was
    skipped, cancelled, or failed.
    """

    __slots__ = ("_path", "_run")

    def __init__(self, run: RunReader, path: str) -> None:
        self._run = run
        self._path = path

    def __getitem__(self, name: str) -> object:
        state = self._run.find(self._path)
        if name in ("result", "output"):
            return self._result(state)
        if name in _NODE_KEYS:
            return _node_fact(name, state)
        result = self._result(state)
        outputs = self._run.result(self._path + OUTPUTS)
        if isinstance(outputs, Mapping):
            if name == "outputs":
                return outputs
            if name in outputs:
                return outputs[name]
        if isinstance(result, Mapping):
            return result[name]
        raise KeyError(name)

    def _result(self, state: NodeState | None) -> object:
        if state is None or state.status is not NodeStatus.SUCCEEDED:
            raise KeyError("result")
        return result_of(self._run, self._path)

    def _keys(self) -> list[str]:
        state = self._run.find(self._path)
        has_result = state is not None and state.status is NodeStatus.SUCCEEDED
        return [*_NODE_KEYS, "result"] if has_result else list(_NODE_KEYS)


class StateView(_View):
    """`state`: what the workflow set, then `<step>_status` and `<step>_result` of settled steps."""

    __slots__ = ("_path", "_run")

    def __init__(self, run: RunReader, reader_path: str) -> None:
        self._run = run
        self._path = reader_path

    def __getitem__(self, name: str) -> object:
        own = self._run.value(name)
        if own is not None:
            return own
        step, _, what = name.rpartition("_")
        if what not in ("status", "result"):
            raise KeyError(name)
        path = locate(self._run, step, self._path)
        state = self._run.find(path) if path else None
        if path is None or state is None or not state.status.is_settled:
            raise KeyError(name)
        if what == "status":
            return state.verdict or state.status.value
        return NodeView(self._run, path)["result"]

    def _keys(self) -> list[str]:
        keys = set(self._run.value_names())
        for name in self._run.definition.names:
            path = locate(self._run, name, self._path)
            state = self._run.find(path) if path else None
            if state is not None and state.status.is_settled:
                keys.add(f"{name}_status")
                if state.status is NodeStatus.SUCCEEDED:
                    keys.add(f"{name}_result")
        return sorted(keys)


class ContextView(_View):
    """`context`: the names that the older system's workflows use."""

    __slots__ = ("_path", "_run")

    def __init__(self, run: RunReader, reader_path: str) -> None:
        self._run = run
        self._path = reader_path

    def __getitem__(self, name: str) -> object:
        maker = _CONTEXT.get(name)
        if maker is None:
            raise KeyError(name)
        return maker(self._run, self._path)

    def _keys(self) -> list[str]:
        return sorted(_CONTEXT)


_NODE_KEYS: Final = ("attempts", "error", "outcome", "status", "verdict")


def _node_fact(name: str, state: NodeState | None) -> object:
    if state is None:
        return None
    match name:
        case "outcome":
            return state.status.value if state.status.is_settled else None
        case "status":
            return state.verdict or state.status.value
        case "verdict":
            return state.verdict
        case "attempts":
            return state.attempt
        case _:
            return dict(state.error) if state.error is not None else None


def result_of(run: RunReader, path: str) -> object:
    """What a settled node returned; of a container, its children's results by id, and of a map
    the list of those, in item order.

    A child that did not succeed is null there, and so is an item of which a step failed.
    """
    node = run.definition.node(path)
    if node is not None and isinstance(node.primitive, Map):
        return [_item_result(run, scope, node.primitive) for scope in item_scopes(run, path)]
    graph_nodes = None if node is None else _children(run, node, path)
    if graph_nodes is None:
        return run.result(path)
    return _by_child(run, *graph_nodes)


def _item_result(run: RunReader, scope: str, each: Map) -> object:
    states = (run.find(f"{scope}/{step}") for step in each.graph.nodes)
    if any(state is not None and state.has_failed for state in states):
        return None
    return _by_child(run, scope, each.graph.nodes)


def _by_child(run: RunReader, scope: str, children: Mapping[str, Node]) -> dict[str, object]:
    collected: dict[str, object] = {}
    for step in children:
        child = f"{scope}/{step}"
        state = run.find(child)
        succeeded = state is not None and state.status is NodeStatus.SUCCEEDED
        collected[step] = result_of(run, child) if succeeded else None
    return collected


def _children(run: RunReader, node: Node, path: str) -> tuple[str, Mapping[str, Node]] | None:
    graph = container_graph(run, path, node)
    if graph is None:
        return None
    if isinstance(node.primitive, Loop):
        state = run.find(path)
        return f"{path}#{state.iteration if state else 0}", graph.nodes
    return path, graph.nodes


def _index(run: RunReader, path: str) -> object:
    around = item_around(run, path)
    if around is None:
        raise KeyError("index")
    return around.number


_Maker = Callable[[RunReader, str], object]


_RUN_FACTS: Final[Mapping[str, Callable[[RunReader], object]]] = {
    "workflow": lambda run: run.head.workflow,
    "version": lambda run: run.head.version,
    "digest": lambda run: run.head.digest,
    "revision": lambda run: run.head.revision,
    "created_ms": lambda run: run.head.created_ms,
    "status": lambda run: run.record.status.value,
    "error": lambda run: dict(run.record.error) if run.record.error else None,
}
RUN_KEYS: Final = frozenset(_RUN_FACTS)
"""What `run` has."""


def _run_facts(run: RunReader, _path: str) -> object:
    return {name: fact(run) for name, fact in _RUN_FACTS.items()}


_MAKERS: Final[Mapping[str, _Maker]] = {
    "task": lambda run, _: run.head.task,
    "params": lambda run, _: run.head.params,
    "variables": lambda run, _: run.head.variables,
    "env": lambda run, _: run.head.env,
    "artifacts": lambda run, _: artifacts_of(run),
    "state": StateView,
    "steps": StepsView,
    "context": ContextView,
    "run": _run_facts,
    "iteration": lambda _, path: iteration_of(path),
    "index": _index,
}


def _file_fact(key: str) -> _Maker:
    return lambda run, _: (run.record.files or {}).get(key)


_CONTEXT: Final[Mapping[str, _Maker]] = {
    **{
        name: maker
        for names, maker in (
            (("workflowId", "workflow_id"), lambda run, _: run.head.workflow),
            (("repoRoot", "repo_root"), _file_fact("repo")),
            (("branchName", "branch_name"), _file_fact("branch")),
            (("baseBranch", "base_branch"), _file_fact("base_branch")),
            (("gitState", "git_state"), lambda run, _: dict(run.record.files or {})),
            (("dashboardState", "dashboard_state"), lambda _run, _: {}),
            (("personaResults", "persona_results"), lambda run, path: StepsView(run, path)),
        )
        for name in names
    },
    "task": lambda run, _: run.head.task,
    "milestone": lambda run, _: run.head.task.get("milestone"),
    "params": lambda run, _: run.head.params,
    "variables": lambda run, _: run.head.variables,
    "artifacts": lambda run, _: artifacts_of(run),
    "state": StateView,
    "steps": StepsView,
}
