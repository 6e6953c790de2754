"""The runtime of personas: it takes requests, runs programs for them, and answers."""
