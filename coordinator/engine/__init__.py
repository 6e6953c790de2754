"""ASYNC loops around the decider: load, decide, commit. No driver is imported here."""

from coordinator.engine.engine import RunResult, WorkflowEngine

__all__ = ["RunResult", "WorkflowEngine"]
