"""What the coordinator's git work is asked for and what it answers, as values and as JSON.

Everything is checked when the value is made: an unknown key, a missing one or one of the wrong kind
is an `InvalidRequestError`, so the operations never ask again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from coordinator.gitx.errors import InvalidRequestError
from coordinator.gitx.names import BranchName, NodeName, RunName, Sha

PARAMETERS: Final[Mapping[str, Mapping[str, type]]] = MappingProxyType(
    {
        "prepare": {"merges": bool},
        "checkout-branch": {"branch": str, "base_branch": str, "continue_existing": bool},
        "apply-patch": {"message": str},
        "commit": {"message": str},
        "push": {"branch": str},
        "merge": {"target_branch": str, "strategy": str, "message": str},
        "rebase": {"base_branch": str},
        "tag": {"name": str, "message": str},
        "sync": {"base_branch": str, "message": str},
        "diff": {"max_bytes": int},
        "finalize": {
            "target_branch": str,
            "merge_strategy": str,
            "cleanup_branch": bool,
            "message": str,
        },
        "rollback": {"target_branch": str, "message": str},
        "release": {"succeeded": bool},
    }
)
"""Every operation, and its parameters with their kinds; all optional but the name of a tag."""

STRATEGIES: Final = frozenset({"merge", "squash", "fast-forward", "rebase"})
MAX_MESSAGE_CHARACTERS: Final = 2_000
MAX_PATCH_BYTES: Final = 16 * 2**20
_LONGEST_TEXT: Final = 10_000
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """Where the files of a run are: what one operation learns and the next is told."""

    repo: str | None = None
    """The remote; None is the coordinator's own repository."""
    ref: str | None = None
    branch: BranchName | None = None
    """The work branch, under which `push` shows the run's revision."""
    base_branch: BranchName | None = None
    base_revision: Sha | None = None
    """The revision of the base branch that the run's changes are against."""
    revision: Sha | None = None
    """The run's newest revision."""

    @classmethod
    def from_json(cls, value: object) -> RunFiles:
        """Read what a workflow's context says of the run's files."""
        names = ("repo", "ref", "branch", "base_branch", "base_revision", "revision")
        known = _object(value, "files", names)
        branch, base_branch = _text(known, "branch"), _text(known, "base_branch")
        base, revision = _text(known, "base_revision"), _text(known, "revision")
        return cls(
            repo=_text(known, "repo") or None,
            ref=_text(known, "ref") or None,
            branch=BranchName(branch) if branch else None,
            base_branch=BranchName(base_branch) if base_branch else None,
            base_revision=Sha(base) if base else None,
            revision=Sha(revision) if revision else None,
        )

    def to_json(self) -> dict[str, str | None]:
        """The same as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLimits:
    """What a step may change, as globs; None leaves it to the built-in rule."""

    branches: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, value: object) -> ChangeLimits:
        """Read `{branches: [globs] | null, paths: [globs] | null}`."""
        known = _object(value, "limits", ("branches", "paths"))
        return cls(branches=_globs(known, "branches"), paths=_globs(known, "paths"))

    def to_json(self) -> dict[str, list[str] | None]:
        """The same as plain data."""
        return {
            "branches": None if self.branches is None else list(self.branches),
            "paths": None if self.paths is None else list(self.paths),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A git diff, and the revision it was made against."""

    base: Sha
    diff: str = field(repr=False)

    @classmethod
    def from_json(cls, value: object) -> Patch:
        """Read `{base, diff}`."""
        known = _object(value, "patch", ("base", "diff"))
        diff = known.get("diff")
        if not isinstance(diff, str) or len(diff) > MAX_PATCH_BYTES:
            raise InvalidRequestError(f"patch.diff must be text up to {MAX_PATCH_BYTES} characters")
        return cls(base=Sha(known.get("base")), diff=diff)

    def to_json(self) -> dict[str, str]:
        """The same as plain data."""
        return {"base": self.base, "diff": self.diff}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """One git operation that a node of a run asks for.

    `at` (RFC 3339, with a zone) becomes the date of the commits made. With it, two coordinators
    that do the same work make the same commits; without it, the clock of the one that works counts.
    """

    operation: str
    run: RunName
    node: NodeName
    attempt: int
    params: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    files: RunFiles = field(default_factory=RunFiles)
    limits: ChangeLimits = field(default_factory=ChangeLimits)
    may_push: bool = False
    patch: Patch | None = None
    at: datetime | None = None

    @classmethod
    def from_json(cls, value: object) -> WorkRequest:
        """Read a request from plain data.

        Raises:
            InvalidRequestError: its form is not the agreed one.
            InvalidNameError: a name in it is not one.
        """
        known = _object(value, "git work request", cls.__slots__)
        operation = known.get("operation")
        if not isinstance(operation, str) or operation not in PARAMETERS:
            raise InvalidRequestError(
                f"operation {ascii(operation)[:80]} is not one of {', '.join(PARAMETERS)}"
            )
        attempt, may_push = known.get("attempt"), known.get("may_push", False)
        if type(attempt) is not int or not 1 <= attempt < 10**9:
            raise InvalidRequestError("attempt must be a number from 1")
        if type(may_push) is not bool:
            raise InvalidRequestError("may_push must be true or false")
        return cls(
            operation=operation,
            run=RunName(known.get("run")),
            node=NodeName(known.get("node")),
            attempt=attempt,
            params=_parameters(operation, known.get("params")),
            title=_text(known, "title"),
            files=RunFiles.from_json(known.get("files")),
            limits=ChangeLimits.from_json(known.get("limits")),
            may_push=may_push,
            patch=None if known.get("patch") is None else Patch.from_json(known["patch"]),
            at=_moment(_text(known, "at")),
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "operation": self.operation,
            "run": self.run,
            "node": self.node,
            "attempt": self.attempt,
            "params": dict(self.params),
            "title": self.title,
            "files": self.files.to_json(),
            "limits": self.limits.to_json(),
            "may_push": self.may_push,
            "patch": None if self.patch is None else self.patch.to_json(),
            "at": None if self.at is None else self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """What came of a git operation: `result` is the workflow's, `files` what changed of them."""

    result: Mapping[str, Any]
    files: Mapping[str, str | None]

    @classmethod
    def from_json(cls, value: object) -> WorkResult:
        """Read a result from plain data."""
        known = _object(value, "git work result", ("result", "files"))
        files = _object(known.get("files"), "files", RunFiles.__slots__)
        result = known.get("result")
        if not isinstance(result, Mapping):
            raise InvalidRequestError("result must be an object")
        return cls(result=dict(result), files=dict(files))

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"result": dict(self.result), "files": dict(self.files)}


def clean_message(text: str) -> str:
    """A git commit message out of text from anywhere: bounded, no control or direction marks."""
    clean = _UNSAFE.sub("", text.replace("\r\n", "\n")).strip()
    return clean[:MAX_MESSAGE_CHARACTERS].rstrip()


def _object(value: object, what: str, names: Sequence[str]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{what} must be an object")
    unknown = [ascii(key)[:80] for key in value if key not in names]
    if unknown:
        raise InvalidRequestError(f"{what} has unknown keys {', '.join(unknown)}")
    return value


def _text(known: Mapping[str, Any], name: str) -> str:
    value = known.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise InvalidRequestError(f"{name} must be text up to {_LONGEST_TEXT} characters")
    return value


def _globs(known: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = known.get(name)
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) > 200:
        raise InvalidRequestError(f"limits.{name} must be a list of at most 200 globs")
    for glob in value:
        if not isinstance(glob, str) or not 0 < len(glob) <= 500 or glob.count("*") > 20:
            raise InvalidRequestError(f"limits.{name} holds {ascii(glob)[:80]}, which is no glob")
    return tuple(value)


def _parameters(operation: str, value: object) -> Mapping[str, Any]:
    kinds = PARAMETERS[operation]
    known = _object(value, f"params of {operation}", tuple(kinds))
    for name, given in known.items():
        if given is not None and type(given) is not kinds[name]:
            raise InvalidRequestError(f"{operation}: {name} must be of type {kinds[name].__name__}")
    return {name: given for name, given in known.items() if given is not None}


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year < 1970:
        raise InvalidRequestError(f"at {ascii(text)[:80]} is no time like 2026-01-31T12:00:00Z")
    return moment
