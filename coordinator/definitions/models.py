"""The closed lists of keys, as models: what may stand in a workflow, a step and a persona.

Marks say what a key holds beyond its plain type (`core.lowering.Mark`); `Inner` and `Each` say that
another model follows. `check` reads files by these models, `schema_json` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from coordinator.core.lowering import Mark


@dataclass(frozen=True, slots=True)
class Inner:
    """The key holds a mapping with the keys of another model."""

    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Each:
    """The key holds a mapping from a name to mappings with the keys of another model."""

    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Shown:
    """The key is checked elsewhere; this is its JSON Schema."""

    schema: Mapping[str, Any]


class Keys(BaseModel):
    """The base of all models here: nothing unknown is accepted, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


Texts = list[str]
Mapped = dict[str, Any]
Steps = Annotated[Any, Mark.STEPS]
Condition = Annotated[Any, Mark.CONDITION]
Duration = Annotated[Any, Mark.DURATION]


class RetryKeys(Keys):
    """How often and how patiently a failed step is tried again."""

    max_attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    backoff: Literal["constant", "linear", "exponential"] | None = None
    delay: Duration = None
    max_delay: Duration = None
    max_total: Duration = None
    on: (
        list[
            Literal[
                "timeout",
                "transport",
                "rate_limit",
                "invalid_reply",
                "refused",
                "persona_error",
                "step_error",
                "gate",
                "exhausted",
                "budget",
                "human_timeout",
            ]
        ]
        | None
    ) = None


class GitKeys(Keys):
    """What may be changed in the run's repository."""

    branches: Texts | None = Field(None, description="globs of branches that may be changed")
    paths: Texts | None = Field(None, description="globs of files that may be changed")
    push: bool | None = None


ON_ERROR_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": ["abort", "continue", "log_and_continue", "retry", "escalate", "rollback"]},
        {
            "type": "object",
            "properties": {"fallback": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/steps"}]}},
            "required": ["fallback"],
            "additionalProperties": False,
        },
    ]
}


class StepKeys(Keys):
    """What every step may have; the keys of its type come on top."""

    id: str
    name: Annotated[str | None, Mark.TEMPLATE] = None
    description: str | None = None
    type: str | None = None
    persona: str | None = None
    tool: str | None = None
    action: str | None = None
    run: Texts | None = Field(None, description="argv; each element stays one argument")
    dependencies: Texts | None = None
    condition: Condition = None
    join: (
        Literal[
            "none_failed", "all_succeeded", "any_succeeded", "any_failed", "all_settled", "always"
        ]
        | None
    ) = None
    gate: Literal["pass"] | None = None
    required: bool = False
    review: bool = False
    timeout: Annotated[Any, Mark.DURATION_TEMPLATE] = None
    retries: Annotated[int, Field(ge=0, le=999)] | None = None
    retry: Annotated[Any, Inner(RetryKeys)] = None
    on_error: Annotated[Any, Shown(ON_ERROR_SCHEMA)] = None
    undo: Steps = None
    params: Annotated[Mapped | None, Mark.TEMPLATE] = None
    outputs: Annotated[Mapped | None, Mark.TEMPLATE] = None
    result_schema: Mapped | None = None
    git: Annotated[Any, Inner(GitKeys)] = None
    invariants: Texts | None = None


class DefaultsKeys(Keys):
    """What steps have that do not say otherwise."""

    timeout: Duration = None
    retry: Annotated[Any, Inner(RetryKeys)] = None


class MatchKeys(Keys):
    """Which tasks the workflow is for."""

    types: Texts | None = None
    labels: Texts | None = None
    scopes: Texts | None = None
    when: Condition = None


class ConcurrencyKeys(Keys):
    """How many runs of one key may go at a time, whatever their workflows are."""

    key: Annotated[str, Mark.TEMPLATE]
    limit: Annotated[int, Field(ge=1)] = 1
    on_conflict: Literal["queue", "skip", "replace", "cancel_running", "reject"] = "queue"


class ParameterKeys(Keys):
    """A typed input of the workflow."""

    type: Literal[
        "string", "integer", "number", "boolean", "list", "object", "array", "int", "float", "bool"
    ] = "string"
    required: bool = False
    default: Any = None
    enum: list[Any] | None = None
    description: str = ""


class WorkflowKeys(Keys):
    """The top level of a workflow file."""

    language: Annotated[int, Field(alias="schema")] = 1
    name: str
    version: str
    description: str = ""
    author: str | None = None
    tags: Texts | None = None
    labels: Any = None
    intents: Texts | None = None
    match: Annotated[Any, Inner(MatchKeys)] = None
    triggers: list[Mapped] | None = None
    params: Annotated[Any, Each(ParameterKeys)] = None
    variables: Annotated[Mapped | None, Mark.TEMPLATE] = None
    defaults: Annotated[Any, Inner(DefaultsKeys)] = None
    concurrency: Annotated[Any, Inner(ConcurrencyKeys)] = None
    timeout: Duration = None
    max_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    git: Annotated[Any, Inner(GitKeys)] = None
    invariants: Texts | None = None
    steps: Steps
    outputs: Annotated[Mapped | None, Mark.TEMPLATE] = None
    on_failure: Steps = None
    final: Annotated[Any, Mark.STEPS, Field(alias="finally")] = None


class RateKeys(Keys):
    """How many requests in how much time."""

    requests: Annotated[int, Field(ge=1)]
    per: Duration


class BudgetKeys(Keys):
    """How much may be spent."""

    usd: Annotated[float, Field(gt=0, strict=False)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    per: Any = "run"
    mode: Literal["enforce", "warn"] = "enforce"


class PersonaKeys(Keys):
    """What every persona file may have; the keys of its kind come on top."""

    name: str
    kind: Literal["llm", "command", "human", "http", "legacy"]
    description: str = ""
    aliases: Texts | None = None
    status: Literal["draft", "enabled", "disabled"] = "enabled"
    capabilities: Texts | None = None
    intents: Texts | None = None
    files: Literal["none", "read", "patch"] = "none"
    timeout: Duration = None
    concurrency: Annotated[int, Field(ge=1)] | None = None
    rate_limit: Annotated[Any, Inner(RateKeys)] = None
    budget: Annotated[Any, Inner(BudgetKeys)] = None
    tests: Literal["required", "optional"] | None = None
    input_schema: Mapped | None = None
    result_schema: Mapped | None = None


class CommandKeys(Keys):
    """A program, and what its exit codes mean."""

    command: Annotated[Texts, Field(min_length=1)]
    exit_codes: Any = Field(
        None, json_schema_extra={"type": "object"}, description="exit code -> pass, fail or unknown"
    )


class LlmKeys(Keys):
    """A language model, and how it is asked."""

    model: str
    base_url: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    system: str | None = None
    prompt: str | None = Field(None, description="a file beside this one, or the text itself")
    fallbacks: Texts | None = None
    tools: list[Any] | None = None
    repair: Annotated[int, Field(ge=0, le=10)] = 2


class HttpKeys(Keys):
    """A service that is asked by HTTP."""

    url: str
    secret: str | None = None
    mode: Literal["sync", "callback"] = "sync"


class HumanKeys(Keys):
    """Who answers, and with what form."""

    form: Mapped | None = None
    assignees: Texts | None = None


class LegacyKeys(Keys):
    """A worker of the older system."""

    wire: Any = None


PERSONA_KINDS: dict[str, type[Keys]] = {
    "command": CommandKeys,
    "llm": LlmKeys,
    "http": HttpKeys,
    "human": HumanKeys,
    "legacy": LegacyKeys,
}
