"""Step types: the built-in ones and plugins come through the same door."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from coordinator.core.definition import Ask, Channel
from coordinator.core.lowering import StepType
from coordinator.definitions import Compiled, Fault, Personas, compile_file, load_document
from coordinator.plugin import WorkflowContext, WorkflowStep, WorkflowStepResult
from steps.registry import BUILT_IN, PluginError, executors, plugin_type, step_types


class DeployKeys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    target: str
    region: str | None = None
    size: int = 1


class Deploy(WorkflowStep):
    type: ClassVar[str] = "deploy"
    description: ClassVar[str] = "Put a version somewhere."
    parameters: ClassVar[Any] = DeployKeys

    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        return WorkflowStepResult(result={"at": context.params["target"]}, verdict="pass")


class Impostor(Deploy):
    type: ClassVar[str] = "parallel"


class Unnamed(WorkflowStep):
    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        return WorkflowStepResult()


not_a_step = 3


def entry(name: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{__name__}:{name}", group="coordinator.steps")


def compiled(step: str, types: dict[str, StepType]) -> tuple[Compiled | None, list[Fault]]:
    text = f"name: w\nversion: '1.0.0'\nsteps:\n  - {step}\n"
    return compile_file("w.yml", text, step_types=types, personas=Personas(has_folder=False))


def test_the_built_in_types_have_names_and_descriptions() -> None:
    assert list(step_types([])) == [
        "persona-request", "git-operation", "conditional", "switch", "parallel", "foreach",
        "repeat", "human", "wait", "set", "workflow",
    ]  # fmt: skip
    assert all(each.description.endswith(".") for each in BUILT_IN)


def test_types_that_do_work_bring_an_executor_of_their_own_name() -> None:
    found = executors(step_types([entry("Deploy")]))

    assert {name: each.type for name, each in found.items()} == {
        "git-operation": "git-operation",
        "deploy": "deploy",
    }


def test_a_plugins_keys_are_checked_and_become_params_of_work_for_its_executor() -> None:
    types = dict(step_types([entry("Deploy")]))
    found, faults = compiled(
        "{id: a, type: deploy, target: '{{ task.env }}', params: {x: 1}}", types
    )

    assert faults == []
    assert found is not None
    primitive = found.workflow.nodes["a"].primitive
    assert isinstance(primitive, Ask)
    assert (primitive.channel, primitive.target) == (Channel.WORK, "deploy")
    assert primitive.params.render({"task": {"env": "prod"}}) == {
        "target": "prod",
        "size": 1,
        "x": 1,
    }
    assert (
        load_document(found.workflow.digest, found.document, step_types=types)[0] == found.workflow
    )


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("{id: a, type: deploy}", "WF021"),
        ("{id: a, type: deploy, target: 3}", "WF022"),
        ("{id: a, type: deploy, target: x, regoin: y}", "WF020"),
        ("{id: a, type: deploi, target: x}", "WF031"),
    ],
)
def test_a_plugins_bad_keys_are_faults_like_all_others(step: str, rule: str) -> None:
    found, faults = compiled(step, dict(step_types([entry("Deploy")])))

    assert found is None
    assert [fault.rule for fault in faults] == [rule]


@pytest.mark.parametrize("name", ["Impostor", "Unnamed", "not_a_step", "missing"])
def test_a_plugin_that_cannot_be_used_is_named(name: str) -> None:
    with pytest.raises(PluginError) as refused:
        step_types([entry(name)])

    assert refused.value.name == name


async def test_a_plugin_executes() -> None:
    context = WorkflowContext(
        run="r", node="a", attempt=1, workflow="w", task={}, params={"target": "x"}
    )
    step = plugin_type(Deploy).executor
    assert step is not None

    assert await step().execute(context) == WorkflowStepResult(result={"at": "x"}, verdict="pass")
