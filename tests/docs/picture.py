"""The picture of a run: `docs/run.scenario.yml` played through `decide`, as SVG and as a tree."""

from __future__ import annotations

import io
from functools import cache
from html import escape
from typing import Any

import yaml
from rich.console import Console

from coordinator.cli.live import tree
from coordinator.core.durations import duration_text
from coordinator.core.lowering import StepType
from coordinator.core.report import NodeRow, rows
from coordinator.core.tasks import normalise_task
from coordinator.core.turn import PHASE_SCOPES
from coordinator.definitions.compile import compile_file, read_personas
from coordinator.shipped import shipped_files
from coordinator.simulation import Script, Simulation, simulate
from steps.registry import BUILT_IN
from tests.architecture.source import ROOT

SCENARIO = "docs/run.scenario.yml"

LABELS, CHART, LINE, TOP = 250, 640, 26, 64
"""Width of the names and of the bars, height of a row and of what stands above the first one."""
INK, FAINT, RULE = "#1f2933", "#66727f", "#e3e8ee"
COLOURS = {"pass": "#2f9e63", "fail": "#cf4a3f", None: "#4a7fc1"}
"""Of a bar, by verdict; the coordinator's own work has none."""
CONTAINER = "#c9d2dc"


def built_in_types() -> dict[str, StepType]:
    """The step types without plugins, so that a plugin at home changes no page."""
    return {each.name: each for each in BUILT_IN}


@cache
def simulation() -> Simulation:
    """The run of the scenario file."""
    said: dict[str, Any] = yaml.safe_load((ROOT / SCENARIO).read_text(encoding="utf-8"))
    files = {path: text.encode() for path, text in shipped_files().items()}
    personas, _, _ = read_personas(
        {path: text for path, text in files.items() if path.startswith("personas/")}
    )
    path = f"workflows/{said['workflow']}.yml"
    compiled, faults = compile_file(
        path, files[path], step_types=built_in_types(), personas=personas
    )
    assert compiled is not None, faults
    return simulate(
        compiled.workflow,
        task=normalise_task(said["task"]),
        params={each.name: each.default for each in compiled.workflow.parameters},
        script=Script.read(said["replies"]),
    )


def text_tree() -> str:
    """The run as `coordinator run` shows it on a terminal."""
    run = simulation()
    page = io.StringIO()
    Console(file=page, width=100, color_system=None).print(tree(run.definition, run.state))
    return "```text\n" + "\n".join(line.rstrip() for line in page.getvalue().splitlines()) + "\n```"


def svg() -> str:
    """The run as bars over time, one row per node."""
    run = simulation()
    shown = rows(run.definition, run.state)
    begin, length = run.state.head.created_ms, run.virtual_ms
    height = TOP + LINE * len(shown) + 44
    width = LABELS + CHART + 150
    title = f"{run.state.head.workflow}: {run.state.head.task['title']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="ui-sans-serif, system-ui, sans-serif" font-size="13" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        _text(20, 28, title, 'font-weight="600"'),
        _text(
            width - 20,
            28,
            f"{run.status} after {duration_text(length)}",
            f'text-anchor="end" fill="{FAINT}"',
        ),
        *_ticks(length, TOP + LINE * len(shown)),
    ]
    for number, row in enumerate(shown):
        parts += _row(row, TOP + LINE * number, begin, length)
    parts += _legend(height - 18)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ticks(length: int, bottom: int) -> list[str]:
    parts = []
    for minute in range(length // 60_000 + 1):
        x = LABELS + _scaled(minute * 60_000, length)
        parts.append(f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{bottom}" stroke="{RULE}"/>')
        parts.append(
            _text(x, TOP - 14, f"{minute}m", f'text-anchor="middle" font-size="11" fill="{FAINT}"')
        )
    return parts


def _row(row: NodeRow, y: int, begin: int, length: int) -> list[str]:
    depth = row.path.count("/")
    name = row.path.rpartition("/")[2]
    around = row.path.rpartition("/")[0]
    if around in PHASE_SCOPES:
        depth, name = 0, row.path
    elif "#" in around:
        name = f"{name}  #{around.rpartition('#')[2]}"
    x = LABELS + _scaled(row.started_ms - begin, length)
    long = max(3, _scaled(row.ended_ms - row.started_ms, length))
    is_container = row.type in ("repeat", "parallel", "conditional")
    colour = CONTAINER if is_container else COLOURS[row.verdict]
    tall = 4 if is_container else 14
    said = f"{row.status}{f', {row.verdict}' if row.verdict else ''}"
    told = f"{row.path}: {said}, {duration_text(max(1, row.ended_ms - row.started_ms))}"
    tried = f"attempt {row.attempts}" if row.attempts > 1 else ""
    beside = " · ".join(
        part for part in ("" if is_container else row.verdict or "done", tried) if part
    )
    return [
        _text(20 + 16 * depth, y + 13, name),
        f'<rect x="{x}" y="{y + 9 - tall // 2}" width="{long}" height="{tall}" rx="2" '
        f'fill="{colour}"><title>{escape(told)}</title></rect>',
        _text(x + long + 6, y + 13, beside, f'font-size="11" fill="{FAINT}"'),
    ]


def _legend(y: int) -> list[str]:
    parts, x = [], 20
    for said, colour in (
        ("verdict pass", COLOURS["pass"]),
        ("verdict fail", COLOURS["fail"]),
        ("the coordinator's own git work", COLOURS[None]),
        ("block", CONTAINER),
    ):
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 18, y, said, f'font-size="11" fill="{FAINT}"'))
        x += 42 + 7 * len(said)
    return parts


def _text(x: int, y: int, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}"{" " + more if more else ""}>{escape(text)}</text>'


def _scaled(milliseconds: int, length: int) -> int:
    return round(milliseconds * CHART / max(1, length))
