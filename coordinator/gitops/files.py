"""PURE. What every source of definitions gives, and what is not accepted in any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from coordinator.definitions import Fault, Severity

MAX_FILE_BYTES: Final = 2**20
MAX_BUNDLE_BYTES: Final = 16 * 2**20
MAX_FILES: Final = 2_000
EVERYTHING: Final = "."
"""The file of a fault that is about all files together."""


class SourceError(Exception):
    """The source could not be read now; the message says what to do, or time heals it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """What the newest state of a source is, learned cheaply."""

    mark: str
    """Differs whenever the files may differ."""
    revision: str
    """For people: `<ref>@sha1:<commit>`, or `dir:<path>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a source at one revision, and what kept others from being read."""

    revision: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """By path, with `/` between folders."""
    faults: tuple[Fault, ...] = ()
    was_rewritten: bool = False
    """The revision before is not part of this one's history."""


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file before it is read."""

    path: str
    kind: Kind
    size: int = 0


_NOT_READ: Final = {
    Kind.SYMLINK: (
        "SRC001",
        "is a symbolic link",
        "Definitions are read as they are committed, links are not followed; put a copy there.",
    ),
    Kind.SUBMODULE: (
        "SRC002",
        "is a submodule",
        "Its files are not part of this repository; put a copy of them there.",
    ),
    Kind.OTHER: ("SRC009", "is no regular file", "Remove it, or put a file there."),
}


def fault(rule: str, path: str, message: str, hint: str) -> Fault:
    """An error about a whole file."""
    return Fault(path, 1, 1, rule, Severity.ERROR, message, hint)


def listing_faults(listed: Sequence[Listed]) -> list[Fault]:
    """What keeps these files from being read; with a fault about everything none may be."""
    files = [each for each in listed if each.kind is Kind.FILE]
    size = sum(each.size for each in files)
    if len(listed) > MAX_FILES:
        message = f"there are {len(listed):,} files"
        return [fault("SRC005", EVERYTHING, message, f"At most {MAX_FILES:,} are read.")]
    found = [each for one in listed if (each := _listing_fault(one)) is not None]
    if size > MAX_BUNDLE_BYTES and not any(each.rule == "SRC004" for each in found):
        message = f"the files have {size:,} bytes together"
        found.append(fault("SRC005", EVERYTHING, message, "At most 16 MiB are read."))
    return found


def _listing_fault(one: Listed) -> Fault | None:
    if not one.path.isprintable() or not _is_utf8(one.path):
        shown = ascii(one.path)[1:-1]
        message = "the name has characters that cannot be shown"
        return fault("SRC006", shown, message, "Rename the file.")
    if one.kind is not Kind.FILE:
        rule, what, cure = _NOT_READ[one.kind]
        return fault(rule, one.path, f"the file {what}", cure)
    if one.size > MAX_FILE_BYTES:
        message = f"the file has {one.size:,} bytes"
        return fault("SRC004", one.path, message, "At most 1 MiB is read; split it or move it.")
    return None


def readable(listed: Iterable[Listed], faults: Iterable[Fault]) -> list[str]:
    """The paths of the files that may be read."""
    refused = {each.file for each in faults}
    if EVERYTHING in refused:
        return []
    return [
        each.path
        for each in listed
        if each.path not in refused and ascii(each.path)[1:-1] not in refused
    ]


def pointer_fault(path: str) -> Fault:
    """The fault of a file that large-file storage has."""
    return fault(
        "SRC003",
        path,
        "the file is a pointer to large-file storage",
        "Commit the file itself; take its path out of .gitattributes.",
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
