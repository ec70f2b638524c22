"""Answers: first quote and whole answer, every quote compared with its paper, the judged questions.

Each question is asked once, cold: no stage of it is known before. The judged questions are those of
data/landmarks; other ways to choose sentences answer them from the same evidence.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from common import (
    INDEXES,
    ROOT,
    SOURCES,
    Figure,
    arguments,
    heading,
    index_of,
    note,
    queries_of,
    table,
    targets,
)

import workbench as wb
from workbench.corpus.readers import read_entries
from workbench.qa.evaluation.report import OWN
from workbench.qa.events import Quoted

FIRST_QUOTE_MS = 300.0
WHOLE_MS = {"scifact": 1000.0, "arxiv": 1500.0}
REQUIRED, DECLINED, REFUSED = 0.8, 5, 1
WARM_UP = 5


@dataclass(slots=True)
class Asked:
    """What asking many questions gave; times in ms."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    quotes: int = 0
    false: int = 0
    failures: list[str] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--questions", type=int, default=250, help="of each collection")
    parser.add_argument("--arxiv", action="store_true", help="index arXiv too, where it is not yet")
    given = parser.parse_args()
    heading("Answers")
    figures: list[Figure] = []
    rows = []
    for name, texts in _collections(given.data, given.questions, given.arxiv).items():
        asked = _ask(index_of(name, given.data), texts)
        first, whole = (float(np.median(t)) for t in (asked.first, asked.whole))
        high = float(np.percentile(asked.whole, 95))
        rows.append(
            (
                name,
                str(len(texts)),
                f"{first:.0f}",
                f"{whole:.0f}",
                f"{high:.0f}",
                f"{asked.quotes - asked.false} of {asked.quotes}",
                str(len(asked.failures)),
            )
        )
        for failure in asked.failures[:3]:
            print(failure, file=sys.stderr)
        figures += [
            Figure(f"{name}: first quote, p50", first, FIRST_QUOTE_MS, "ms"),
            Figure(f"{name}: whole answer, p50", whole, WHOLE_MS[name], "ms"),
            Figure(f"{name}: quotes unlike their span", asked.false, 1),
            Figure(f"{name}: exceptions", len(asked.failures), 1),
        ]
    columns = ("collection", "questions", "first quote ms", "answer ms", "p95", "real", "failed")
    table("Extractive, 300 words, thin evidence answered too", columns, rows)
    figures += _judged()
    targets(figures)


def _collections(data: Path, count: int, arxiv: bool) -> dict[str, list[str]]:
    queries, _ = queries_of(data, "test")
    questions = {"scifact": [query.text for query in queries][:count]}
    if arxiv or (INDEXES / SOURCES["arxiv"].index / "manifest.json").is_file():
        entries = read_entries(data / SOURCES["arxiv"].file)
        titles = [str(e.record["title"]) for e in entries if e.record]
        questions["arxiv"] = titles[:: max(1, len(titles) // count)][:count]
    else:
        note("arXiv is not indexed here (--arxiv does it): its figures are left out.")
    return questions


def _ask(index: Path, texts: list[str]) -> Asked:
    asked = Asked()
    with wb.open(index, progress=False) as bench:
        for text in texts[-WARM_UP:]:
            bench.ask(text, insist=True)
        for text in texts[: len(texts) - WARM_UP]:
            try:
                stream = bench.ask(text, stream=True, insist=True)
                quoted = [event.elapsed_ms for event in stream if isinstance(event, Quoted)]
                answer = stream.answer
                asked.false += len(answer.check(bench.engine))
            except Exception as error:
                asked.failures.append(f"{text[:60]!r}: {error!r}")
                continue
            asked.first += quoted[:1]
            asked.whole.append(answer.timings_ms["total"])
            asked.quotes += len(answer.quotes)
    return asked


def _judged() -> list[Figure]:
    with wb.open(ROOT / "data" / "landmarks", progress=False) as bench:
        report = bench.evaluate_answers(ROOT / "data" / "landmarks" / "questions.jsonl")
    rows = [
        (
            row.method,
            str(row.words),
            f"{row.coverage:.3f} ({row.shuffled_coverage:.3f})",
            f"{row.one_sentence:.3f} ({row.shuffled_one_sentence:.3f})",
            f"{row.citation_recall:.3f} ({row.shuffled_recall:.3f})",
            f"{row.citation_precision:.3f}",
            f"{row.redundancy:.3f}",
        )
        for row in report.rows
    ]
    columns = ("way", "words", "said", "in one sentence", "papers", "precision", "redundancy")
    table("Judged questions; in brackets the answer of another question", columns, rows)
    others = [row for row in report.rows if row.method != OWN]
    ahead = {
        words: report.row(OWN, words).coverage
        - max(row.coverage for row in others if row.words == words)
        for words in dict.fromkeys(row.words for row in others)
    }
    note(
        f"Weights were set on the odd-numbered questions. Declined: {report.declined_rightly}, "
        f"wrongly {report.declined_wrongly}; answered wrongly {report.answered_wrongly}."
    )
    return [
        Figure("required papers cited", report.row(OWN, 300).citation_recall, REQUIRED, least=True),
        Figure("unanswerable declined", len(report.declined_rightly), DECLINED, least=True),
        Figure("answerable declined", len(report.declined_wrongly), REFUSED + 1),
        *(
            Figure(f"said more than the best other way, {words} words", lead, 0.0, least=True)
            for words, lead in ahead.items()
        ),
    ]


if __name__ == "__main__":
    main()
