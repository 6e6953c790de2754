"""What a step does about failures: `on_error`, `retry`, `retries`, `join`, from words to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coordinator.core.definition import RETRIED_BY_DEFAULT, Backoff, ErrorClass, Join, Retry
from coordinator.definitions.check import Checked
from coordinator.definitions.report import Named, Reporter, kind_of

ACTIONS: Final = ("abort", "continue", "retry", "escalate", "rollback")
ON_ERROR_SPELLINGS: Final = {"log_and_continue": "continue"}
DEFAULT_ATTEMPTS: Final = 3
"""Of `on_error: retry` where nothing says how often."""


def settle_words(checked: Checked, named: Named, report: Reporter) -> None:
    """Give `on_error` and `join` their canonical words; report what is none, and contradictions."""
    if "on_error" in checked.plain:
        word = _on_error(checked.plain["on_error"], named, report)
        checked.values["on_error"] = word
        checked.plain["on_error"] = word
        if word is None:
            del checked.plain["on_error"]
    if checked["join"] == "always":
        checked.values["join"] = checked.plain["join"] = "all_settled"
    retry = checked["retry"]
    if checked["retries"] is not None and retry is not None and "max_attempts" in retry.plain:
        report.key(
            "WF035",
            named.origin("retries"),
            '"retries" and "retry.max_attempts" say the same',
            "retries: 2 is max_attempts: 3; keep one of them.",
        )


def _on_error(given: object, named: Named, report: Reporter) -> object:
    at = named.origin("on_error")
    if isinstance(given, str):
        word = ON_ERROR_SPELLINGS.get(given, given)
        if word in ACTIONS:
            return word
        near = report.faults.did_you_mean(given, ACTIONS)
        words = f"{', '.join(ACTIONS)} or {{fallback: persona or steps}}"
        report.value("WF022", at, f'"on_error" is "{given}"; it has to be {words}'[:300], near)
        return None
    if isinstance(given, Mapping) and list(given) == ["fallback"]:
        if isinstance(given["fallback"], str | list | Mapping):
            return dict(given)
        at = (*at, "fallback")
        given = given["fallback"]
    report.value(
        "WF022",
        at,
        f'"on_error" has to be one of {", ".join(ACTIONS)}, or {{fallback: ...}}, '
        f"not {kind_of(given)}",
        "A fallback is the name of a persona, or a list of steps.",
    )
    return None


def join_of(checked: Checked) -> Join:
    """The join of a step."""
    return Join(checked["join"] or Join.NONE_FAILED)


def retry_of(checked: Checked, defaults: Checked | None) -> Retry:
    """How a step is tried again; each key that it does not give comes from the file's defaults."""
    own = checked["retry"]
    said: dict[str, object] = {**(_given(defaults)), **(_given(own))}
    if checked["retries"] is not None:
        said["max_attempts"] = int(checked["retries"]) + 1
    elif checked["on_error"] == "retry":
        said.setdefault("max_attempts", DEFAULT_ATTEMPTS)
    plain = Retry()
    return Retry(
        max_attempts=_number(said, "max_attempts", plain.max_attempts),
        backoff=Backoff(str(said.get("backoff", plain.backoff))),
        delay_ms=_number(said, "delay", plain.delay_ms),
        max_delay_ms=_number(said, "max_delay", plain.max_delay_ms),
        max_total_ms=_number(said, "max_total", 0) or None,
        on=_classes(said.get("on")),
    )


def _given(retry: Checked | None) -> dict[str, object]:
    values = retry.values if retry is not None else {}
    return {key: value for key, value in values.items() if value is not None}


def _number(said: Mapping[str, object], key: str, default: int) -> int:
    value = said.get(key, default)
    return value if isinstance(value, int) else default


def _classes(names: object) -> frozenset[ErrorClass]:
    if not isinstance(names, list):
        return RETRIED_BY_DEFAULT
    return frozenset(ErrorClass(name) for name in names)
