"""The coordinator's own copy of a repository: bare, private, and without a work tree.

Everything the coordinator knows of a repository it reads from the objects here, and everything it
makes is made here by plumbing. Where there is a remote, the remote's refs are the truth: a mirror
can be deleted at any time, and another daemon with another mirror goes on from the remote alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from coordinator import faults
from coordinator.gitx.credentials import Credential, write_askpass
from coordinator.gitx.errors import GitError, GitRaceError
from coordinator.gitx.lock import WRITER, remove_leftovers, writer_lock
from coordinator.gitx.names import BranchName, RefName, RemoteUrl, RepoPath, Sha
from coordinator.gitx.process import Bounds, GitOutput, GitPlace, run_git

NETWORK_SECONDS: Final = 300.0
LOCK_SECONDS: Final = 120.0
MAX_BLOBS_BYTES: Final = 64 * 2**20
_ABSENT: Final = "0" * 40
# Highest precedence: nothing in a repository's own .gitattributes changes a byte or runs a program.
NEUTRAL_ATTRIBUTES: Final = "* -text !eol !ident !filter !working-tree-encoding !merge !diff\n"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a tree. `mode` 120000 is a symbolic link, 160000 a submodule (without size)."""

    mode: str
    sha: Sha
    size: int | None
    path: str

    @property
    def is_regular(self) -> bool:
        """Whether it is a plain file, and not a link, a submodule or something else."""
        return self.mode in {"100644", "100755"}


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move `ref` from `old` to `new`; None is "is not there"."""

    ref: RefName
    old: Sha | None
    new: Sha | None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A bare repository owned by this daemon, for one remote or for none."""

    path: Path
    url: RemoteUrl | None
    place: GitPlace
    credential: Credential | None = None
    """Only the processes that talk to the remote get it."""

    @classmethod
    def open(
        cls, root: Path, url: RemoteUrl | None, *, credential: Credential | None = None
    ) -> Mirror:
        """The mirror of `url` below `root/mirrors`, made when it is not there yet; mode 0700."""
        key = hashlib.sha256((url.text if url else "").encode()).hexdigest()[:32]
        path = root / "mirrors" / key
        if not (path / "HEAD").exists():
            _create(path, url)
        local = url is not None and url.is_local
        place = GitPlace(
            git_dir=path,
            global_config=path / "coordinator.gitconfig" if local else Path("/dev/null"),
            local_remote=local,
        )
        return cls(path, url, place, credential)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Mirror]:
        """This mirror with its writer lock held; locks left by a killed git are gone.

        Raises:
            GitTransientError: another writer did not finish in two minutes.
        """
        if self.place.lock is not None:
            yield self
            return
        with writer_lock(self.path / WRITER, wait_seconds=LOCK_SECONDS) as lock:
            remove_leftovers(self.path)
            yield replace(self, place=replace(self.place, lock=lock))

    def git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        bounds: Bounds | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> GitOutput:
        """Run git in this repository; only for `gitx`, whose arguments are checked types."""
        place = self.place
        if variables:
            place = replace(place, variables=(*place.variables, *variables.items()))
        return run_git(arguments, place, stdin=stdin, bounds=bounds or Bounds())

    def _git_remote(self, *arguments: str) -> GitOutput:
        place = replace(self.place, credential=self.credential, askpass=self.path / "askpass")
        return run_git(arguments, place, bounds=Bounds(timeout_seconds=NETWORK_SECONDS))

    # Reading

    def resolve(self, name: Sha | RefName) -> Sha | None:
        """The git commit that `name` is here, as last fetched; None when it is not here."""
        if isinstance(name, RefName) and self.url is not None:
            name = mirrored(name)
        out = self.git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}",
            bounds=Bounds(exit_codes=(0, 1, 128)),
        )  # fmt: skip
        return Sha(out.text) if out.exit_code == 0 else None

    def tree_of(self, commit: Sha) -> Sha:
        """The tree of `commit`."""
        out = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{tree}}")
        return Sha(out.text)

    def is_ancestor(self, older: Sha, newer: Sha) -> bool:
        """Whether `newer` contains `older`."""
        return (
            self.git(
                "merge-base", "--is-ancestor", "--end-of-options", older, newer,
                bounds=Bounds(exit_codes=(0, 1)),
            ).exit_code == 0
        )  # fmt: skip

    def merge_base(self, one: Sha, other: Sha) -> Sha | None:
        """The newest revision that both contain; None for unrelated histories."""
        out = self.git(
            "merge-base", "--end-of-options", one, other, bounds=Bounds(exit_codes=(0, 1))
        )
        return Sha(out.text.split("\n")[0]) if out.exit_code == 0 else None

    def read_tree(self, revision: Sha, paths: Sequence[RepoPath] = ()) -> list[TreeEntry]:
        """Every file below `paths` at `revision`, links and submodules included."""
        out = self.git(
            "ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", revision, *paths
        )
        entries = []
        for line in out.stdout.split(b"\0")[:-1]:
            facts, _, path = line.partition(b"\t")
            mode, _, sha, size = facts.decode("ascii").split()
            name = path.decode("utf-8", "surrogateescape")
            entries.append(TreeEntry(mode, Sha(sha), None if size == "-" else int(size), name))
        return entries

    def read_blobs(
        self, shas: Sequence[Sha], *, max_bytes: int = MAX_BLOBS_BYTES
    ) -> dict[Sha, bytes]:
        """The content of each blob, read by one git process.

        Raises:
            GitError: one is missing or no blob, or together they are more than `max_bytes`.
        """
        if not shas:
            return {}
        out = self.git(
            "cat-file", "--batch", "--buffer",
            stdin="".join(f"{sha}\n" for sha in shas).encode(),
            bounds=Bounds(output_bytes=max_bytes + 100 * len(shas)),
        )  # fmt: skip
        blobs, at = {}, 0
        for sha in shas:
            end = out.stdout.index(b"\n", at)
            words = out.stdout[at:end].decode("ascii", "replace").split()
            if len(words) != 3 or words[1] != "blob":
                raise GitError(f"{sha} is not a blob of this repository: {' '.join(words[1:])}")
            size = int(words[2])
            blobs[sha] = out.stdout[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return blobs

    # The remote

    def ls_remote(self, *patterns: str) -> dict[str, Sha]:
        """The refs that match `patterns`, and where the truth (the remote, if any) has them now."""
        if self.url is None:
            command = ("for-each-ref", "--format=%(objectname)%09%(refname)", "--", *patterns)
            out = self.git(*command)
        else:
            command = (
                "ls-remote",
                "--quiet",
                "--refs",
                "--end-of-options",
                self.url.text,
                *patterns,
            )
            out = self._git_remote(*command)
        found = {}
        for line in out.text.splitlines():
            sha, _, ref = line.partition("\t")
            found[ref] = Sha(sha)
        return found

    def default_branch(self) -> BranchName | None:
        """The branch that the truth's HEAD names; None when it names none that exists."""
        if self.url is None:
            ref = self.git("symbolic-ref", "--quiet", "HEAD", bounds=Bounds(exit_codes=(0, 1))).text
            name = ref.removeprefix("refs/heads/")
            return BranchName(name) if name and self.resolve(RefName(ref)) else None
        symref = ("ls-remote", "--quiet", "--symref", "--end-of-options", self.url.text, "HEAD")
        out = self._git_remote(*symref)
        for line in out.text.splitlines():
            if line.startswith("ref: refs/heads/") and line.endswith("\tHEAD"):
                return BranchName(line.removeprefix("ref: refs/heads/").removesuffix("\tHEAD"))
        return None

    def fetch(self, refs: Sequence[RefName]) -> dict[RefName, Sha]:
        """Bring those of `refs` that exist with all they contain; where each is now.

        The mirror keeps each under `mirrored(ref)`. A ref that is gone from the remote stays here.
        """
        with self.writing() as mirror:
            there = mirror.ls_remote(*refs)
            found = {ref: there[ref] for ref in refs if ref in there}
            if mirror.url is None or not found:
                return found
            names = [mirrored(ref) for ref in found]
            here = mirror._local(names)
            stale = [ref for ref in found if here.get(mirrored(ref)) != found[ref]]
            if not stale:
                return found
            mirror._fetch_specs([f"+{ref}:{mirrored(ref)}" for ref in stale])
            here = mirror._local(names)
            return {ref: here[mirrored(ref)] for ref in found}

    def fetch_revision(self, revision: Sha, ref: RefName | None = None) -> None:
        """Make sure that `revision` is here; `ref` is where it most likely is.

        Raises:
            GitError: the repository does not have it.
        """
        if self.resolve(revision) is not None:
            return
        if ref is not None:
            self.fetch([ref])
        if self.url is not None and self.resolve(revision) is None:
            self._fetch_specs([revision])
        if self.resolve(revision) is None:
            raise GitError(f"the repository does not have revision {revision}")

    def _fetch_specs(self, specs: Sequence[str]) -> None:
        with self.writing() as mirror:
            mirror._git_remote(
                "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
                "--no-auto-maintenance", "--end-of-options", str(self.url), *specs,
            )  # fmt: skip

    def _local(self, refs: Sequence[RefName]) -> dict[str, Sha]:
        out = self.git("for-each-ref", "--format=%(refname) %(objectname)", "--", *refs)
        pairs = (line.split(" ") for line in out.text.splitlines())
        return {ref: Sha(sha) for ref, sha in pairs}

    def publish(self, updates: Sequence[RefUpdate], *, keep_copies: bool = False) -> None:
        """Move all refs or none, in the truth first and then in this mirror.

        With `keep_copies` the mirror keeps a ref that its remote loses.

        Raises:
            GitRaceError: a ref was not where its update says. Nothing was moved.
            GitRefusedError: the remote does not allow it.
        """
        moves = [update for update in updates if update.old != update.new]
        if not moves:
            return
        with self.writing() as mirror:
            if mirror.url is not None:
                faults.point("git.before_push")
                mirror._push_together(mirror.url, moves)
                faults.point("git.after_push")
            if not keep_copies:
                mirror._update_refs(moves)
            faults.point("git.after_update_ref")

    def push(self, ref: RefName, new: Sha | None, *, expected_old: Sha | None) -> None:
        """Move one ref of the truth; see `publish`."""
        self.publish([RefUpdate(ref, expected_old, new)])

    def _push_together(self, url: RemoteUrl, updates: Sequence[RefUpdate]) -> None:
        try:
            self._push(url, updates)
        except GitError as error:
            if "support --atomic" not in error.stderr:
                raise
            # Callers put the run's ref last and look for their commit on the branch before it.
            for update in updates:
                self._push(url, [update])

    def _push(self, url: RemoteUrl, updates: Sequence[RefUpdate]) -> None:
        leases = [f"--force-with-lease={update.ref}:{update.old or ''}" for update in updates]
        specs = [f"{update.new or ''}:{update.ref}" for update in updates]
        atomic = ["--atomic"] if len(updates) > 1 else ["--no-atomic"]
        self._git_remote(
            "push", "--porcelain", "--quiet", "--no-verify", "--no-signed", "--no-follow-tags",
            "--no-thin", *atomic, *leases, "--end-of-options", url.text, *specs,
        )  # fmt: skip

    def _update_refs(self, updates: Sequence[RefUpdate]) -> None:
        lines = []
        for update in updates:
            name = update.ref if self.url is None else mirrored(update.ref)
            # With a remote ours is a copy, whatever it says now; without one it is the truth.
            old = f" {update.old or _ABSENT}" if self.url is None else ""
            verb = f"update {name} {update.new}" if update.new else f"delete {name}"
            lines.append(f"{verb}{old}\n")
        try:
            self.git(
                "update-ref", "--stdin", stdin="".join(["start\n", *lines, "commit\n"]).encode()
            )
        except GitError as error:
            if error.exit_code == 128 and self.url is None:
                raise GitRaceError("a ref moved meanwhile", stderr=error.stderr) from error
            raise


def is_lfs_pointer(content: bytes) -> bool:
    """Whether a file's content only says where large-file storage has the real one."""
    return len(content) < 1_024 and content.startswith(b"version https://git-lfs.github.com/spec/")


def mirrored(ref: RefName) -> RefName:
    """The name under which a mirror keeps the remote's `ref`.

    Flat, because here a branch `a` that is gone from the remote may stand beside its branch `a/b`.
    """
    if ref.startswith("refs/coordinator/"):
        return ref
    name = ref.removeprefix("refs/heads/").replace("%", "%25").replace("/", "%2F")
    if len(name.encode()) > 200:
        name = hashlib.sha256(name.encode()).hexdigest()
    return RefName(f"refs/remotes/origin/{name}")


def _create(path: Path, url: RemoteUrl | None) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        place = GitPlace(git_dir=fresh)
        run_git(["init", "--quiet", "--bare", "--template=", str(fresh)], place)
        (fresh / "info").mkdir(exist_ok=True)
        (fresh / "info" / "attributes").write_text(NEUTRAL_ATTRIBUTES)
        write_askpass(fresh / "askpass")
        config = fresh / "coordinator.gitconfig"
        config.touch()
        if url is not None and url.is_local:
            _trust(config, url, place)
        os.rename(fresh, path)
    except OSError:
        # Another process made it first: a folder that is not empty cannot be replaced.
        if not (path / "HEAD").exists():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _trust(config: Path, url: RemoteUrl, place: GitPlace) -> None:
    # The operator listed this path. Its owner may be another user, as with a mounted folder, and
    # the git on the other side reads this setting from the user's configuration only.
    for directory in (url.text, f"{url.text}/.git"):
        run_git(["config", "--file", str(config), "--add", "safe.directory", directory], place)
