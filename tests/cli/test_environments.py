"""`--env`: the overlay of an environment, wherever definitions are compiled."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell

GREET = """\
name: greet
version: "1.0.0"
steps:
  - {id: hello, persona: speaker, params: {where: "{{ env.region | default('here') }}"}}
outputs: {said: "{{ hello.result.output | trim }}", region: "{{ env.region | default('nowhere') }}"}
"""
SPEAKER = """\
name: speaker
kind: command
command: [echo, "plain {{ params.where }}"]
"""
PRODUCTION = """\
values: {region: eu-west-1}
workflows: {greet: {steps: {hello: {timeout: 7m}}}}
personas: {speaker: {command: [echo, "production {{ params.where }}"]}}
"""


@pytest.fixture
def project(shell: Shell) -> Shell:
    """A folder with a workflow, a persona and two environments."""
    shell.write("workflows/greet.yml", GREET)
    shell.write("personas/speaker.yaml", SPEAKER)
    shell.write("envs/production.yaml", PRODUCTION)
    shell.write("envs/staging.yaml", "values: {region: lab}\n")
    return shell


def outputs(shell: Shell, *options: str, **environment: str) -> object:
    done = shell("simulate", "greet", *options, **environment)
    assert done.code == 0, done.err
    return done.json["outputs"]["region"]


def test_the_option_the_variable_and_the_settings_file_choose_in_this_order(
    project: Shell,
) -> None:
    assert outputs(project) == "nowhere"
    project.write("coordinator.yaml", "env: staging\n")
    assert outputs(project) == "lab"
    assert outputs(project, COORDINATOR_ENV="production") == "eu-west-1"
    assert outputs(project, "--env", "staging", COORDINATOR_ENV="production") == "lab"


def test_a_local_run_has_the_values_and_the_personas_of_its_environment(project: Shell) -> None:
    done = project(
        "run", "greet", "--local", "--wait", "--env", "production", "-o", "json", "--timeout", "50s"
    )

    assert done.code == 0, done.err
    assert done.json["outputs"] == {"said": "production eu-west-1", "region": "eu-west-1"}


def test_a_run_of_what_a_coordinator_has_is_not_told_another_environment(project: Shell) -> None:
    done = project("run", "greet", "--env", "production")

    assert done.code == 2
    assert "--local" in done.err


@pytest.mark.parametrize(
    "command", [("simulate", "greet"), ("graph", "greet"), ("run", "greet", "--local")]
)
def test_an_environment_that_is_not_there_is_refused_with_those_there_are(
    command: tuple[str, ...], project: Shell
) -> None:
    done = project(*command, "--env", "prodution")

    assert done.code == 1
    assert 'no environment "prodution"' in done.err
    assert "production, staging" in done.err


def test_validate_checks_every_workflow_in_every_environment_and_in_none(project: Shell) -> None:
    assert project("validate", "--strict").code == 0
    project.write("envs/staging.yaml", "workflows: {greet: {steps: {hello: {persona: speker}}}}\n")

    faults = project("validate", "-o", "json").json["faults"]

    assert [(each["rule"], each["file"], each["column"]) for each in faults] == [
        ("WF060", "envs/staging.yaml", 46)
    ]
    assert project("validate", "--env", "production").code == 0
    assert project("validate", "--env", "staging").code == 1


def test_a_fault_of_a_workflow_is_told_once_whatever_the_environments(project: Shell) -> None:
    project.write("workflows/greet.yml", GREET.replace("persona: speaker", "persona: speker"))

    faults = project("validate", "-o", "json").json["faults"]

    assert [(each["rule"], each["file"]) for each in faults] == [("WF060", "workflows/greet.yml")]


def test_a_value_that_only_some_environments_have_is_warned_of_by_naming_the_others(
    project: Shell,
) -> None:
    project.write("workflows/greet.yml", GREET.replace("env.region | default('here')", "env.host"))
    project.write("envs/production.yaml", "values: {region: eu-west-1, host: a}\n")

    [fault] = project("validate", "-o", "json").json["faults"]

    assert (fault["rule"], fault["severity"]) == ("WF083", "warning")
    assert fault["message"] == "env.host is missing in staging; it is only in production"
    assert project("validate", "--env", "staging").code == 1


def test_an_overlay_alone_is_checked_with_what_it_makes_of_the_workflows(project: Shell) -> None:
    project.write("envs/staging.yaml", "workflows: {greet: {steps: {hello: {timeout: soon}}}}\n")

    faults = project("validate", "envs/staging.yaml", "-o", "json").json["faults"]

    assert [(each["rule"], each["file"]) for each in faults] == [("WF029", "envs/staging.yaml")]


def test_an_overlay_of_a_workflow_that_is_not_there_is_a_fault_however_few_files_are_named(
    project: Shell,
) -> None:
    project.write("envs/staging.yaml", "workflows: {great: {}}\n")

    for paths in ((), ("envs/staging.yaml",), ("envs",)):
        [fault] = project("validate", *paths, "-o", "json").json["faults"]
        assert (fault["rule"], fault["hint"]) == ("WF081", 'Did you mean "greet"?')


def test_a_broken_overlay_keeps_its_environment_from_use_and_no_other(project: Shell) -> None:
    project.write("envs/staging.yaml", "valuse: {}\n")

    refused = project("simulate", "greet", "--env", "staging")

    assert refused.code == 1
    assert "envs/staging.yaml:1:1" in refused.err
    assert outputs(project, "--env", "production") == "eu-west-1"


def test_formatting_leaves_the_words_of_an_overlay_as_they_are(project: Shell) -> None:
    project.write("envs/staging.yaml", "workflows: {greet: {steps: {hello: {with: {a: 1}}}}}\n")

    assert project("fmt", "--check").code == 0


def test_a_scenario_says_in_which_environment_its_claim_holds(project: Shell) -> None:
    text = "workflow: greet\n%sexpect: {outputs: {region: %s}}\n"
    project.write("scenarios/a.scenario.yml", text % ("env: staging\n", "lab"))
    project.write("scenarios/b.scenario.yml", text % ("env: production\n", "eu-west-1"))
    project.write("scenarios/c.scenario.yml", text % ("", "nowhere"))

    done = project("test")
    assert done.code == 0, done.out
    project.write("scenarios/c.scenario.yml", text % ("", "lab"))
    assert project("test").code == 1
    assert project("test", "--env", "staging").code == 0


def test_a_scenario_of_an_environment_that_is_not_there_fails_and_says_which_are(
    project: Shell,
) -> None:
    project.write("a.scenario.yml", "workflow: greet\nenv: prod\nexpect: {status: succeeded}\n")

    done = project("test")

    assert done.code == 1
    assert "production, staging" in done.out


def test_the_merged_file_is_shown_with_what_comes_from_the_overlay(project: Shell) -> None:
    done = project("workflows", "show", "greet", "--env", "production", "-o", "yaml")

    assert done.code == 0, done.err
    assert (
        done.out
        == """\
# workflows/greet.yml with envs/production.yaml
name: greet
version: "1.0.0"
steps:
  - id: hello
    persona: speaker
    params:
      where: "{{ env.region | default('here') }}"
    timeout: "7m"  # envs/production.yaml:2
outputs:
  said: "{{ hello.result.output | trim }}"
  region: "{{ env.region | default('nowhere') }}"
"""
    )


def test_what_is_shown_is_of_the_files_here_where_an_environment_is_named(project: Shell) -> None:
    plain = project("workflows", "show", "greet", "--here", "-o", "json").json
    overlaid = project("workflows", "show", "greet", "--env", "production", "-o", "json").json

    assert plain["digest"] != overlaid["digest"]
    assert project("workflows", "show", "greet", "--env", "prod", "-o", "yaml").code == 1


def test_a_variable_of_the_overlay_that_no_workflow_declares_is_a_fault(project: Shell) -> None:
    project.write("envs/staging.yaml", "variables: {minutes: 1}\n")

    [fault] = project("validate", "-o", "json").json["faults"]

    assert (fault["rule"], fault["file"]) == ("WF081", "envs/staging.yaml")


def test_the_schema_of_an_overlay_takes_what_the_compiler_takes(project: Shell) -> None:
    from jsonschema import Draft202012Validator

    schema = project("schema", "env").json
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema).is_valid

    assert valid({"values": {"a": 1}, "defaults": {"timeout": "20m", "retry": None}})
    assert valid({"workflows": {"a": {"steps": {"qa": {"timeout": None, "retries": 3}}}}})
    assert valid({"workflows": {"a": {"params": {"b": {"default": None}}, "timeout": "2h"}}})
    for fixed in ("id", "type", "dependencies", "needs", "condition", "join", "undo"):
        assert not valid({"workflows": {"a": {"steps": {"qa": {fixed: "x"}}}}}), fixed
    assert not valid({"valuse": {}})
    assert not valid({"workflows": {"a": {"params": {"b": {"type": "string"}}}}})


def test_a_workflow_that_another_one_runs_has_its_own_values_of_the_environment(
    project: Shell,
) -> None:
    outer = (
        'name: outer\nversion: "1.0.0"\nsteps: [{id: inner, type: workflow, workflow: greet}]\n'
        'outputs: {region: "{{ steps.inner.result.region }}"}\n'
    )
    project.write("workflows/outer.yml", outer)

    done = project(
        "run", "outer", "--local", "--wait", "--env", "production", "-o", "json", "--timeout", "50s"
    )

    assert done.code == 0, done.err
    assert done.json["outputs"] == {"region": "eu-west-1"}


def test_what_a_coordinator_reads_may_lie_in_folders_of_other_names(shell: Shell) -> None:
    shell.write("coordinator.yaml", "folders: {workflows: flows, personas: agents}\n")
    shell.write("flows/greet.yml", GREET)
    shell.write("agents/speaker.yaml", SPEAKER)
    shell.write("envs/production.yaml", PRODUCTION)
    shell.write("task.json", '{"type": "greet"}')
    order = ("run", "auto", "--local", "--wait", "--task", "task.json", "--timeout", "50s")

    shell.write("flows/greet.yml", GREET.replace("persona: speaker", "persona: speker"))
    assert "flows/greet.yml:4:" in shell(*order).err
    shell.write("flows/greet.yml", GREET)
    done = shell(*order, "--env", "production", "-o", "json")

    assert done.code == 0, done.err
    assert done.json["outputs"]["said"] == "production eu-west-1"
