"""The command line: each verb is the package's, printed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C also ends it in its first moments, while it is imported."""
    try:
        from workbench.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("Interrupted, before anything was done.", file=sys.stderr)
        sys.exit(130)
