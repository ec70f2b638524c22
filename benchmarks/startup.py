"""What `import workbench` costs: a fresh process less a bare Python, and what it pulls in."""

from __future__ import annotations

import json
from collections.abc import Callable

from common import (
    Figure,
    Process,
    arguments,
    heading,
    index_of,
    interleave,
    run_process,
    table,
    targets,
)

FORBIDDEN = ("torch", "transformers", "ipywidgets", "elasticsearch", "pandas")
BARE = "bare python"
OURS = "import workbench"
OPENED = "import workbench, open an index"
BESIDE = ("import sentence_transformers", "import lancedb")


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=15, help="of bare Python and workbench")
    parser.add_argument("--beside", type=int, default=5, help="of the others, which are slow")
    given = parser.parse_args()
    folder = index_of("scifact", given.data)
    heading("Startup")
    code = {
        BARE: "pass",
        OURS: OURS,
        OPENED: f"import workbench; workbench.open({str(folder)!r})",
        **{name: name for name in BESIDE},
    }
    own = [BARE, OURS, OPENED]
    for warm_up in code.values():
        run_process("-c", warm_up)
    timings = interleave({name: _runner(code[name]) for name in own}, range(given.runs))
    slow = {name: _runner(code[name]) for name in (BARE, *BESIDE)}
    beside = interleave(slow, range(given.beside))
    timings.update({name: beside[name] for name in BESIDE})
    bare = timings[BARE].p50
    loaded = {name: _loaded(code[name]) for name in code}
    rows = [
        (
            name,
            f"{timing.p50:.3f}",
            f"{timing.p50 - bare:.3f}",
            str(len(timing.seconds)),
            ", ".join(loaded[name]) or "none",
        )
        for name, timing in timings.items()
    ]
    columns = ("process", "median s", "less bare s", "runs", "heavy modules loaded")
    table("Fresh processes, median wall time", columns, rows)
    targets(
        [
            Figure(OURS, timings[OURS].p50 - bare, 0.2, "s"),
            Figure("heavy modules it loads", len(loaded[OURS]), 1),
        ]
    )


def _runner(code: str) -> Callable[[int], Process]:
    return lambda _: run_process("-c", code)


def _loaded(code: str) -> list[str]:
    ask = f"import json, sys; print(json.dumps([m for m in {FORBIDDEN!r} if m in sys.modules]))"
    found: list[str] = json.loads(run_process("-c", f"{code}\n{ask}").output.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
