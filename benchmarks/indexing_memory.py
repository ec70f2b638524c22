"""Peak memory of a fresh process that indexes arXiv papers: does it grow with the corpus?"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import islice
from pathlib import Path

from common import (
    SOURCES,
    Figure,
    arguments,
    heading,
    maxrss_mb,
    need,
    run_process,
    table,
    targets,
)

from workbench.corpus.readers import read_lines
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

ABOUT_THE_SAME = 1.25
"""The largest peak over the smallest."""

CHILD = """
import json, resource, sys
import workbench
report = workbench.index(sys.argv[1], sys.argv[2], progress=False)
own, children = (resource.getrusage(who).ru_maxrss
                 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([report.added, own, children]))
"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--papers", type=int, nargs="+", default=[1000, 10_000])
    given = parser.parse_args()
    source = need(given.data / SOURCES["arxiv"].file)
    OnnxEmbedder().load()  # exports the model where that is still to do
    heading("Memory while indexing")
    rows, peaks = [], []
    for papers in given.papers:
        added, seconds, own, children = _index(source, papers)
        peaks.append(own)
        rows.append((f"{added:,}", f"{own:.0f}", f"{children:.0f}", f"{seconds:.1f}"))
        print(f"{added:,} papers: {own:.0f} MB", file=sys.stderr)
    columns = ("papers", "peak RSS MB", "largest child MB", "wall s")
    table("workbench.index in a fresh process", columns, rows)
    figures = [Figure("largest peak RSS", max(peaks), 1200, "MB")]
    if len(peaks) > 1:
        figures.append(Figure("largest / smallest peak", max(peaks) / min(peaks), ABOUT_THE_SAME))
    targets(figures)


def _index(source: Path, papers: int) -> tuple[int, float, float, float]:
    """Papers added, wall seconds, own peak MB, the largest child's peak MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        part = folder / "papers.jsonl"
        with open(part, "wb") as stream:
            stream.writelines(line or b"" for _, line in islice(read_lines(source), papers))
        done = run_process("-c", CHILD, str(part), str(folder / "index"))
    added, own, children = json.loads(done.output.splitlines()[-1])
    return added, done.seconds, maxrss_mb(own), maxrss_mb(children)


if __name__ == "__main__":
    main()
