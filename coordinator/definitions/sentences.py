"""What each key means, in one sentence, for editors, manifests and the documentation.

By section: a model of `models`, or a built-in step type. A test holds the lists against the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "workflow": {
        "schema": "version of the language",
        "name": "name of the workflow; its id is the name in small letters with dashes",
        "version": "semantic version as text",
        "description": "for people",
        "author": "kept and shown",
        "tags": "kept and shown",
        "labels": "kept and shown",
        "intents": "kept and shown",
        "match": "which tasks the workflow is for, when a task names none",
        "triggers": "kept and shown; nothing is started by it in this version",
        "params": "typed inputs, checked when a run is submitted",
        "variables": "values for the steps; templates in them may read `task`, `params` and `env`",
        "defaults": "what steps have that do not say otherwise",
        "concurrency": "how many runs of one key may go at a time; see below",
        "timeout": "of the whole run; after it the run fails",
        "max_steps": "node starts of one run, iterations included; one more fails it",
        "git": "what the run may change in its repository, unless a step says otherwise",
        "invariants": "checked, without effect in this version",
        "steps": "what is done; a list, or a mapping from id to step",
        "outputs": "values of the ended run; one that cannot be rendered is null",
        "on_failure": "steps that run only after the run has failed",
        "finally": "steps that run at the end, whatever the end is; not after `terminate`",
    },
    "step": {
        "id": "unique in the file; small letters, digits, `_`, `-`",
        "name": "for people; may hold templates",
        "description": "for people",
        "type": "what kind of step; `persona-request` unless given",
        "persona": "who is asked; without `persona`, `tool` and `run` the persona of the step's id",
        "tool": "another word for `persona`",
        "action": "beside `tool`: becomes `params.action`",
        "run": "a command, one text per argument, never a shell; needs no persona file",
        "dependencies": "ids of steps of the same list that this one waits for",
        "condition": "false skips the step, and the values it read are kept as the reason",
        "join": "which outcomes of the dependencies let the step run; see below",
        "gate": "any verdict but `pass` is a failure of class `gate`",
        "required": "a run that did not fail, but where this step did not succeed, is `stopped`",
        "review": "the finished step waits until a person continues, retries or rejects it",
        "timeout": "per attempt, from the moment of asking; 1 hour if nobody says otherwise",
        "retries": "further attempts: `2` means at most three",
        "retry": "how often, how patiently, and after which errors",
        "on_error": "what follows once the attempts are used up; see below",
        "undo": "steps that run if the run fails or is cancelled after this step has settled",
        "params": "what is handed to whoever does the step; templates are rendered",
        "outputs": "name: template; rendered when the step has succeeded, then keys of the step",
        "result_schema": "JSON Schema of the result; a reply that does not fit is `invalid_reply`",
        "git": "what this step may change",
        "invariants": "checked, without effect in this version",
    },
    "defaults": {
        "timeout": "of requests and git operations",
        "retry": "of requests and git operations; each key by itself",
    },
    "concurrency": {
        "key": "what runs have in common, text or a number; may read `task`, `params`, `variables` "
        "and `env`",
        "limit": "how many runs of the key may go at a time",
        "on_conflict": "what a run does when there is no room: `queue` waits, `skip` does not run, "
        "`replace` cancels the others",
    },
    "match": {
        "types": "the task's `type` is one of them",
        "labels": "the task has one of them",
        "scopes": "the task's `scope` is one of them",
        "when": "holds; may read `task` and `env`",
    },
    "parameter": {
        "type": "`int`, `float`, `bool`, `array` are accepted spellings",
        "required": "a submission without it is refused",
        "default": "its value where the submission has none",
        "enum": "the values it may have",
        "description": "for people",
    },
    "retry": {
        "max_attempts": "attempts in all; 3 under `on_error: retry`, else 1",
        "backoff": "how the pause grows; `exponential` unless given",
        "delay": "the first pause; 1 second unless given",
        "max_delay": "the longest pause; 5 minutes unless given",
        "max_total": "no attempt starts later than this after the first",
        "on": "classes of errors worth another attempt; see below for the usual ones",
    },
    "git": {
        "branches": "globs of branches that may be changed",
        "paths": "globs of files that may be changed",
        "push": "`false` keeps everything in the coordinator's own copy",
    },
    "persona-request": {},
    "git-operation": {
        "operation": "what to do; its parameters stand under `params`",
        "branch": "short for the parameter that names the operation's branch",
        "message": "short for `params.message`",
    },
    "conditional": {
        "condition": "chooses the branch; here it never skips the step",
        "then_steps": "where it holds",
        "else_steps": "where it does not; without them the step succeeds and does nothing",
    },
    "switch": {
        "on": "a template; its value is compared as text",
        "cases": "a list of steps for each value; numbers, `true`, `false` and `null` as JSON "
        "writes them",
        "default": "where no case fits; without it the step succeeds and does nothing",
    },
    "parallel": {
        "steps": "side by side, apart from dependencies among them",
        "wait_for": "how many have to succeed",
        "on_rest": "what happens to the others when enough have succeeded; see below",
        "on_branch_error": "`fail_fast` cancels the others, `wait_all` fails when they are done, "
        "`ignore` goes on",
    },
    "foreach": {
        "items": "a list, or a template that gives one when the step begins",
        "as": "what the steps inside call their item; beside it they know its `index`, from 0",
        "max_concurrent": "how many items are under way at a time; they begin in order",
        "steps": "what is done for one item",
        "on_branch_error": "`fail_fast` cancels the other items and begins no more, `wait_all` "
        "fails when they are done, `ignore` goes on with null for the item",
    },
    "repeat": {
        "steps": "one iteration",
        "until": "asked after each iteration; without it all iterations run",
        "max_iterations": "if `until` still does not hold then, the step fails as `exhausted`",
    },
    "human": {
        "form": "field: `{type, required, enum, default, description}`, or just the type",
        "assignees": "who may answer; without it anybody",
        "deadline": "without it the question waits as long as it takes",
        "on_deadline": "`approve`, `reject`, or `{answer, comment, values}`; without it the step "
        "fails as `human_timeout`",
    },
    "wait": {
        "for": "how long; one of `for`, `until` and `signal` has to be there",
        "until": "until when, with a zone; what is past already takes no time",
        "signal": "the name of a signal; `timeout` bounds how long it may take",
    },
    "set": {
        "values": "name: value; later steps read it as `state.<name>`, null takes it away",
    },
    "workflow step": {
        "workflow": "its name in small letters with dashes; what it takes is given as `params`",
    },
    "persona": {
        "name": "what steps call it",
        "kind": "how it is reached; this version serves `command` and `human`",
        "description": "for people",
        "aliases": "further names that steps may use",
        "status": "only enabled ones may be used by a workflow",
        "capabilities": "kept and shown",
        "intents": "kept and shown",
        "files": "`read`: it gets the run's files; `patch`: its changes to them count",
        "timeout": "of one request, where the step says nothing",
        "concurrency": "checked, without effect in this version",
        "rate_limit": "checked, without effect in this version",
        "budget": "checked, without effect in this version",
        "tests": "`required`: a pass that says no tests ran is a fail",
        "input_schema": "JSON Schema of the params; a request that does not fit is not sent",
        "result_schema": "JSON Schema of the result; a reply that does not fit is `invalid_reply`",
    },
    "command": {
        "command": "the program and its arguments; templates may read the payload",
        "exit_codes": "exit code: verdict; `{0: pass, 1: fail}` unless given",
    },
    "human persona": {
        "form": "as in a `human` step",
        "assignees": "who may answer",
    },
    "environment": {
        "description": "for people",
        "values": "readable as `env.<name>` in templates and conditions; plain data",
        "variables": "over the `variables` of every workflow that declares that name",
        "defaults": "over the `defaults` of every workflow",
        "workflows": "by id, what is changed of a workflow",
        "personas": "by name, the keys that are changed of a persona; all but `name` and `kind`",
    },
    "overlaid workflow": {
        "variables": "over those that the workflow declares",
        "params": "by name; only `default` and `enum` can change",
        "defaults": "over the workflow's own",
        "timeout": "of the whole run",
        "concurrency": "over the workflow's own",
        "steps": "by id, wherever the step is in the file; see below for what cannot change",
    },
}
"""Section -> key -> what it means."""
