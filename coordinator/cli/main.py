"""The program `coordinator`: its version at once, everything else through the root command."""

from __future__ import annotations

import gc
import os
import sys

_NAME = "coordinator"


def main() -> int:
    """Run the command line; the exit code of the process."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"{_NAME} {version()}\n")
        return 0
    # Importing makes many objects and no garbage; the collector would cost a tenth of the time.
    gc.set_threshold(50_000, 20, 20)
    from coordinator.cli.root import run

    return run(arguments)


def version() -> str:
    """The installed version; `unknown` when the program runs without being installed."""
    # The name of the folder says it; asking importlib.metadata takes longer than all the rest.
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith(f"{_NAME}-") and name.endswith(".dist-info"):
                return name[len(_NAME) + 1 : -len(".dist-info")]
    return "unknown"


if __name__ == "__main__":
    sys.exit(main())
