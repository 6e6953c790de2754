"""The commits of a run: how they are signed, and how they are found again.

Each commit that the coordinator makes ends with a paragraph of trailers:

    Run-Id: 01jd…           the run
    Node: fix#2/apply       the node that asked for it
    Attempt: 1
    Operation: apply-patch
    Included: fix#1/apply 1, fix#2/apply 1      nodes whose work this commit took over

This paragraph is what makes every operation safe to repeat: an operation first looks for its own
node and attempt, and finds them even when the process that made the commit died before it could say
so. Text from outside comes before it, so it cannot forge one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from coordinator.gitx.errors import InvalidNameError
from coordinator.gitx.mirror import Mirror
from coordinator.gitx.names import NodeName, RunName, Sha
from coordinator.gitx.request import WorkRequest, clean_message

_PAGE: Final = 100


class Marker(NamedTuple):
    """One attempt of one node."""

    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RunCommit:
    """A commit, and what its trailers say; `run` is empty in a commit that is not ours."""

    sha: Sha
    parents: tuple[Sha, ...]
    tree: Sha
    message: str
    run: str = ""
    operation: str = ""
    markers: tuple[Marker, ...] = ()
    """The attempt that made it, then those it took over."""


def message_for(
    request: WorkRequest, text: str, *, included: Iterable[Marker] = (), reverts: Sequence[Sha] = ()
) -> str:
    """`text` (or the title, or the node) as a git commit message with the trailers of `request`."""
    subject = clean_message(text) or clean_message(request.title) or str(request.node)
    lines = [
        f"Run-Id: {request.run}",
        f"Node: {request.node}",
        f"Attempt: {request.attempt}",
        f"Operation: {request.operation}",
    ]
    taken = dict.fromkeys(marker for marker in included if marker != marker_of(request))
    if taken:
        lines.append(f"Included: {_listed(taken)}")
    lines += [f"Reverts: {sha}" for sha in reverts]
    return f"{subject}\n\n" + "\n".join(lines) + "\n"


def message_including(message: str, marker: Marker) -> str:
    """The message of one of our commits, which from now on also stands for `marker`."""
    body, _, trailers = message.rstrip("\n").rpartition("\n\n")
    lines = trailers.split("\n")
    kept = [line for line in lines if not line.startswith("Included: ")]
    before = [line.removeprefix("Included: ") for line in lines if line not in kept]
    return f"{body}\n\n" + "\n".join(
        [*kept, f"Included: {', '.join([*before, _listed([marker])])}\n"]
    )


def marker_of(request: WorkRequest) -> Marker:
    """The attempt that `request` is for."""
    return Marker(str(request.node), request.attempt)


def read_commits(mirror: Mirror, *revisions: str, limit: int) -> list[RunCommit]:
    """At most `limit` commits, newest first, along first parents; `^sha` leaves its own out."""
    out = mirror.git(
        "log", "-z", "--first-parent", "--encoding=UTF-8", "--no-decorate", "--no-notes",
        "--no-color", "--no-show-signature", "--no-patch", "--format=%H%n%P%n%T%n%B",
        f"--max-count={limit}", "--end-of-options", *revisions, "--",
    )  # fmt: skip
    text = out.stdout.decode("utf-8", "replace")
    return [_parsed(record) for record in text.split("\0") if record.strip()]


def own_commits(mirror: Mirror, tip: Sha, run: RunName) -> list[RunCommit]:
    """The run's own commits at the end of `tip`, newest first, up to the first of others."""
    own: list[RunCommit] = []
    start: Sha | None = tip
    while start is not None:
        page = read_commits(mirror, start, limit=_PAGE)
        start = None
        for commit in page:
            if commit.run != run:
                return own
            own.append(commit)
        if len(page) == _PAGE and page[-1].parents:
            start = page[-1].parents[0]
    return own


def find(commits: Iterable[RunCommit], run: RunName, marker: Marker) -> RunCommit | None:
    """The newest of `commits` that stands for `marker`."""
    return next((c for c in commits if c.run == run and marker in c.markers), None)


def _parsed(record: str) -> RunCommit:
    sha, parents, tree, message = record.lstrip("\n").split("\n", 3)
    plain = RunCommit(Sha(sha), tuple(map(Sha, parents.split())), Sha(tree), message)
    facts: dict[str, str] = {}
    for line in message.rstrip("\n").rpartition("\n\n")[2].split("\n"):
        name, colon, value = line.partition(": ")
        if colon:
            facts.setdefault(name, value)
    try:
        run, node = RunName(facts.get("Run-Id")), NodeName(facts.get("Node"))
    except InvalidNameError:
        return plain
    attempt = facts.get("Attempt", "")
    if not attempt.isascii() or not attempt.isdigit() or len(attempt) > 9:
        return plain
    markers = (Marker(node, int(attempt)), *_read_list(facts.get("Included", "")))
    return RunCommit(
        plain.sha, plain.parents, plain.tree, message, run, facts.get("Operation", ""), markers
    )


def _listed(markers: Iterable[Marker]) -> str:
    return ", ".join(f"{marker.node} {marker.attempt}" for marker in markers)


def _read_list(text: str) -> list[Marker]:
    found = []
    for item in text.split(", "):
        node, _, attempt = item.rpartition(" ")
        if node and attempt.isascii() and attempt.isdigit() and len(attempt) <= 9:
            found.append(Marker(node, int(attempt)))
    return found
