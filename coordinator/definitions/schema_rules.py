"""The rules about what goes into a step and what comes out of it."""

from __future__ import annotations

from typing import Final

from coordinator.definitions.rule import Rule

SCHEMA_RULES: Final = (
    Rule(
        "WF085",
        "key that cannot be there",
        "What is read has a schema (`additionalProperties: false`) or a list of outputs without "
        "this key, so it can never be there.",
        "Correct the key, or add it to the schema or the outputs.",
    ),
    Rule(
        "WF086",
        "schema that cannot be used",
        "Schemas are JSON Schema, draft 2020-12, closed in themselves and bounded: at most 2,000 "
        "values, 32 levels, 500 characters a pattern; `$ref` leads to `#/...` and never back.",
        "Correct the schema at the place that is named.",
    ),
    Rule(
        "WF087",
        "params that the persona does not take",
        "The persona's `input_schema` says what its params are, and these are not.",
        "Correct the params, or the persona's input_schema.",
    ),
)
