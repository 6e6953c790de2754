"""Which step types there are: the built-in ones, and those of installed plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from coordinator.core.definition import Ask, Channel
from coordinator.core.lowering import Need, Parts, StepType
from coordinator.core.templates import compile_value
from coordinator.plugin import WorkflowStep
from steps.conditional import CONDITIONAL
from steps.foreach import FOREACH
from steps.git_operation import GIT_OPERATION
from steps.human import HUMAN
from steps.parallel import PARALLEL
from steps.persona_request import PERSONA_REQUEST
from steps.repeat import REPEAT
from steps.set import SET
from steps.switch import SWITCH
from steps.wait import WAIT
from steps.workflow import WORKFLOW

GROUP: Final = "coordinator.steps"

BUILT_IN: Final = (
    PERSONA_REQUEST,
    GIT_OPERATION,
    CONDITIONAL,
    SWITCH,
    PARALLEL,
    FOREACH,
    REPEAT,
    HUMAN,
    WAIT,
    SET,
    WORKFLOW,
)


class PluginError(Exception):
    """An installed plugin cannot be used; uninstall it or correct its package."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the step plugin {name!r} cannot be used: {reason}")
        self.name = name


def step_types(plugins: Iterable[EntryPoint] | None = None) -> Mapping[str, StepType]:
    """Every step type by its name; without `plugins`, those that are installed.

    Raises:
        PluginError: a plugin cannot be loaded, is no `WorkflowStep`, or takes a name in use.
    """
    found = {each.name: each for each in BUILT_IN}
    for entry in entry_points(group=GROUP) if plugins is None else plugins:
        plugin = plugin_type(_load(entry))
        if plugin.name in found:
            raise PluginError(entry.name, f"there is a step type {plugin.name!r} already")
        found[plugin.name] = plugin
    return found


def plugin_type(step: type[WorkflowStep]) -> StepType:
    """The step type of a `WorkflowStep`: work for its executor, own keys joined with `params`."""
    return StepType(
        name=step.type,
        description=step.description,
        keys=step.parameters,
        lower=partial(_lower_plugin, step.type),
        executor=step,
        result=step.result_schema,
        also_needs=tuple(Need(each) for each in step.needs),
    )


def executors(types: Mapping[str, StepType]) -> Mapping[str, WorkflowStep]:
    """One executor for each type that does work of its own, by the type's name."""
    return {name: each.executor() for name, each in types.items() if each.executor is not None}


def _lower_plugin(name: str, parts: Parts) -> Ask:
    own = {key: value for key, value in parts.own.items() if value is not None}
    return Ask(
        channel=Channel.WORK,
        target=name,
        params=compile_value({**parts.params, **own}),
        timeout=parts.timeout,
        limits=parts.limits,
    )


def _load(entry: EntryPoint) -> type[WorkflowStep]:
    try:
        loaded = entry.load()
    except Exception as error:  # whatever a stranger's module raises
        raise PluginError(entry.name, f"{type(error).__name__}: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, WorkflowStep)):
        raise PluginError(entry.name, "it is no subclass of coordinator.plugin.WorkflowStep")
    if not isinstance(getattr(loaded, "type", None), str) or not hasattr(loaded, "parameters"):
        raise PluginError(entry.name, "it has no `type` or no `parameters`")
    unknown = sorted(set(loaded.needs) - set(Need))
    if unknown:
        raise PluginError(entry.name, f"its `needs` may be {', '.join(Need)}; not {unknown[0]}")
    return loaded
