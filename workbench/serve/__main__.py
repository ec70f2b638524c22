"""The service that `Workbench.serve` starts: told its options on standard input, whose end ends it.

Not for people: `workbench serve` is.
"""

from __future__ import annotations

import sys

from workbench.errors import WorkbenchError
from workbench.serve.options import ServeOptions
from workbench.serve.supervisor import Supervisor


def main() -> int:
    """Serve; returns the exit code."""
    try:
        options = ServeOptions.from_json(sys.stdin.readline())
        Supervisor(options, lambda url: print(f"Serving {url}", file=sys.stderr, flush=True)).run(
            parent=sys.stdin.fileno()
        )
    except WorkbenchError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
