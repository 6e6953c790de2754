"""What a step type says of itself agrees with what it does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jsonschema import Draft202012Validator, ValidationError
from pydantic import BaseModel, ConfigDict

from coordinator.core.definition import Ask, Workflow
from coordinator.core.lowering import Need, StepType
from coordinator.definitions.check import fields_of
from coordinator.definitions.manifest import manifest, primitive_of
from coordinator.definitions.models import StepKeys
from coordinator.definitions.schema_json import workflow_schema
from coordinator.plugin import WorkflowContext, WorkflowStep, WorkflowStepResult
from steps.git_operation import OPERATIONS, GitOperation
from steps.registry import BUILT_IN, PluginError, plugin_type, step_types
from tests.cli.conftest import Shell, shell
from tests.definitions.corpus import compiled
from tests.steps.test_git_operation import context, origin

__all__ = ["origin", "shell"]

TYPES = step_types([])
HERE = Path(__file__).parent
EXAMPLES = {
    "persona-request": "persona: worker",
    "git-operation": "operation: push",
    "conditional": "condition: 'true', then_steps: [{id: b, persona: worker}]",
    "parallel": "steps: [{id: b, persona: worker}]",
    "repeat": "max_iterations: 2, steps: [{id: b, persona: worker}]",
    "human": "form: {why: text}",
}


class DeployKeys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    target: str


class Deploy(WorkflowStep):
    type: ClassVar[str] = "deploy"
    description: ClassVar[str] = "Put a version somewhere."
    parameters: ClassVar[Any] = DeployKeys
    result_schema: ClassVar[dict[str, Any]] = {"type": "object", "required": ["at"]}
    needs: ClassVar[tuple[str, ...]] = ("repository",)

    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        return WorkflowStepResult(result={"at": 1})


class Needy(Deploy):
    needs: ClassVar[tuple[str, ...]] = ("money",)


def of(name: str) -> dict[str, Any]:
    return manifest(TYPES[name], is_built_in=True)


def workflow_of(step_type: str) -> Workflow:
    keys = EXAMPLES[step_type]
    return compiled(
        f"name: w\nversion: '1.0.0'\nsteps:\n  - {{id: a, type: {step_type}, {keys}}}\n"
    ).workflow


@pytest.mark.parametrize("step_type", BUILT_IN, ids=lambda each: each.name)
def test_each_type_tells_everything_and_its_schemas_are_schemas(step_type: StepType) -> None:
    about = manifest(step_type, is_built_in=True)

    assert about["description"].endswith(".")
    assert about["outputs"]["result"]
    assert about["inputs"]["keys"] == [each["name"] for each in about["keys"]]
    assert all(each["description"] for each in about["keys"])
    for described in (about["schema"], about["common_schema"]):
        assert all(each.get("description") for each in described["properties"].values())
    assert about["outputs"]["verdict"] is step_type.has_verdict
    assert set(about["requirements"]) <= {each.value for each in Need}
    assert set(about["schema"]["properties"]) == set(fields_of(step_type.keys))
    assert set(about["common_schema"]["properties"]) == set(fields_of(StepKeys))
    by = about["outputs"].get("result_by", {}).get("operation", {})
    for schema in (
        about["schema"],
        about["common_schema"],
        about["outputs"]["result"],
        *by.values(),
    ):
        Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(about)) == about


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_step_becomes_the_primitive_that_its_manifest_names(name: str) -> None:
    primitive = workflow_of(name).nodes["a"].primitive

    assert type(primitive) is primitive_of(TYPES[name])
    assert of(name)["primitive"] == type(primitive).__name__.lower()
    assert (of(name)["inputs"]["params"] is not None) == isinstance(primitive, Ask)


def test_requirements_say_what_has_to_be_there() -> None:
    assert {name: of(name)["requirements"] for name in TYPES} == {
        "persona-request": ["persona"],
        "git-operation": ["executor", "git", "repository"],
        "conditional": [],
        "switch": [],
        "parallel": [],
        "foreach": [],
        "repeat": [],
        "human": ["human"],
        "wait": [],
        "set": [],
        "workflow": [],
    }


def test_the_own_schema_accepts_what_the_compiler_accepts() -> None:
    schema = of("repeat")["schema"]
    Draft202012Validator(schema).validate({"steps": [{"id": "b"}], "max_iterations": 2})
    for wrong in ({"steps": []}, {"steps": [], "max_iterations": 0}, {"stepps": []}):
        with pytest.raises(ValidationError):
            Draft202012Validator(schema).validate(wrong)


def test_a_type_whose_lowering_is_not_annotated_is_named() -> None:
    with pytest.raises(TypeError, match="repeat"):
        primitive_of(replace(TYPES["repeat"], lower=lambda parts: parts))


def test_a_plugin_has_a_manifest_of_the_same_form() -> None:
    about = manifest(plugin_type(Deploy), is_built_in=False)

    assert set(about) == set(of("human"))
    assert (about["source"], about["primitive"], about["runs_in"]) == (
        "plugin",
        "ask",
        "coordinator",
    )
    assert about["requirements"] == [Need.EXECUTOR, Need.REPOSITORY]
    assert about["outputs"]["result"] == Deploy.result_schema
    assert about["schema"]["required"] == ["target"]


def test_a_plugin_that_needs_what_nobody_knows_is_refused() -> None:
    entry = EntryPoint(name="needy", value=f"{__name__}:Needy", group="coordinator.steps")
    with pytest.raises(PluginError, match="money"):
        step_types([entry])


# git


PATCH = """\
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+hello
"""
STORY: tuple[tuple[str, dict[str, object]], ...] = (
    ("push", {}),
    ("merge", {}),
    ("checkout-branch", {"branch": "feat/x"}),
    ("apply-patch", {}),
    ("commit", {"message": "one"}),
    ("commit", {"message": "nothing"}),
    ("diff", {}),
    ("rebase", {}),
    ("sync", {}),
    ("push", {}),
    ("tag", {"name": "v1"}),
    ("merge", {}),
    ("finalize", {}),
    ("rollback", {}),
)


async def test_each_git_operation_returns_what_its_manifest_says(
    tmp_path: Path, origin: Path
) -> None:
    results = of("git-operation")["outputs"]["result_by"]["operation"]
    seen = set()
    files: dict[str, object] = {}
    for number, (operation, params) in enumerate([("prepare", {}), *STORY]):
        asked = context(tmp_path, origin, operation=operation, **params)
        known = {**(asked.files or {}), **files}
        patch = None
        if operation == "apply-patch":
            patch = {"base": files["revision"], "diff": PATCH}
        asked = replace(asked, node=f"n{number}", files=known, may_push=True, patch=patch)
        done = await GitOperation().execute(asked)
        files |= dict(done.files or {})
        if operation in results:
            seen.add(operation)
            Draft202012Validator(results[operation]).validate(done.result)
            Draft202012Validator(of("git-operation")["outputs"]["result"]).validate(done.result)

    assert seen == set(OPERATIONS)


def test_the_params_of_each_git_operation_are_told() -> None:
    by = of("git-operation")["inputs"]["params_by"]["operation"]
    assert by == {name: list(params) for name, params in OPERATIONS.items()}


# In editors


WRONG = """\
name: w
version: "1.0.0"
steps:
  - {id: a, persona: p, timeuot: 5}
  - {id: b, persona: p, join: alll}
  - {id: c, type: git-operation, operation: mrege}
  - {id: d, type: git-operation, operation: push, params: {force: true}}
  - {id: e, type: parallel, steps: [{id: f, persona: p, on_error: explode}]}
"""
CHECKER = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent)) or ""


def test_an_independent_checker_marks_each_typo_and_each_wrong_word(shell: Shell) -> None:
    shell.write("schema.json", shell("schema", "workflow").out)
    shell.write("wrong.yml", WRONG)
    argv = [CHECKER, "--schemafile", "schema.json", "-o", "json", "--verbose"]
    told = subprocess.run(
        [*argv, "wrong.yml"], cwd=shell.folder, capture_output=True, check=False, text=True
    )

    assert told.returncode == 1, told.stderr
    marked = {error["path"]: error["message"] for error in json.loads(told.stdout)["errors"]}
    assert "'timeuot' was unexpected" in marked["$.steps[0]"]
    assert "'alll' is not one of" in marked["$.steps[1].join"]
    assert "'mrege' is not one of" in marked["$.steps[2].operation"]
    assert "'force' is not one of ['branch']" in marked["$.steps[3].params"]
    assert any(path.startswith("$.steps[4].steps[0].on_error") for path in marked)
    assert len(marked) == 5


def test_an_independent_checker_accepts_a_file_that_is_right(shell: Shell) -> None:
    shell.write("schema.json", json.dumps(workflow_schema(TYPES)))
    text = (HERE.parent / "definitions/good/everything.yml").read_text()
    shell.write("right.yml", text)
    told = subprocess.run(
        [CHECKER, "--schemafile", "schema.json", "right.yml"],
        cwd=shell.folder,
        capture_output=True,
        check=False,
        text=True,
    )

    assert told.returncode == 0, told.stdout


def test_the_command_shows_the_manifest(shell: Shell) -> None:
    for name in TYPES:
        assert shell("steps", "show", name, "-o", "json").json == of(name)
    text = shell("steps", "show", "git-operation").out
    assert "operation diff: params max_bytes" in text
    assert "lowers to ask; needs executor, git, repository" in text


OUTPUTS = """\
name: w
version: "1.0.0"
steps:
  - {id: asked, type: human, form: {why: text}}
  - id: both
    type: parallel
    dependencies: [asked]
    steps: [{id: left, persona: p}, {id: right, persona: p, on_error: continue}]
  - id: either
    type: conditional
    condition: "asked.verdict == 'pass'"
    then_steps: [{id: then, persona: p}]
    else_steps: [{id: other, persona: p}]
  - {id: often, type: repeat, max_iterations: 1, steps: [{id: inner, persona: p}]}
outputs:
  human: "{{ asked.result }}"
  parallel: "{{ both.result }}"
  conditional: "{{ either.result }}"
  repeat: "{{ often.result }}"
"""
SCRIPT = """\
replies: {both/right: {error: persona_error}, "*": {result: {n: 1}}}
signals: [{at: 1m, approve: asked, by: ann, values: {why: because}}]
"""


def test_what_steps_leave_is_what_their_manifests_say(shell: Shell) -> None:
    shell.write("w.yml", OUTPUTS)
    shell.write("task.json", "{}")
    shell.write("script.yml", SCRIPT)

    told = shell("simulate", "w.yml", "--task", "task.json", "--replies", "script.yml").json

    assert told["status"] == "succeeded"
    for name, result in told["outputs"].items():
        Draft202012Validator(of(name)["outputs"]["result"]).validate(result)
    assert told["outputs"]["human"]["answer"] == "approve"
    assert told["outputs"]["parallel"] == {"left": {"n": 1}, "right": None}
    assert told["outputs"]["conditional"] == {"then": {"n": 1}}
