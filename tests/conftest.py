"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# The suite says the same of the same code every time. To look for what nobody has seen yet:
# `HYPOTHESIS_PROFILE=explore make test`.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
