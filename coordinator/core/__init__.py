"""PURE."""
