"""PURE. Runs without Redis, personas or waiting: the real `decide` on a virtual clock."""

from coordinator.simulation.script import Script, ScriptError
from coordinator.simulation.simulate import Simulation, simulate

__all__ = ["Script", "ScriptError", "Simulation", "simulate"]
