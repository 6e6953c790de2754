"""PURE. Runs without Redis, personas or waiting: the real `decide` on a virtual clock."""

from coordinator.simulation.fit import check_fit
from coordinator.simulation.scenario import Outcome, Scenario, play, read_scenario
from coordinator.simulation.script import Script, ScriptError
from coordinator.simulation.shape import scenario_schema
from coordinator.simulation.simulate import Simulation, simulate

__all__ = [
    "Outcome",
    "Scenario",
    "Script",
    "ScriptError",
    "Simulation",
    "check_fit",
    "play",
    "read_scenario",
    "scenario_schema",
    "simulate",
]
