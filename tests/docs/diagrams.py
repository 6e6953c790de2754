"""State machines as Mermaid diagrams, drawn from the tables that the code obeys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

Moves = Mapping[str, frozenset[str]]


def state_diagram(moves: Mapping[StrEnum, frozenset[StrEnum]], *, around: str) -> str:
    """The diagram of a table of moves.

    States from which every end can be reached in one move stand in a box called `around`, and one
    arrow from the box to each end says so: else the arrows to the ends would hide all others.
    """
    plain = {state.value: frozenset(to.value for to in after) for state, after in moves.items()}
    ends = [state for state, after in plain.items() if not after]
    inside = [state for state, after in plain.items() if after and after.issuperset(ends)]
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(plain))}"]
    lines += _arrows(plain, [state for state in plain if state not in (*inside, *ends)], "    ")
    lines += [f"    state {around} {{"]
    lines += _arrows(plain, inside, "        ", without=ends)
    lines += ["    }"]
    lines += [f"    {around} --> {end}" for end in ends]
    lines += [f"    {end} --> [*]" for end in ends]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def _arrows(
    plain: Moves, states: list[str], indent: str, *, without: Iterable[str] = ()
) -> list[str]:
    order = list(plain)
    return [
        f"{indent}{state} --> {to}"
        for state in states
        for to in sorted(plain[state] - set(without), key=order.index)
    ]


def moves_in(diagram: str) -> dict[str, set[str]]:
    """The table that a diagram shows; the arrow of a box counts for all that is in it."""
    box = re.search(r"state (\w+) \{\n(.*?)\n    \}", diagram, re.DOTALL)
    assert box is not None
    arrows = re.findall(r"(\S+) --> (\S+)", diagram)
    inside = set(re.findall(r"\w+", box[2].replace("-->", " ")))
    found: dict[str, set[str]] = {}
    for start, end in arrows:
        if "[*]" in (start, end):
            continue
        for state in inside if start == box[1] else {start}:
            found.setdefault(state, set()).add(end)
    return found
