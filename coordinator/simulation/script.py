"""What the personas and humans of a simulation say: the `replies:` and `signals:` of a scenario."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.core.definition import ErrorClass
from coordinator.core.durations import DurationError, duration_ms
from coordinator.core.events import AUTO, MANUAL
from coordinator.core.moments import MomentError, moment_ms
from coordinator.core.verdicts import verdict_of_word

_REPLY_KEYS: Final = frozenset(
    {"verdict", "result", "error", "message", "retryable", "after", "status", "artifacts"}
)
ANSWERS: Final = ("approve", "reject", "abort")
HANDS: Final = ("retry", "skip", "continue")
"""What a person does to a node; of these, `true` for a path means the run."""
PATCH: Final = "patch"
ADVANCE: Final = "advance"
STEERING: Final = ("cancel", "terminate", "pause", "resume")
SIGNAL: Final = "signal"
KINDS: Final = (*ANSWERS, *HANDS, *STEERING, SIGNAL, PATCH, ADVANCE)
"""The keys of which a signal of a scenario has exactly one."""
_SIGNAL_KEYS: Final = frozenset(
    {"at", "by", "comment", "values", "reason", "params", "prompt", *KINDS}
)


ANY_INSTANCE: Final = re.compile(r"#\*|\[\*\]")
"""Any iteration, or any item, of a loop in a path."""
START_MS: Final = 1_000_000_000_000
"""When a run begins on the virtual clock, unless its script says."""


class ScriptError(ValueError):
    """The replies or signals are not written as they have to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """What a persona says, and how long it takes."""

    verdict: str | None = None
    result: object = None
    error: str | None = None
    message: str = ""
    retryable: bool | None = None
    after_ms: int = 0
    artifacts: tuple[Mapping[str, object], ...] = ()

    @property
    def is_silence(self) -> bool:
        """`error: timeout` without a time: nothing is said until the time limit strikes."""
        return self.error == ErrorClass.TIMEOUT and self.after_ms == 0


PASS_AT_ONCE: Final = ScriptedReply(verdict="pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedSignal:
    """What somebody does to the run, and when."""

    at_ms: int
    kind: str
    node: str = ""
    """Of an answer, or of what a person does to a node: its path; empty for the run."""
    name: str = ""
    """Of a signal: what the steps call it that wait for it. Of `advance`: the mode."""
    by: str = ""
    comment: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    """Of a patch: what it sets."""
    params: Mapping[str, object] = field(default_factory=dict)
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that is said in one simulation."""

    exact: Mapping[str, tuple[ScriptedReply, ...]] = field(default_factory=dict)
    globs: Sequence[tuple[re.Pattern[str], tuple[ScriptedReply, ...]]] = ()
    paths: tuple[str, ...] = ()
    """Whom there are replies for, paths and globs as they are written."""
    signals: Sequence[ScriptedSignal] = ()
    seed: str = "0"
    """What chance is drawn from; the same seed gives the same simulation."""
    start_ms: int = START_MS
    """When the run begins, in milliseconds since 1970."""
    advance: str = AUTO

    @classmethod
    def read(
        cls,
        replies: object = None,
        signals: object = None,
        *,
        seed: object = 0,
        starts_at: object = None,
        advance: object = None,
    ) -> Script:
        """From the values of a scenario file.

        Raises:
            ScriptError: with what is wrong, and where.
        """
        if not isinstance(replies, Mapping | None):
            raise ScriptError("replies has to map node paths to replies")
        if isinstance(signals, str | Mapping) or not isinstance(signals, Sequence | None):
            raise ScriptError("signals has to be a list")
        exact: dict[str, tuple[ScriptedReply, ...]] = {}
        globs: list[tuple[re.Pattern[str], tuple[ScriptedReply, ...]]] = []
        for key, said in (replies or {}).items():
            spoken = _replies(str(key), said)
            if "*" in str(key):
                globs.append((glob(str(key)), spoken))
            else:
                exact[str(key)] = spoken
        told = tuple(_signal(at, one) for at, one in enumerate(signals or (), 1))
        paths = tuple(map(str, replies or ()))
        return cls(
            exact=exact,
            globs=globs,
            paths=paths,
            signals=told,
            seed=str(seed),
            start_ms=_start(starts_at),
            advance=MANUAL if advance == MANUAL else AUTO,
        )

    def names(self, path: str) -> bool:
        """Whether replies are for this very node, or for it in any iteration or item; not where a
        glob only happens to match it.
        """
        if path in self.exact:
            return True
        named = (
            each for each in self.paths if "*" in each and "*" not in ANY_INSTANCE.sub("", each)
        )
        return any(glob(each).fullmatch(path) for each in named)

    def reply(self, path: str, attempt: int) -> ScriptedReply:
        """What the node's persona says to this attempt; a pass at once where nothing is written."""
        spoken = self.exact.get(path)
        if spoken is None:
            spoken = next((said for each, said in self.globs if each.fullmatch(path)), None)
        if not spoken:
            return PASS_AT_ONCE
        return spoken[min(attempt, len(spoken)) - 1]


def _start(value: object) -> int:
    if value is None:
        return START_MS
    try:
        moment = moment_ms(value)
    except MomentError as error:
        raise ScriptError(f"starts_at: {error}") from None
    if moment < 0:
        raise ScriptError("starts_at: the clock begins in 1970 at the earliest")
    return moment


def glob(text: str) -> re.Pattern[str]:
    """What a glob of paths matches: `*` crosses `/`; everything else, `[` and `#` too, is meant."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def _replies(key: str, said: object) -> tuple[ScriptedReply, ...]:
    entries = said if isinstance(said, list | tuple) else [said]
    return tuple(_reply(key, entry) for entry in entries)


def _reply(key: str, entry: object) -> ScriptedReply:
    if not isinstance(entry, Mapping):
        raise ScriptError(f"replies.{key}: a reply is a mapping such as {{verdict: pass}}")
    unknown = sorted(set(map(str, entry)) - _REPLY_KEYS)
    if unknown:
        known = ", ".join(sorted(_REPLY_KEYS))
        raise ScriptError(f"replies.{key}: unknown key {unknown[0]!r}; there are {known}")
    error = entry.get("error")
    if error is not None and str(error) not in set(ErrorClass):
        known = ", ".join(ErrorClass)
        raise ScriptError(f"replies.{key}: {error!r} is no error class; there are {known}")
    retryable = entry.get("retryable")
    verdict, status = entry.get("verdict"), entry.get("status")
    if verdict is None and isinstance(status, str):
        verdict = verdict_of_word(status)
    return ScriptedReply(
        verdict=None if verdict is None else str(verdict),
        result=entry.get("result"),
        error=None if error is None else str(error),
        message=str(entry.get("message", "")),
        retryable=retryable if isinstance(retryable, bool) else None,
        after_ms=_time(f"replies.{key}.after", entry.get("after")),
        artifacts=_artifacts(key, entry.get("artifacts")),
    )


def _artifacts(key: str, given: object) -> tuple[Mapping[str, object], ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise ScriptError(f"replies.{key}: artifacts is a list such as [{{name: report}}]")
    return tuple(given)


def _time(where: str, value: object) -> int:
    if value is None or (value == 0 and not isinstance(value, bool)):
        return 0
    try:
        return duration_ms(value)
    except DurationError as error:
        raise ScriptError(f"{where}: {error}") from None


def _signal(number: int, entry: object) -> ScriptedSignal:
    where = f"signals[{number}]"
    if not isinstance(entry, Mapping):
        raise ScriptError(f"{where}: a signal is a mapping such as {{at: 10m, approve: release}}")
    unknown = sorted(set(map(str, entry)) - _SIGNAL_KEYS)
    if unknown:
        raise ScriptError(f"{where}: unknown key {unknown[0]!r}")
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise ScriptError(f"{where}: name one of {', '.join(KINDS)}")
    [kind], what = kinds, entry[kinds[0]]
    return ScriptedSignal(
        at_ms=_time(f"{where}.at", entry.get("at")),
        kind=kind,
        node=str(what) if kind in (*ANSWERS, *HANDS) and what is not True else "",
        name=str(what) if kind in (SIGNAL, ADVANCE) else "",
        by=str(entry.get("by", "")),
        comment=str(entry.get("comment", entry.get("reason", ""))),
        values=_mapping(what if kind == PATCH else entry.get("values")),
        params=_mapping(entry.get("params")),
        prompt=str(entry.get("prompt", "")),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
