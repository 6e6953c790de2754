"""What the texts of a step read: which step each name means, and the edges that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordinator.core.context import RUN_KEYS
from coordinator.core.ids import underscored
from coordinator.core.tasks import nearly
from coordinator.definitions.parse import ROOTS
from coordinator.definitions.report import Reporter
from coordinator.definitions.step import How, Names, Read, Step, StepList

CONTEXT_KEYS: Final = frozenset(
    {"workflowId", "workflow_id", "task", "milestone", "repoRoot", "repo_root", "branchName"}
    | {"branch_name", "baseBranch", "base_branch", "state", "dashboardState", "dashboard_state"}
    | {"gitState", "git_state", "artifacts", "personaResults", "persona_results", "params"}
    | {"variables", "steps"}
)
_SAME_AS_STEPS: Final = frozenset({"steps", "personaResults", "persona_results"})
_LOOP_NAMES: Final = {
    "iteration": "inside a repeat",
    "item": "inside a foreach",
    "index": "inside a foreach",
}
OWN_NAMES: Final = ("result", "verdict")
"""What the outputs of a step read of the step itself."""
ALWAYS_THERE: Final = frozenset({"outcome", "status", "attempts", "error", "verdict"})
"""Keys of a settled step that are there even when it was skipped."""


@dataclass(frozen=True, slots=True)
class Target:
    """The step that a read is about."""

    step: Step
    by_state: bool
    """Read as `state.x_...`, which makes no edge."""
    needs_result: bool
    """What is read is only there when the step succeeded."""
    rest: tuple[str, ...] = ()
    """What is read of the step, as after `steps.<id>.`."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds what names mean in one file."""

    names: Names
    report: Reporter

    def target(
        self, read: Read, reader: Step | None, *, roots: frozenset[str] = ROOTS
    ) -> Target | None:
        """The step that `read` is about, if it is about one; unknown names are reported."""
        path = read.reference.path
        root = path[0]
        if root in _item_names(reader):
            return None
        if root in ROOTS and root not in roots:
            known = ", ".join(sorted(roots))
            self._fault("WF059", read, f'"{root}" cannot be read here', f"Known here: {known}.")
            return None
        if root in _LOOP_NAMES:
            self._check_loop_name(root, read, reader)
            return None
        if root == "env":
            self._check_env(read, reader)
            return None
        if root in ROOTS:
            found = self._below_root(path, read)
            return self._outside_items(found, read) if reader is None else found
        if read.how is How.OUTPUT and root in OWN_NAMES:
            return None
        found = self._bare(path, read, may_be_step="steps" in roots)
        return self._outside_items(found, read) if reader is None else found

    def _outside_items(self, target: Target | None, read: Read) -> Target | None:
        """For texts outside all steps: what is inside a foreach cannot be read."""
        around = foreach_between(None, target.step) if target else None
        if target is None or around is None:
            return target
        self._fault("WF045", read, *into_items(target.step, around))
        return None

    def _below_root(self, path: tuple[str, ...], read: Read) -> Target | None:
        root, rest = path[0], path[1:]
        if not rest:
            return None
        match root:
            case "context":
                return self._of_context(path, read)
            case "params":
                self._check_known("WF054", "parameter", rest[0], self.names.parameters, read)
            case "variables":
                self._check_known("WF055", "variable", rest[0], self.names.variables, read)
            case "steps":
                return self._step(rest, read)
            case "state":
                return self._state(rest, read)
            case "run" | "task":
                self._check_slip(root, rest[0], read)
        return None

    def _check_env(self, read: Read, reader: Step | None) -> None:
        about = read.reference
        self.names.env.add(about.path[1] if len(about.path) > 1 else "*")
        if len(about.path) < 2:
            return
        is_guarded = about.guarded or _is_asked_for(about.path[:2], reader)
        problem = self.names.environments.problem(about._replace(guarded=is_guarded))
        if problem is not None:
            rule, message, hint = problem
            self._fault(rule, read, message, hint)

    def _of_context(self, path: tuple[str, ...], read: Read) -> Target | None:
        name = path[1]
        if name not in CONTEXT_KEYS:
            near = self.report.faults.did_you_mean(name, CONTEXT_KEYS)
            self._fault("WF056", read, f'context has no key "{name}"', near)
            return None
        below = "steps" if name in _SAME_AS_STEPS else name
        return self._below_root((below, *path[2:]), read) if below in ROOTS else None

    def _step(self, rest: tuple[str, ...], read: Read) -> Target | None:
        name = underscored(rest[0])
        step = self.names.steps.get(name)
        if step is None:
            if name not in self.names.unreadable:
                near = self.report.faults.did_you_mean(rest[0], self._step_ids())
                self._fault("WF053", read, f'there is no step "{rest[0]}"', near)
            return None
        is_fact = len(rest) < 2 or rest[1] in ALWAYS_THERE
        return Target(step, by_state=False, needs_result=not is_fact, rest=rest[1:])

    def _state(self, rest: tuple[str, ...], read: Read) -> Target | None:
        name = rest[0]
        step_name, _, what = name.rpartition("_")
        ends = ("status", "result")
        step = self.names.steps.get(underscored(step_name)) if what in ends else None
        writers = self.names.state.get(name, ())
        if writers:
            has_others = step is not None or len(writers) > 1
            return None if has_others else Target(writers[0], by_state=True, needs_result=True)
        if step is not None:
            is_result = what == "result"
            return Target(step, by_state=True, needs_result=is_result, rest=(what, *rest[1:]))
        if underscored(step_name) not in self.names.unreadable:
            shown = (what,) if what in ends else ends
            known = [f"{each}_{end}" for each in self.names.steps for end in shown]
            near = self.report.faults.did_you_mean(name, [*known, *self.names.state])
            self._fault("WF057", read, f"nothing sets state.{name}", near)
        return None

    def _bare(self, path: tuple[str, ...], read: Read, *, may_be_step: bool) -> Target | None:
        root = path[0]
        if root in self.names.parameters:
            return None
        if may_be_step and underscored(root) in self.names.steps:
            return self._step(path, read)
        if underscored(root) in self.names.unreadable:
            return None
        known = [*(ROOTS - set(_LOOP_NAMES)), *self.names.parameters, *self.names.steps]
        near = self.report.faults.did_you_mean(root, known)
        self._fault("WF052", read, f'"{root}" is not known here', near)
        return None

    def _check_loop_name(self, name: str, read: Read, reader: Step | None) -> None:
        around = reader.ancestors() if reader else []
        if reader is not None and read.how is How.AFTER:
            around = [reader, *around]
        is_inside = any(each.type is not None and each.type.is_loop for each in around)
        if name == "index" and reader is not None and reader.items_around():
            return
        if name != "iteration" or not is_inside:
            self._fault("WF059", read, f'"{name}" is known {_LOOP_NAMES[name]} only')

    def _check_known(
        self, rule: str, what: str, name: str, known: frozenset[str], read: Read
    ) -> None:
        if name not in known:
            near = self.report.faults.did_you_mean(name, known)
            self._fault(rule, read, f'there is no {what} "{name}"', near)

    def _check_slip(self, root: str, name: str, read: Read) -> None:
        if root == "run" and name not in RUN_KEYS:
            near = self.report.faults.did_you_mean(name, RUN_KEYS)
            known = f"There are {', '.join(sorted(RUN_KEYS))}."
            self._fault("WF077", read, f'run has no key "{name}"', near or known)
        meant = nearly(name) if root == "task" else ""
        if meant:
            message = f'a task has "{meant}"; "{name}" is there only if its producer sends it'
            self._fault("WF077", read, message, f'Did you mean "{meant}"?')

    def _step_ids(self) -> list[str]:
        return [*self.names.steps, *(each.id for each in self.names.steps.values())]

    def _fault(self, rule: str, read: Read, message: str, hint: str = "") -> None:
        self.report.inside(rule, read.at, read.reference.column, message, hint)


def _is_asked_for(path: tuple[str, ...], reader: Step | None) -> bool:
    """Whether the condition of a step, or of one around it, mentions what is at `path`."""
    around = [reader, *reader.ancestors()] if reader else []
    conditions = (each.conditions.get("condition") for each in around)
    return any(
        each.path[: len(path)] == path for one in conditions if one for each in one.references
    )


def foreach_between(reader: Step | None, target: Step) -> Step | None:
    """The outermost foreach that has the target, but not the reader, among its items' steps."""
    mine = reader.items_around() if reader else []
    others = [each for each in target.items_around() if each not in mine]
    return others[-1] if others else None


def into_items(inside: Step, around: Step) -> tuple[str, str]:
    """What is wrong with reading a step inside a foreach from outside it, and the cure."""
    return (
        f'"{inside.id}" runs once for each item of "{around.id}"',
        f"Read the list of all of them: steps.{underscored(around.id)}.result.",
    )


def _item_names(reader: Step | None) -> list[str]:
    """The names of the items that the reader runs for."""
    around = reader.items_around() if reader else []
    return [each.item_name for each in around if each.item_name]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a reader and what it reads stand in the same list."""

    shared: StepList
    reader: Step
    target: Step
    """The reader and the target, or what they are inside of, as members of `shared`."""


def meet(reader: Step, target: Step) -> Meeting | None:
    """The innermost list that both are in; None when there is none."""
    mine, theirs = _line(reader), _line(target)
    met = None
    for (shared, own), (other, its) in zip(mine, theirs, strict=False):
        if shared is not other:
            break
        met = Meeting(shared, own, its)
        if own is not its:
            break
    return met


def _line(step: Step) -> list[tuple[StepList, Step]]:
    """From the outermost list to the step's own, each with the member that leads to the step."""
    around = [step, *step.ancestors()]
    return [(each.within, each) for each in reversed(around)]


def list_below(step: Step, member: Step) -> StepList | None:
    """In which list of `member` the step is; None when it is `member` itself."""
    if step is member:
        return None
    inside = step
    for around in step.ancestors():
        if around is member:
            break
        inside = around
    return inside.within
