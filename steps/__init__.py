"""Step types."""
