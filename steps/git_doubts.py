"""What git or the coordinator would refuse of a git operation, as far as its keys tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from coordinator.core.lowering import Doubt

STRATEGIES: Final = ("squash", "merge", "fast-forward", "rebase")
_SPELLINGS: Final = ("merge_commit", "merge-commit", "fast_forward")
_STRATEGY_KEYS: Final = {"merge": "strategy", "finalize": "merge_strategy"}
_NAMES: Final = ("branch", "base_branch", "target_branch")
_NO_NAME: Final = re.compile(
    r"^-|^/|/$|//|/-|\.\.|@\{|[\s~^:?*\[\\\x00-\x1f\x7f]|(^|/)\.|\.lock(/|$)|\.$|^@$|^HEAD$|^refs/|^$"
)


def doubts(own: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Doubt]:
    """A strategy that there is not, a tag without a name, and names that no branch can have."""
    params = common.get("params") or {}
    operation = str(own.get("operation"))
    key = _STRATEGY_KEYS.get(operation, "")
    strategy = params.get(key)
    if _is_literal(strategy) and strategy not in (*STRATEGIES, *_SPELLINGS):
        told = f'"{strategy}" is no strategy; there are {", ".join(STRATEGIES)}'
        yield Doubt(("params", key), told)
    if operation == "tag" and params.get("name") is None:
        yield Doubt(("operation",), "a tag needs a name; write it under params")
    in_params = (*_NAMES, "name") if operation == "tag" else _NAMES
    named: dict[tuple[str, ...], object] = {("branch",): own.get("branch")}
    named |= {("params", each): params.get(each) for each in in_params}
    for path, name in named.items():
        if _is_literal(name) and not can_be_a_name(name):
            yield Doubt(path, f'git takes no branch or tag called "{name}"')


def can_be_a_name(name: str) -> bool:
    """Whether git and the coordinator take it for the short name of a branch or tag."""
    return not _NO_NAME.search(name)


def _is_literal(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and "{{" not in value
