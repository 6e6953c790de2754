"""The step types: one file each, with the keys that are its own and how it becomes a primitive."""
