"""The nodes of a workflow and of those that it runs, by path: the steps of a child run are named
after the path of the step that runs it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from coordinator.core.definition import Ask, Node, Workflow

_MOST: Final = 10_000


def child_of(workflow: Workflow, node: Node) -> Workflow | None:
    """The workflow that a step of `workflow` runs, if it runs one."""
    asked = node.primitive
    if not isinstance(asked, Ask) or asked.child is None:
        return None
    return workflow.children.get(asked.child)


def every_path(workflow: Workflow) -> list[str]:
    """The static path of every node, the outermost first, as far as anybody reads."""
    found: list[str] = []
    pending = deque([("", workflow)])
    while pending and len(found) < _MOST:
        prefix, each = pending.popleft()
        for path, node in each.nodes.items():
            found.append(prefix + path)
            child = child_of(each, node)
            if child is not None:
                pending.append((f"{prefix}{path}/", child))
    return found
