"""PURE. From YAML text to a checked, compiled definition, or all its faults."""
