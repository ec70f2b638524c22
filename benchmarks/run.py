"""Runs the benchmarks and writes benchmarks/results/latest.md: `run.py [--data DIR] [NAME ...]`."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from common import ROOT, arguments

NAMES = (
    "startup",
    "cli_search",
    "search_latency",
    "scale",
    "indexing",
    "quality",
    "judging",
    "experiments",
    "elastic",
    "rerank",
    "signals",
    "tuning",
    "ask",
    "roles",
    "indexing_memory",
    "ingest",
    "panel_latency",
    "monitor",
    "gpu",
    "gpu_memory",
)
LATEST = ROOT / "benchmarks" / "results" / "latest.md"


def main() -> int:
    """Run each in a process of its own; the worst exit status of them."""
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    LATEST.parent.mkdir(exist_ok=True)
    started = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    sections = [f"# Benchmarks, {started}\n"]
    worst = 0
    for name in given.names or NAMES:
        status, output = _run(name, given.data)
        if status:
            output += f"\n`{name}.py` exited {status}; what it printed last is above.\n"
        worst = max(worst, status)
        sections.append(output)
        LATEST.write_text("\n".join(sections), "utf-8")
    return worst


def _run(name: str, data: Path) -> tuple[int, str]:
    """Exit status and standard output, which is shown meanwhile."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--data", str(data)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip() + "\n")
    return process.returncode, "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
