"""PURE. From YAML text to a checked, compiled definition, or all its faults.

`read` turns text into plain data with positions; `parse` makes steps of it; `analyse` draws edges
and checks them; `build` lowers steps to graphs; `compile` does all that for files and bundles.
"""

from coordinator.definitions.compile import (
    Bundle,
    compile_bundle,
    compile_file,
    compile_persona,
    load_document,
    read_personas,
)
from coordinator.definitions.compiled import Compiled, Match
from coordinator.definitions.digest import TamperedDefinitionError, UnreadableDefinitionError
from coordinator.definitions.faults import Fault
from coordinator.definitions.layout import (
    is_example_path,
    is_persona_path,
    is_scenario_path,
    is_workflow_path,
)
from coordinator.definitions.parameters import check_params
from coordinator.definitions.persona import Persona, PersonaKind
from coordinator.definitions.personas import Personas
from coordinator.definitions.rules import RULES, Rule, Severity
from coordinator.definitions.schema_json import environment_schema, persona_schema, workflow_schema
from coordinator.definitions.workflow import workflow_id

__all__ = [
    "RULES",
    "Bundle",
    "Compiled",
    "Fault",
    "Match",
    "Persona",
    "PersonaKind",
    "Personas",
    "Rule",
    "Severity",
    "TamperedDefinitionError",
    "UnreadableDefinitionError",
    "check_params",
    "compile_bundle",
    "compile_file",
    "compile_persona",
    "environment_schema",
    "is_example_path",
    "is_persona_path",
    "is_scenario_path",
    "is_workflow_path",
    "load_document",
    "persona_schema",
    "read_personas",
    "workflow_id",
    "workflow_schema",
]
