"""What type a step is of that does not say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.definitions.report import Named, Reporter

PERSONA_REQUEST: Final = "persona-request"
_TOLD_BY: Final = ("type", "persona", "tool", "action", "run", "params")
RUN: Final = "run"
"""The persona of steps that are a command of their own; it needs no file."""


def infer_type(named: Named, step_id: str, report: Reporter) -> None:
    """Give a step its type and persona where other keys or its id tell them."""
    for key in _TOLD_BY:
        if named.values.get(key) is None:
            named.drop(key)
    _refuse_two_askers(named, report)
    if "tool" in named.values:
        _from_tool(named, report)
    elif "action" in named.values:
        report.key("WF035", named.origin("action"), '"action" needs "tool" beside it')
        named.drop("action")
    elif "run" in named.values:
        _from_run(named, report)
    if "type" not in named.values:
        named.put("type", PERSONA_REQUEST, named.path)
    if named.values.get("type") == PERSONA_REQUEST and "persona" not in named.values:
        named.put("persona", step_id, named.origin("id"))
        report.value(
            "WF033", named.path, f'step "{step_id}" names no persona; "{step_id}" will be asked'
        )


def _refuse_two_askers(named: Named, report: Reporter) -> None:
    said = [key for key in ("persona", "tool", "run") if key in named.values]
    for extra in said[1:]:
        report.key(
            "WF035", named.origin(extra), f'"{extra}" and "{said[0]}" both say who does the step'
        )
        named.drop(extra)
    kind = named.values.get("type", PERSONA_REQUEST)
    if said and said[0] != "persona" and kind != PERSONA_REQUEST:
        report.key(
            "WF035", named.origin(said[0]), f'"{said[0]}" makes the step a {PERSONA_REQUEST}'
        )
        named.drop("type")


def _from_tool(named: Named, report: Reporter) -> None:
    tool, action = named.values["tool"], named.values.get("action")
    named.put("persona", tool, named.origin("tool"))
    if action is not None:
        _add_param(named, "action", action, report)
    named.drop("tool")
    named.drop("action")


def _from_run(named: Named, report: Reporter) -> None:
    argv = named.values["run"]
    if not isinstance(argv, list) or not argv or not all(isinstance(each, str) for each in argv):
        report.value(
            "WF022",
            named.origin("run"),
            '"run" is a list of texts, one for each argument',
            "Write for example run: [pytest, -q]; there is no shell.",
        )
        argv = []
    named.put("persona", RUN, named.origin("run"))
    _add_param(named, RUN, argv, report)
    named.drop("run")


def _add_param(named: Named, name: str, value: object, report: Reporter) -> None:
    params = named.values.get("params")
    if params is not None and not isinstance(params, Mapping):
        return
    if params and name in params:
        report.key("WF035", named.origin("params", name), f'"{name}" is given twice')
        return
    path = named.origin("params") if params is not None else named.origin(name)
    named.put("params", {**(params or {}), name: value}, path)
