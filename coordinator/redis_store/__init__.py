"""Everything that the engine needs from the outside, kept on a Redis or Valkey server."""
