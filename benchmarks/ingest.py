"""How fast papers are read: BibTeX entries and JSON lines; and the memory of a long dump."""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path

from common import Figure, arguments, heading, run_process, table, targets

from workbench.corpus.formats.reading import read_file

WORDS = "kelp urchin forest warming ocean carbon seagrass algae grazing light depth".split()  # noqa: SIM905
CHILD = """
import sys
from pathlib import Path
from workbench.corpus.formats.reading import read_file
print(sum(1 for _ in read_file(Path(sys.argv[1]))))
"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--dump-mb", type=int, default=1000)
    given = parser.parse_args()
    heading("Reading papers")
    with tempfile.TemporaryDirectory() as folder:
        bib, lines = Path(folder) / "library.bib", Path(folder) / "papers.jsonl"
        bib.write_text("\n".join(_bibtex(n) for n in range(given.entries)), encoding="utf-8")
        _write_lines(lines, given.lines)
        bib_seconds, found = _read(bib)
        lines_seconds, records = _read(lines)
        assert (found, records) == (given.entries, given.lines)
        dump = Path(folder) / "dump.jsonl"
        _write_lines(dump, given.dump_mb * 1_000_000 // (lines.stat().st_size // given.lines))
        done = run_process("-c", CHILD, str(dump))
        count, memory = int(done.output), round(done.peak_mb)
    rows = [
        ("BibTeX with LaTeX and abstracts", f"{found:,}", f"{bib_seconds:.2f}"),
        ("JSON lines", f"{records:,}", f"{lines_seconds:.2f}"),
        (f"JSON lines, {given.dump_mb:,} MB in a fresh process", f"{count:,}", f"{memory} MB"),
    ]
    table("read_file, records cleaned", ("source", "records", "s, or peak RSS"), rows)
    targets(
        [
            Figure("10,000 BibTeX entries", bib_seconds * 10_000 / found, 10, "s"),
            Figure("20,000 JSON lines", lines_seconds * 20_000 / records, 1, "s"),
            Figure(f"peak RSS of {given.dump_mb:,} MB", memory, 300, "MB"),
        ]
    )


def _read(path: Path) -> tuple[float, int]:
    start = time.perf_counter()
    count = sum(entry.record is not None for entry in read_file(path))
    return time.perf_counter() - start, count


def _bibtex(number: int) -> str:
    words = random.Random(number)
    text = " ".join(words.choices(WORDS, k=150))
    return (
        f"@article{{key{number},\n  title = {{{{K}}elp {number} and {words.choice(WORDS)}: "
        f"\\'{{E}}tudes of $\\alpha$ {number}}},\n"
        f'  author = {{M{{\\"u}}ller, J{{\\"o}}rg and Lee, A. {number % 26} and others}},\n'
        f"  journal = {{J. of Kelp \\& Urchins}},\n  year = {{{1990 + number % 30}}},\n"
        f"  doi = {{10.5555/kelp.{number}}},\n  abstract = {{{text} (p $<$ 0.05).}},\n}}\n"
    )


def _write_lines(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            words = random.Random(number)
            record = {
                "id": f"p{number}",
                "title": " ".join(words.choices(WORDS, k=9)),
                "abstract": " ".join(words.choices(WORDS, k=170)),
                "authors": ["Ann Lee", "Bo Fry"],
                "year": 2001,
            }
            stream.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
