"""`graph`, `eval`, `simulate`, `schema`, `steps`, `config`, `init`: no server."""

from __future__ import annotations

import json
import os
import shlex

import pytest
import yaml

from tests.cli.conftest import GATE, Shell

GOOD = """\
name: Two Steps
version: "1.0.0"
steps:
  - {id: first, type: persona-request, persona: greeter}
  - {id: second, type: persona-request, persona: greeter, params: {said: "{{ first.output }}"}}
  - id: side
    type: parallel
    dependencies: [second]
    steps:
      - {id: left, type: persona-request, persona: greeter}
      - {id: right, type: git-operation, operation: commit, dependencies: [left]}
"""
TYPO = GOOD.replace("dependencies: [second]", "dependencies: [secnd]")
GREETER = "{name: greeter, kind: command, command: [echo, hello]}"


# graph


def test_the_json_of_graph_has_nodes_and_kinds_of_edges(shell: Shell) -> None:
    shell.write("workflows/good.yml", GOOD)
    done = shell("graph", "good", "--format", "json")
    assert done.code == 0
    assert done.json["workflow"] == "two-steps"
    nodes = {node["id"]: (node["type"], node["persona"]) for node in done.json["nodes"]}
    assert nodes["first"] == ("persona-request", "greeter")
    assert nodes["right"] == ("git-operation", None)
    edges = {(edge["from"], edge["to"]): edge["kind"] for edge in done.json["edges"]}
    assert edges == {
        ("first", "second"): "reference",
        ("second", "side"): "dependency",
        ("side", "left"): "contains",
        ("side", "right"): "contains",
        ("left", "right"): "dependency",
    }


def test_mermaid_draws_references_dotted_and_containers_as_subgraphs(shell: Shell) -> None:
    shell.write("good.yml", GOOD)
    text = shell("graph", "good.yml").out
    assert text.startswith("flowchart TD\n")
    assert "s_first -.-> s_second" in text
    assert "s_second --> s_side" in text
    assert 'subgraph s_side["side<br/>parallel"]' in text


def test_mermaid_names_the_branches_of_a_choice_and_the_steps_of_the_end(shell: Shell) -> None:
    switch = """\
  - id: way
    type: switch
    on: "{{ task.type }}"
    cases: {bug: [{id: fix, persona: greeter}]}
    default: [{id: other, persona: greeter}]
  - id: urgent
    type: conditional
    condition: "task.priority < 3"
    then_steps: [{id: call, persona: greeter}]
finally: [{id: tell, persona: greeter}]
"""
    shell.write("good.yml", GOOD + switch)
    text = shell("graph", "good.yml").out
    assert 'subgraph s_way["way<br/>switch on {{ task.type }}"]' in text
    assert 'subgraph s_way_0["bug"]\n      s_fix["fix<br/>greeter"]\n    end' in text
    assert 'subgraph s_way_1["otherwise"]' in text
    assert 'subgraph s_urgent_0["task.priority &lt; 3"]' in text
    assert 'subgraph p_finally["finally"]\n    s_tell["tell<br/>greeter"]\n  end' in text


def test_dot_quotes_whatever_a_name_holds(shell: Shell) -> None:
    shell.write("good.yml", GOOD.replace("{id: first,", "{id: first, name: 'say \"hi\"',"))
    text = shell("graph", "good.yml", "--format", "dot").out
    assert text.startswith('digraph "two-steps" {')
    assert r'label="say \"hi\"\ngreeter"' in text


def test_a_faulty_workflow_has_no_graph(shell: Shell) -> None:
    shell.write("typo.yml", TYPO)
    done = shell("graph", "typo.yml")
    assert (done.code, done.out) == (1, "")
    assert "typo.yml:8:20: error" in done.err


# eval

CONTEXT = {
    "task": {"type": "bug", "labels": ["a"]},
    "params": {"branch": "main"},
    "state": {"qa_status": "pass"},
    "steps": {"check-weather": {"verdict": "pass", "result": {"output": "rain", "degrees": 9}}},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("task.type === 'bug' && task.labels.includes('a')", True),
        ("context.state.get('qa_status') === 'pass'", True),
        ("check_weather.result.output contains 'rain'", True),
        ("check_weather.output.degrees", 9),
        ("steps.check_weather.degrees + 1", 10),
        ("branch", "main"),
        ("nobody.knows.this", None),
        ("[1, 'a', null]", [1, "a", None]),
    ],
)
def test_an_expression_is_evaluated_as_in_a_workflow(
    expression: str, value: object, shell: Shell
) -> None:
    done = shell("eval", expression, "--context", "-", input=json.dumps(CONTEXT))
    assert (done.code, done.json) == (0, value)


def test_a_template_keeps_the_type_of_a_whole_value(shell: Shell) -> None:
    shell.write("context.yml", "task: {slug: x, n: 3}")
    assert shell("eval", "--template", "{{ task.n }}", "--context", "context.yml").json == 3
    assert (
        shell("eval", "--template", "f/{{ task.slug }}", "--context", "context.yml").json == "f/x"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "__import__('os')"],
        ["eval", "a = 1"],
        ["eval", "(1"],
        ["eval", "--template", "{{ missing }}"],
        ["eval", "--template", "{% for x in y %}"],
    ],
    ids=" ".join,
)
def test_a_refused_expression_exits_with_one(arguments: list[str], shell: Shell) -> None:
    done = shell(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": NaN}', "\x00", ""])
def test_a_context_that_is_no_object_is_refused(text: str, shell: Shell) -> None:
    done = shell("eval", "1", "--context", "-", input=text)
    assert done.code == 1
    assert "stdin" in done.err


def test_eval_takes_an_expression_or_a_template(shell: Shell) -> None:
    assert shell("eval").code == 2
    assert shell("eval", "1", "--template", "x").code == 2


# simulate


def test_the_json_of_simulate_has_its_shape(shell: Shell) -> None:
    shell.write("good.yml", GOOD)
    done = shell("simulate", "good.yml")
    assert done.code == 0
    assert done.json.keys() >= {
        "status", "virtual_seconds", "nodes", "requests", "outputs", "error",
    }  # fmt: skip
    node = done.json["nodes"][0]
    assert node.keys() >= {"path", "type", "status", "verdict", "attempts", "reason"}
    request = done.json["requests"][0]
    assert request.keys() >= {"at_seconds", "path", "attempt", "persona", "payload"}


@pytest.mark.parametrize(
    ("replies", "code", "status"),
    [
        ("signals: [{at: 10m, approve: release, by: ann, values: {percent: 20}}]", 0, "succeeded"),
        ("signals: [{at: 10m, reject: release}]", 3, "failed"),
        ("signals: [{at: 1m, cancel: run}]", 3, "cancelled"),
        ("replies: {'*': {verdict: pass}}", 8, "waiting"),
    ],
)
def test_the_exit_code_of_simulate_tells_how_the_run_ended(
    replies: str, code: int, status: str, shell: Shell
) -> None:
    shell.write("gate.yml", GATE)
    shell.write("replies.yml", replies)
    done = shell("simulate", "gate.yml", "--replies", "replies.yml")
    assert (done.code, done.json["status"]) == (code, status)


def test_simulate_takes_a_task_params_a_seed_and_an_end(shell: Shell) -> None:
    shell("init")
    shell.write("task.json", '{"id": "T-1", "title": "x"}')
    done = shell("simulate", "hello", "--task", "task.json", "--param", "who=ann", "--seed", "7")
    assert done.json["requests"][0]["payload"]["task"]["id"] == "T-1"
    assert done.json["requests"][0]["payload"]["params"] == {"who": "ann"}
    shell.write("slow.yml", "replies: {greet: {verdict: pass, after: 50s}}")
    ended = shell("simulate", "hello", "--replies", "slow.yml", "--until", "30s")
    assert (ended.code, ended.json["virtual_seconds"]) == (8, 30)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--param", "nope=1"], 'no parameter "nope"'),
        (["--task", "list.json"], "has to be a JSON object"),
        (["--task", "text.json"], "is not JSON"),
        (["--replies", "odd.yml"], "odd"),
        (["--task", "missing.json"], "missing.json: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_simulate_refuses_bad_input(arguments: list[str], told: str, shell: Shell) -> None:
    shell("init")
    shell.write("list.json", "[]")
    shell.write("text.json", "not json")
    shell.write("odd.yml", "replies: {greet: {odd: 1}}")
    done = shell("simulate", "hello", *arguments)
    assert done.code in (1, 5)
    assert told in done.err
    assert "Traceback" not in done.err


# schema, steps, config


@pytest.mark.parametrize("kind", ["workflow", "persona", "scenario", "config"])
def test_schemas_are_json_schemas(kind: str, shell: Shell) -> None:
    schema = shell("schema", kind).json
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"]


def test_a_step_type_says_what_it_takes(shell: Shell) -> None:
    listed = shell("steps", "list", "-o", "json").json
    assert {"persona-request", "git-operation", "parallel", "repeat"} <= {s["type"] for s in listed}
    shown = shell("steps", "show", "repeat", "-o", "json").json
    keys = {key["name"]: key for key in shown["keys"]}
    assert keys["max_iterations"]["required"] is True
    assert shown["schema"]["type"] == "object"
    assert shell("steps", "list", "-o", "name").out.split() == [s["type"] for s in listed]
    assert shell("steps", "show", "repaet").code == 5


def test_config_shows_where_each_setting_comes_from_and_no_password(shell: Shell) -> None:
    shell.write("coordinator.yaml", "env: staging\nlease: 20s\n")
    done = shell(
        *("config", "show", "-o", "json", "--redis", "redis://me:secret@localhost:6379"),
        COORDINATOR_ENV="production",
    )
    found = {key: (one["value"], one["origin"]) for key, one in done.json.items()}
    assert found["env"] == ("production", "environment")
    assert found["lease"] == ("20s", "file")
    assert found["source.ref"] == ("main", "default")
    assert found["redis.url"][1] == "flag"
    assert "secret" not in done.out


def test_settings_that_cannot_be_used_are_named_with_their_place(shell: Shell) -> None:
    shell.write("coordinator.yaml", "lease: soon\nsuorce: x\n")
    done = shell("config", "show")
    assert done.code == 1
    assert "coordinator.yaml:1:" in done.err
    assert "suorce is no setting" in done.err


# init


def test_the_starter_project_validates_and_its_scenario_fails_as_it_says(shell: Shell) -> None:
    assert shell("init", "new").code == 0
    project = Shell(shell.folder / "new")
    assert project("validate", "--strict").code == 0
    done = project("simulate", "hello", "--replies", "scenarios/hello.scenario.yml")
    assert (done.code, done.json["status"]) == (3, "failed")


def test_the_ci_job_installs_nothing_by_its_bare_name_and_plays_the_scenarios(shell: Shell) -> None:
    assert shell("init").code == 0
    job = yaml.safe_load((shell.folder / ".github/workflows/coordinator.yml").read_text())
    commands = [step["run"] for step in job["jobs"]["validate"]["steps"] if "run" in step]
    [install] = [shlex.split(each) for each in commands if each.startswith("pip ")]
    assert install[:2] == ["pip", "install"]
    assert all(" @ git+https://" in each and "COMMIT" in each for each in install[2:]), "pinned"
    assert "coordinator validate --strict" in commands
    assert "coordinator test" in commands
    scenario = (shell.folder / "scenarios/hello.scenario.yml").read_text()
    assert scenario.startswith("# coordinator test\n")


def test_init_overwrites_nothing_without_yes(shell: Shell) -> None:
    shell.write("coordinator.yaml", "env: mine\n")
    done = shell("init")
    assert done.code == 6
    assert "coordinator.yaml" in done.err
    assert os.listdir(shell.folder) == ["coordinator.yaml"]
    assert shell("init", "--yes").code == 0
    assert "mine" not in (shell.folder / "coordinator.yaml").read_text()


def test_init_again_changes_nothing_and_is_no_error(shell: Shell) -> None:
    assert shell("init").code == 0
    assert shell("init").code == 0


def test_init_does_not_write_through_a_link(shell: Shell) -> None:
    kept = shell.folder / "kept.txt"
    kept.write_text("mine")
    (shell.folder / "new").mkdir()
    (shell.folder / "new" / "coordinator.yaml").symlink_to(kept)
    assert shell("init", "new").code == 6
    assert shell("init", "new", "--yes").code == 0
    assert kept.read_text() == "mine"


def test_init_into_a_file_is_refused(shell: Shell) -> None:
    shell.write("file", "")
    assert shell("init", "file").code == 1


def test_bugs_are_told_without_a_traceback_unless_asked_for() -> None:
    from coordinator.cli.errors import told

    text, code = told(ZeroDivisionError("oops"), debug=False)
    assert (code, "Traceback" in text) == (1, False)
    assert "--debug" in text
    assert "ZeroDivisionError" in told(ZeroDivisionError("oops"), debug=True)[0].split("\n\n")[1]
