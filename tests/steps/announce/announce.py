"""A step type in a package of its own: it writes an announcement to a board."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from coordinator.core.definition import ErrorClass
from coordinator.core.lowering import Mark
from coordinator.plugin import StepError, WorkflowContext, WorkflowStep, WorkflowStepResult


class AnnounceKeys(BaseModel):
    """The keys of a step of this type, besides those that every step has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    board: str = Field(description="where it is written")
    text: Annotated[str, Mark.TEMPLATE] = Field(description="what is written")
    tone: Literal["calm", "loud"] = Field("calm", description="loud is in capitals")


class Announce(WorkflowStep):
    """Writes one line to a board that it keeps in the coordinator's state directory."""

    type: ClassVar[str] = "announce"
    description: ClassVar[str] = "Write an announcement to a board."
    parameters: ClassVar[Any] = AnnounceKeys
    result_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {"line": {"type": "string"}, "board": {"type": "string"}},
        "required": ["line", "board"],
    }

    async def execute(self, context: WorkflowContext) -> WorkflowStepResult:
        """Write the line, once however often it is called for the same run and node."""
        board, text = str(context.params["board"]), str(context.params["text"])
        if context.params.get("busy_until_attempt", 0) > context.attempt:
            raise StepError(f"{board} is busy", error_class=ErrorClass.TRANSPORT)
        line = text.upper() if context.params["tone"] == "loud" else text
        await asyncio.to_thread(_write_once, Path(context.state_dir, board), context, line)
        return WorkflowStepResult(result={"line": line, "board": board}, verdict="pass")


def _write_once(board: Path, context: WorkflowContext, line: str) -> None:
    entry = f"{context.run} {context.node}: {line}\n"
    board.parent.mkdir(parents=True, exist_ok=True)
    written = board.read_text() if board.exists() else ""
    if entry not in written:
        board.write_text(written + entry)
