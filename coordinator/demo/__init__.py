"""The main job on a sample repository: a task goes in, a merged fix comes out."""
