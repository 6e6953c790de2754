"""`coordinator validate`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell

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
BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
GREETER = "{name: greeter, kind: command, command: [echo, hello]}"


def test_files_without_faults_exit_with_zero(shell: Shell) -> None:
    shell.write("personas/greeter.yaml", GREETER)
    shell.write("workflows/good.yml", GOOD)
    done = shell.program("validate")
    assert (done.code, done.out) == (0, "2 files: 0 errors, 0 warnings\n")


def test_a_fault_has_its_place_a_caret_and_a_cure(shell: Shell) -> None:
    shell.write("typo.yml", TYPO)
    done = shell("validate", "typo.yml")
    assert done.code == 1
    assert "typo.yml:8:20: error WF" in done.out
    line, caret = _excerpt(done.out)
    assert line.strip() == "8 |     dependencies: [secnd]"
    assert line[caret.index("^") :].startswith("secnd")
    assert 'Did you mean "second"?' in done.out


def _excerpt(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    at = next(
        at
        for at, line in enumerate(lines)
        if line.strip().endswith("^") and "secnd" in lines[at - 1]
    )
    return lines[at - 1], lines[at]


def test_the_json_of_validate_has_its_shape(shell: Shell) -> None:
    shell.write("typo.yml", TYPO)
    done = shell("validate", "typo.yml", "--format", "json")
    assert done.code == 1
    assert done.json["files"] == 1
    [fault] = [one for one in done.json["faults"] if one["severity"] == "error"]
    assert fault.keys() == {"rule", "severity", "file", "line", "column", "message", "hint"}
    assert (fault["file"], fault["line"], fault["column"]) == ("typo.yml", 8, 20)


def test_warnings_alone_pass_unless_strict(shell: Shell) -> None:
    shell.write("good.yml", GOOD)
    done = shell("validate", "good.yml", "--format", "json")
    assert done.code == 0
    assert {one["severity"] for one in done.json["faults"]} == {"warning"}
    assert shell("validate", "good.yml", "--strict").code == 1


def test_an_unknown_persona_is_a_fault_only_where_there_are_personas(shell: Shell) -> None:
    (shell.folder / ".git").mkdir()
    shell.write("deep/down/good.yml", GOOD)
    assert shell("validate", "deep/down/good.yml").code == 0
    shell.write("personas/other.yaml", GREETER.replace("greeter", "other"))
    assert shell("validate", "deep/down/good.yml").code == 1
    shell.write("deep/personas/greeter.yaml", GREETER)
    assert shell("validate", "deep/down/good.yml", "--strict").code == 0


def test_the_look_up_ends_at_the_git_root(shell: Shell) -> None:
    shell.write("personas/other.yaml", GREETER.replace("greeter", "other"))
    (shell.folder / "repository" / ".git").mkdir(parents=True)
    shell.write("repository/workflows/good.yml", GOOD)
    assert shell("validate", "repository/workflows/good.yml").code == 0


def test_outside_git_the_look_up_ends_at_the_folder_of_the_file(shell: Shell) -> None:
    shell.write("personas/other.yaml", GREETER.replace("greeter", "other"))
    shell.write("below/good.yml", GOOD)
    assert shell("validate", "below/good.yml").code == 0
    shell.write("good.yml", GOOD)
    assert shell("validate", "good.yml").code == 1


def test_the_settings_file_names_the_folders(shell: Shell) -> None:
    shell.write("coordinator.yaml", "folders: {workflows: flows, personas: people}")
    shell.write("people/greeter.yaml", GREETER)
    shell.write("flows/good.yml", GOOD)
    done = shell("validate", "--strict")
    assert (done.code, done.out) == (0, "3 files: 0 errors, 0 warnings\n")


def test_a_broken_persona_beside_a_workflow_is_told(shell: Shell) -> None:
    shell.write("personas/greeter.yaml", "{name: greeter, kind: nothing}")
    shell.write("good.yml", GOOD)
    done = shell("validate", "good.yml")
    assert done.code == 1
    assert "personas/greeter.yaml:1:" in done.out


def test_two_workflows_of_one_name_are_a_fault(shell: Shell) -> None:
    shell.write("workflows/a.yml", GOOD)
    shell.write("workflows/b.yml", GOOD)
    done = shell("validate", "--format", "json")
    assert "WF038" in {one["rule"] for one in done.json["faults"]}


def test_hostile_texts_reach_no_terminal(shell: Shell) -> None:
    shell.write(
        "evil.yml", 'name: "a\\e[31m"\nversion: "1"\nsteps: [{id: "\\e]0;x\\a", type: "\\e[2J"}]\n'
    )
    done = shell.program("validate", "evil.yml")
    assert done.code == 1
    assert "\x1b" not in done.out + done.err


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("broken", "name: [", "WF002"),
        ("empty", "", "WF004"),
        ("binary", "\x00\x01", "WF001"),
        ("tagged", "name: !!python/object:os.system x", "WF006"),
        ("bomb", BOMB, "WF003"),
        ("twice", "name: a\nname: b", "WF005"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 9 else "",
)  # fmt: skip
def test_what_is_no_workflow_has_a_fault(name: str, text: str, rule: str, shell: Shell) -> None:
    shell.write(f"{name}.yml", text)
    done = shell("validate", f"{name}.yml", "--format", "json")
    assert done.code == 1
    assert rule in {one["rule"] for one in done.json["faults"]}


@pytest.mark.parametrize("command", [["validate"], ["graph"], ["simulate"], ["run"]], ids=" ".join)
def test_a_missing_file_exits_with_five(command: list[str], shell: Shell) -> None:
    done = shell(*command, "no/such.yml")
    assert done.code == 5
    assert done.err.startswith("error: no/such.yml: no such file")


def test_an_empty_folder_has_nothing_to_validate(shell: Shell) -> None:
    done = shell("validate")
    assert done.code == 2
    assert "nothing to validate" in done.err


SCENARIO = """\
scenario: both steps run
workflow: two-steps
replies: {first: {verdict: pass}}
signals: [{at: 1m, approve: first}]
expect:
  nodes: {second: succeeded}
  order: [first, side/*]
"""


def test_scenarios_and_settings_of_a_project_are_validated_with_it(shell: Shell) -> None:
    shell.write("personas/greeter.yaml", GREETER)
    shell.write("workflows/good.yml", GOOD)
    shell.write("workflows/scenarios/one.scenario.yml", SCENARIO)
    shell.write("scenarios/two.scenario.yaml", SCENARIO)
    shell.write("coordinator.yaml", "log: {level: debug}")
    done = shell("validate", "--strict")
    assert (done.code, done.out) == (0, "5 files: 0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("right", "wrong", "place", "near"),
    [
        ("workflow: two-steps", "workflow: two-step", "2:11", "two-steps"),
        ("{second: succeeded}", "{secnd: succeeded}", "6:11", "second"),
        ("[first, side/*]", "[first, sid/*]", "7:18", "side"),
        ("order: [first, side/*]", "never: [lefft]", "7:11", "left"),
        ("order: [first, side/*]", "attempts: {lefft: 1}", "7:14", "left"),
        ("order: [first, side/*]", "order: [frist]", "7:11", "first"),
    ],
)
def test_what_a_scenario_names_and_its_workflow_lacks_is_an_error(
    right: str, wrong: str, place: str, near: str, shell: Shell
) -> None:
    shell.write("workflows/two-steps.yml", GOOD)
    shell.write("two-steps.scenario.yml", SCENARIO.replace(right, wrong))
    done = shell("validate", "two-steps.scenario.yml", "--format", "json")
    [fault] = done.json["faults"]
    assert (done.code, fault["rule"], fault["severity"]) == (1, "WF090", "error")
    assert f"{fault['line']}:{fault['column']}" == place
    assert near in fault["hint"]


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [("{first: {", "{frist: {", "3:11"), ("approve: first", "approve: frist", "4:20")],
)
def test_a_reply_or_signal_for_nobody_is_a_warning(
    right: str, wrong: str, place: str, shell: Shell
) -> None:
    shell.write("good.yml", GOOD)
    shell.write("a.scenario.yml", SCENARIO.replace(right, wrong).replace("two-steps", "good.yml"))
    done = shell("validate", "a.scenario.yml", "--format", "json")
    [fault] = done.json["faults"]
    assert (done.code, fault["rule"], fault["severity"]) == (0, "WF090", "warning")
    assert f"{fault['line']}:{fault['column']}" == place


def test_a_signal_that_nothing_waits_for_is_a_warning(shell: Shell) -> None:
    wait = "  - {id: rest, type: wait, signal: go-on}\n"
    shell.write("good.yml", GOOD + wait)
    text = "workflow: good.yml\nsignals: [{at: 1m, signal: %s}]\nexpect: {status: succeeded}\n"
    shell.write("a.scenario.yml", text % "go-on")
    assert shell("validate", "a.scenario.yml", "--strict").code == 0
    shell.write("a.scenario.yml", text.replace("signal: %s", "advance: auto"))
    assert shell("validate", "a.scenario.yml", "--strict").out.endswith("0 warnings\n")
    shell.write("a.scenario.yml", text % "go-onn")
    [fault] = shell("validate", "a.scenario.yml", "--format", "json").json["faults"]
    assert (fault["rule"], fault["line"], fault["severity"]) == ("WF090", 2, "warning")
    assert fault["hint"] == 'Did you mean "go-on"?'


def test_params_and_outputs_of_a_scenario_are_held_against_the_workflow(shell: Shell) -> None:
    shell.write("good.yml", GOOD + "params: {n: {type: integer}}\noutputs: {said: x}\n")
    text = "workflow: good.yml\nparams: {n: many, m: 1}\nexpect:\n  outputs: {sad: 1, none: null}\n"
    shell.write("a.scenario.yml", text)
    told = shell("validate", "a.scenario.yml", "--format", "json").json["faults"]
    assert [(each["line"], each["column"], each["severity"]) for each in told] == [
        (2, 13, "error"),
        (2, 22, "error"),
        (4, 13, "error"),
        (4, 21, "warning"),
    ]


def test_a_scenario_of_a_faulty_workflow_says_so_at_its_name(shell: Shell) -> None:
    shell.write("typo.yml", TYPO)
    shell.write("a.scenario.yml", SCENARIO.replace("two-steps", "typo.yml"))
    [fault] = shell("validate", "a.scenario.yml", "--format", "json").json["faults"]
    assert (fault["line"], fault["message"]) == (2, "typo.yml cannot be used")


def test_a_broken_settings_file_is_told_with_all_the_rest(shell: Shell) -> None:
    shell.write("coordinator.yaml", "redis: {uri: x}\nworker: {concurrency: many}\nlog: info\n")
    shell.write("workflows/typo.yml", TYPO)
    done = shell("validate", "--format", "json")
    told = [(each["file"], each["rule"], each["line"]) for each in done.json["faults"]]
    assert done.code == 1
    assert told[:3] == [
        ("coordinator.yaml", "WF020", 1),
        ("coordinator.yaml", "WF022", 2),
        ("coordinator.yaml", "WF022", 3),
    ]
    assert "workflows/typo.yml" in {each[0] for each in told}
    assert 'Did you mean "redis.url"?' in shell("validate", "coordinator.yaml").out


def test_a_variable_that_is_no_setting_value_is_refused_as_everywhere(shell: Shell) -> None:
    shell.write("coordinator.yaml", "log: {level: info}")
    shell.write("good.yml", GOOD)
    done = shell("validate", "good.yml", COORDINATOR_LEASE="soon")
    assert done.code != 0
    assert "COORDINATOR_LEASE" in done.err


def test_a_settings_file_that_is_no_mapping_has_a_place(shell: Shell) -> None:
    shell.write("coordinator.yaml", "- redis")
    [fault] = shell("validate", "--format", "json").json["faults"]
    assert (fault["rule"], fault["line"], fault["column"]) == ("WF022", 1, 1)
