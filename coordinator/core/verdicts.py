"""What a reply means: `pass`, `fail` or `unknown`.

A verdict is read, never guessed. The first of these that is there decides:

1. the explicit `verdict` of the reply, or of its result;
2. the `status` (or `verdict`) of the innermost JSON object that has one: the result itself, what it
   holds under `output`, JSON text in a string, a fenced block, an object between prose;
3. lines `Status: …`, `Result: …`, `Verdict: …` with a listed word as their whole value, if all of
   them agree.

A word counts only as a whole value, trimmed and in any case: `1 passed, 0 failed` is not a word.
The work is bounded whatever the text: at most `MAX_TEXT` characters are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

PASS: Final = "pass"  # noqa: S105 - a verdict, not a password
FAIL: Final = "fail"
UNKNOWN: Final = "unknown"

PASS_WORDS: Final = frozenset(
    {"pass", "passed", "success", "succeeded", "approved", "ok", "green", "lgtm"}
    | {"complete", "completed"}
)
FAIL_WORDS: Final = frozenset(
    {"fail", "failed", "block", "blocked", "reject", "rejected", "error", "not pass", "red"}
)

MAX_TEXT: Final = 1 << 20
"""Of a longer text the first and the last half of this many characters are read."""
_MAX_LEVELS: Final = 8
_MAX_FENCES: Final = 50
_MAX_STRINGS: Final = 2_000

_LINE: Final = re.compile(
    r"^[ \t]*[*_`]{0,3}(?:status|result|verdict)[*_`]{0,3}:(.{0,40})$", re.I | re.M
)
_EMPHASIS: Final = " \t\r*_`"
_NO_TESTS: Final = re.compile(
    r"(?<![\d.,])0 passed, 0 failed\b"
    r"|\bno tests (?:(?!fail|skip|err|brok)[\w'./-]{1,30} ){0,4}"
    r"(?:present|found|ran|run|executed|collected)\b"
    r"|\bnothing to execute\b"
    r"|(?<![\d.,])\b0 tests (?:were )?(?:executed|run|ran|collected|found)\b"
    r"|\bcollected 0 items\b"
)


def read_verdict(result: object, explicit: str | None, *, tests_required: bool = False) -> str:
    """The verdict of a reply: `pass`, `fail` or `unknown`.

    With `tests_required` a pass whose result says that no tests ran is `fail`.
    """
    verdict = _explicit(explicit) or _stated(result)
    if verdict == PASS and tests_required and says_no_tests_ran(result):
        return FAIL
    return verdict


def verdict_of_word(word: str) -> str:
    """The verdict that `word` is, as a whole value; `unknown` for any other text."""
    known = word[:64].strip().lower() if len(word) <= MAX_TEXT else ""
    if known in PASS_WORDS:
        return PASS
    return FAIL if known in FAIL_WORDS else UNKNOWN


def stated_in(value: Mapping[str, object]) -> str | None:
    """The verdict that this object states in `verdict` or `status`; None if neither is text."""
    for key in ("verdict", "status"):
        word = value.get(key)
        if isinstance(word, str) and word.strip():
            return verdict_of_word(word)
    return None


def says_no_tests_ran(result: object) -> bool:
    """Whether the result says, in words or in counts, that there was nothing to test."""
    return any(_NO_TESTS.search(text.lower()) for text in _texts(result)) or _counts_nothing(result)


def _explicit(word: str | None) -> str | None:
    return verdict_of_word(word) if word is not None and word.strip() else None


def _stated(result: object) -> str:
    """The innermost statement wins; lines count only where no object states anything."""
    found: str | None = None
    value: object = result
    text = ""
    for _ in range(_MAX_LEVELS):
        if isinstance(value, str):
            text = _bounded(value)
            value = _object_in(text)
            if isinstance(value, str):
                continue
        if not isinstance(value, Mapping):
            break
        found = stated_in(value) or found
        value = value.get("output")
    return found or _from_lines(text)


def _object_in(text: str) -> object:
    """The JSON object or string that `text` is, or the first object in it; None without one."""
    whole = _parsed(text)
    if isinstance(whole, (Mapping, str)):
        return whole
    objects = [value for value in map(_parsed, _fenced(text)) if isinstance(value, Mapping)]
    for candidate in objects:
        if stated_in(candidate) is not None or "output" in candidate:
            return candidate
    start, end = text.find("{"), text.rfind("}")
    between = _parsed(text[start : end + 1]) if 0 <= start < end else None
    return between if isinstance(between, Mapping) else next(iter(objects), None)


def _fenced(text: str) -> Iterator[str]:
    """The contents of the fenced blocks, without the word after the opening fence."""
    parts = text.split("```", 2 * _MAX_FENCES)
    for body in parts[1::2]:
        first, newline, rest = body.partition("\n")
        yield rest if newline and "{" not in first else body.removeprefix("json")


def _parsed(text: str) -> object:
    if text.lstrip(" \t\r\n")[:1] not in ("{", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _from_lines(text: str) -> str:
    verdicts = {verdict_of_word(m.group(1).strip(_EMPHASIS)) for m in _LINE.finditer(text)}
    verdicts.discard(UNKNOWN)
    return verdicts.pop() if len(verdicts) == 1 else UNKNOWN


def _bounded(text: str) -> str:
    """`text`, or whole lines of its two ends when it is too long."""
    text = _without_thoughts(text)
    if len(text) <= MAX_TEXT:
        return text
    head, tail = text[: MAX_TEXT // 2], text[-MAX_TEXT // 2 :]
    return head[: head.rfind("\n") + 1] + tail[tail.find("\n") + 1 :]


def _without_thoughts(text: str) -> str:
    """Drop a leading `<think>…</think>`: what a model says to itself is not its answer."""
    if not text[:64].lstrip().startswith("<think>"):
        return text
    end = text.find("</think>")
    return text if end < 0 else text[end + len("</think>") :]


def _texts(result: object) -> Iterator[str]:
    """The strings in `result`, as many as the bounds allow."""
    pending, budget = [result], MAX_TEXT
    for _ in range(_MAX_STRINGS):
        if not pending or budget <= 0:
            return
        value = pending.pop()
        if isinstance(value, str):
            text = _bounded(value)
            budget -= len(text)
            yield text
        elif isinstance(value, Mapping):
            pending.extend(list(value.values())[:_MAX_STRINGS])
        elif isinstance(value, list | tuple):
            pending.extend(value[:_MAX_STRINGS])


def _counts_nothing(result: object) -> bool:
    if not isinstance(result, Mapping):
        return False
    counts = [result.get(key) for key in ("passed", "failed")]
    return all(isinstance(n, int) and not isinstance(n, bool) and n == 0 for n in counts)
