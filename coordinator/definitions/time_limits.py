"""Times that another limit of the file makes meaningless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.core.durations import duration_text
from coordinator.core.lowering import Mark
from coordinator.definitions.check import Checked, fields_of, mark_of
from coordinator.definitions.read import Path
from coordinator.definitions.report import Named, Reporter
from coordinator.definitions.step import Step

_TIMES = (Mark.DURATION, Mark.DURATION_TEMPLATE)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Looks at the times of one file."""

    report: Reporter

    def look_at(self, top: Checked, named: Named, steps: Sequence[Step]) -> None:
        """Report each time that cannot pass before another one has."""
        whole = top["timeout"]
        defaults = top["defaults"]
        if defaults is not None:
            self._check_retry(defaults["retry"], named.origin("defaults", "retry"))
            self._check_whole(whole, defaults["timeout"], named.origin("defaults", "timeout"))
        for step in steps:
            self._check_retry(step.common["retry"], step.origin("retry"))
            for key, time in _times(step):
                self._check_whole(whole, time, step.origin(key))

    def _check_whole(self, whole: object, time: object, at: Path) -> None:
        if isinstance(whole, int) and isinstance(time, int) and time > whole:
            told = f"the workflow's timeout is {duration_text(whole)}"
            self.report.value("WF076", at, f"{duration_text(time)} never pass here: {told}")

    def _check_retry(self, retry: Checked | None, at: Path) -> None:
        if retry is None:
            return
        delay, most, total = retry["delay"], retry["max_delay"], retry["max_total"]
        if delay is not None and most is not None and delay > most:
            told = f"max_delay is {duration_text(most)}, so delay is never {duration_text(delay)}"
            self.report.value("WF076", (*at, "delay"), told)
        if delay is not None and total is not None and delay >= total:
            told = f"max_total is {duration_text(total)}, so there is no other attempt after delay"
            self.report.value("WF076", (*at, "max_total"), told)


def _times(step: Step) -> Iterator[tuple[str, object]]:
    """The keys of a step that hold a time."""
    yield "timeout", step.common["timeout"]
    if step.type is not None:
        for key, field in fields_of(step.type.keys).items():
            if mark_of(field) in _TIMES:
                yield key, step.own[key]
