"""The checked forms of everything from outside that becomes part of a git command.

A value of one of these types was checked when it was made and cannot change, so the code that
builds argvs never asks again. Each is a `str`; anything else is refused with `InvalidNameError`
(what it should be, and why it is not).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote_to_bytes, urlsplit

from coordinator.gitx.errors import InvalidNameError

_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_RUN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NODE: Final = re.compile(r"[A-Za-z0-9_/#@.\[\]-]{1,512}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_REF_BAD: Final = re.compile(r"[ ~^:?*\[\\]")
_SCP: Final = re.compile(
    r"(?P<user>[A-Za-z0-9_][\w.-]*)@(?P<host>[A-Za-z0-9][\w.-]*):(?P<path>[^/].*)"
)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_IGNORED_BY_HFS: Final = re.compile(r"[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_LONGEST_NAME: Final = 200
_LONGEST_PATH: Final = 4_096


class _Checked(str):
    """Text that passed its type's rule; `what` is the word for it in messages."""

    __slots__ = ()
    what = "name"

    def __new__(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise InvalidNameError(cls.what, value, "it is not text")
        why = cls._why_not(value)
        if why is not None:
            raise InvalidNameError(cls.what, value, why)
        return super().__new__(cls, value)

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        raise NotImplementedError


class Sha(_Checked):
    """A whole object name: 40 or 64 lower-case hexadecimal digits."""

    __slots__ = ()
    what = "revision"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        if _SHA.fullmatch(value):
            return None
        return "write all 40 (or 64) hexadecimal digits in lower case"


class RunName(_Checked):
    """A run id as part of a ref."""

    __slots__ = ()
    what = "run id"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        return None if _RUN.fullmatch(value) else "use a-z, 0-9 and dashes, at most 63"


class NodeName(_Checked):
    """The path of a node, as part of a trailer."""

    __slots__ = ()
    what = "node path"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        return None if _NODE.fullmatch(value) else "use letters, digits and _ / # @ . [ ] - only"


class _RefName(_Checked):
    __slots__ = ()
    prefix = ""

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        return _why_no_ref(value, _LONGEST_NAME)

    @property
    def ref(self) -> str:
        """The full ref, `refs/...`."""
        return self.prefix + self


class BranchName(_RefName):
    """A branch without `refs/heads/`."""

    __slots__ = ()
    what = "branch name"
    prefix = "refs/heads/"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        if value == "HEAD" or value.startswith("refs/"):
            return "write the short name of a branch, such as feat/login"
        return _why_no_ref(value, _LONGEST_NAME)


class TagName(_RefName):
    """A tag without `refs/tags/`."""

    __slots__ = ()
    what = "tag name"
    prefix = "refs/tags/"


class RefName(_RefName):
    """A full ref: `refs/...`."""

    __slots__ = ()
    what = "ref"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        if not value.startswith("refs/"):
            return "it does not start with refs/"
        return _why_no_ref(value, 2 * _LONGEST_NAME)


def run_ref(run: RunName) -> RefName:
    """The ref that holds the files of `run`."""
    return RefName(f"refs/coordinator/runs/{run}")


def _why_no_ref(value: str, longest: int) -> str | None:
    """The rule of git-check-ref-format, and no dash in front, nothing unprintable, not too long."""
    if not value or len(value) > longest:
        return f"it is empty or longer than {longest} characters"
    if value.startswith("-"):
        return "it starts with a dash, which git reads as an option"
    if not value.isprintable() or _REF_BAD.search(value):
        return "it holds a space, a control character or one of ~ ^ : ? * [ \\"
    if ".." in value or "@{" in value or value == "@" or value.endswith("."):
        return "it holds .. or @{, is @, or ends with a dot"
    if not _is_utf8(value):
        return "it is not valid Unicode"
    for part in value.split("/"):
        if not part or part.startswith((".", "-")) or part.endswith(".lock"):
            return "a part of it is empty, starts with a dot or a dash, or ends with .lock"
    return None


class RepoPath(_Checked):
    """A path of a file in a repository: relative, normalised, in no spelling below `.git`."""

    __slots__ = ()
    what = "path in the repository"

    @classmethod
    def _why_not(cls, value: str) -> str | None:
        if not value or len(value) > _LONGEST_PATH or not _is_utf8(value):
            return f"it is empty, longer than {_LONGEST_PATH} characters or not valid Unicode"
        if _CONTROL.search(value) or "\\" in value:
            return "it holds a control character or a backslash"
        if value.startswith("/"):
            return "it is absolute"
        for part in value.split("/"):
            if part in {"", ".", ".."}:
                return "a part of it is empty, . or .."
            if is_git_dir_name(part):
                return "it leads into a git directory"
        return None


def is_git_dir_name(part: str) -> bool:
    """Whether some file system takes `part` for `.git`: case, ignorable characters, short names."""
    folded = _IGNORED_BY_HFS.sub("", unicodedata.normalize("NFKC", part)).casefold()
    folded = folded.split(":", 1)[0].rstrip(". ")
    return folded in {".git", "git~1"}


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """Where a repository is: https, ssh, or a path on this host that the operator allowed."""

    text: str
    """What git is given."""
    is_local: bool = False

    @classmethod
    def parse(cls, value: object, *, allow_local: bool | Sequence[Path] = False) -> RemoteUrl:
        """The remote that `value` names: `https://…`, `ssh://…`, `git@host:path`, a path or `file://`.

        `allow_local` lists the folders below which local repositories may be; True is any.

        Raises:
            InvalidNameError: another scheme, credentials in the text, characters that a shell, git
                or a server could read differently, or a local path that is not allowed.
        """
        if not isinstance(value, str):
            raise InvalidNameError("repository URL", value, "it is not text")
        why = _why_no_url_text(value)
        if why is not None:
            raise InvalidNameError("repository URL", value, why)
        if value.startswith(("/", "file://")):
            return cls(_local_path(value, allow_local), is_local=True)
        scp = _SCP.fullmatch(value) if "://" not in value else None
        why = _why_no_remote(f"ssh://{scp['user']}@{scp['host']}/{scp['path']}" if scp else value)
        if why is not None:
            raise InvalidNameError("repository URL", value, why)
        return cls(value)

    def __str__(self) -> str:
        return self.text


def _why_no_url_text(value: str) -> str | None:
    if not value or len(value) > 2_000 or value.startswith("-"):
        return "it is empty, too long or starts with a dash"
    if not value.isprintable() or not _is_utf8(value) or re.search(r"[\s$`\\\"'<>|;{}]", value):
        return "it holds a space, a control character or one of $ ` \\ \" ' < > | ; { }"
    if _CONTROL.search(unquote_to_bytes(value).decode("latin-1")):
        return "it holds an encoded control character"
    if "::" in value:
        return "transports of the form name:: run programs"
    return None


def _why_no_remote(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return "it cannot be read"
    if parts.scheme not in {"https", "ssh"}:
        return "write https://…, ssh://…, user@host:path or, where allowed, an absolute path"
    if parts.password is not None or (parts.username is not None and parts.scheme == "https"):
        return "it holds credentials; give them to the daemon's git access instead"
    if parts.username is not None and not _USER.fullmatch(parts.username):
        return "its user name is not plain"
    if not _HOST.fullmatch(parts.hostname or "") or port == 0:
        return "its host or port is not one"
    if parts.query or parts.fragment or len(parts.path) < 2:
        return "it needs a path, and no query or fragment"
    if any(part in {".", ".."} for part in parts.path.split("/")):
        return "its path holds . or .."
    return None


def _local_path(value: str, allow_local: bool | Sequence[Path]) -> str:
    path = Path(value.removeprefix("file://"))
    if not path.is_absolute():
        raise InvalidNameError("repository URL", value, "a file URL needs an absolute path")
    if allow_local is False:
        raise InvalidNameError("repository URL", value, "local repositories are not allowed here")
    real = path.resolve()
    if allow_local is not True and not any(
        real.is_relative_to(root.resolve()) for root in allow_local
    ):
        raise InvalidNameError(
            "repository URL", value, "no allowed folder of repositories holds it"
        )
    return str(real)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
