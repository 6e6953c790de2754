"""Whatever is written in a file: it compiles, or there are faults; never an exception."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.definitions import Severity, compile_file, compile_persona, load_document
from coordinator.definitions.faults import Faults
from coordinator.definitions.read import read
from tests.definitions.corpus import PERSONA_FILES, TYPES, personas

_TEXT = (Path(__file__).parent / "good" / "everything.yml").read_text()
_DOCUMENT = read("everything.yml", _TEXT, Faults("everything.yml"))
assert _DOCUMENT is not None
WHOLE: Any = _DOCUMENT.value
KNOWN = personas()

_WORDS = st.sampled_from(
    [
        "", "a", "plan", "fix", "check", "steps", "id", "{{ steps.plan.result }}", "{{ x }}", "{{",
        "steps.fix.result", "state.check_status", "a ===", "1h", "always", "parallel", "repeat",
        "foreach", "worker", "nobody", "fallback", "continue", "finally", "task", "\u2028", "é",
        "{% if %}", "feature_complete", "all", "true", "-1",
    ]
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, width=16), _WORDS
)
_KEYS = st.sampled_from(
    [
        "id", "type", "steps", "params", "condition", "until", "dependencies", "on_error", "retry",
        "fallback", "undo", "finally", "match", "when", "name", "timeout", "persona", "tool", "run",
        "git", "form", "wait_for", "operation", "depends_on", "need", "x", "-", "max_iterations",
    ]
)  # fmt: skip
_ANYTHING = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        below = [place for key, inner in value.items() for place in _places(inner, (*path, key))]
    elif isinstance(value, list):
        below = [
            each for index, inner in enumerate(value) for each in _places(inner, (*path, index))
        ]
    return [path, *below] if path else below


def _replaced(whole: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(whole)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@given(st.sampled_from(_places(WHOLE)), _ANYTHING)
@settings(max_examples=400, deadline=None)
def test_a_workflow_with_anything_anywhere_compiles_or_has_faults(
    path: tuple[Any, ...], value: Any
) -> None:
    text = json.dumps(_replaced(WHOLE, path, value))

    found, faults = compile_file("w.json", text, step_types=TYPES, personas=KNOWN)

    assert (found is None) == any(fault.severity is Severity.ERROR for fault in faults)
    assert all(fault.line == 1 and fault.message and fault.hint for fault in faults)
    if found is not None:
        loaded, _ = load_document(found.workflow.digest, found.document, step_types=TYPES)
        assert loaded == found.workflow


@given(st.dictionaries(_KEYS, _ANYTHING, max_size=5), st.lists(_ANYTHING, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_mapping_is_a_workflow_or_has_faults(top: dict[str, Any], steps: list[Any]) -> None:
    text = json.dumps({"name": "w", "version": "1.0.0", "steps": steps, **top})

    found, faults = compile_file("w.json", text, step_types=TYPES, personas=KNOWN)

    assert (found is None) == any(fault.severity is Severity.ERROR for fault in faults)


_PERSONA_KEYS = st.sampled_from(
    [
        "name", "kind", "command", "exit_codes", "aliases", "timeout", "files", "form", "prompt",
        "budget", "rate_limit", "tests", "model", "url", "wire", "settings",
    ]
)  # fmt: skip


@given(
    st.sampled_from(["command", "human", "llm", "http", "legacy"]),
    st.dictionaries(_PERSONA_KEYS, _ANYTHING, max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_any_mapping_is_a_persona_or_has_faults(kind: str, top: dict[str, Any]) -> None:
    text = json.dumps({"name": "a", "kind": kind, "command": ["x"], **top})

    found, faults = compile_persona("personas/a.json", text)

    assert (found is None) == bool(faults)
    assert PERSONA_FILES
