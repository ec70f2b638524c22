"""AnswerReport: how good answers are, beside other ways and beside chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.present.view import Shown, View
from workbench.present.words import p_value

if TYPE_CHECKING:
    import pandas as pd

OWN = "workbench"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to answer at one number of words, means over the answerable questions; each of the
    three measured against other questions too (`shuffled_...`). `p` is of the randomisation test,
    question by question, that it covers as much as the workbench's own."""

    method: str
    words: int
    coverage: float
    one_sentence: float
    citation_recall: float
    citation_precision: float
    redundancy: float
    words_used: float
    shuffled_coverage: float
    shuffled_one_sentence: float
    shuffled_recall: float
    p: float = 1.0


@dataclass(frozen=True, slots=True)
class AnswerReport(Shown):
    """What `evaluate_answers` found.

    `declined` and `answered` name questions; `wrongly` of each are mistakes. `verbatim` is the
    share of quotes that are the text at their place: 1 by construction, and compared all the same.
    `support` is the share of written sentences that their quotes carry; 1 by construction for the
    extractive writer. `latency_ms` is the median by stage, of first answers.
    """

    writer: str
    questions: int
    rows: tuple[Row, ...]
    declined_rightly: tuple[str, ...]
    declined_wrongly: tuple[str, ...]
    answered_wrongly: tuple[str, ...]
    verbatim: float
    support: float
    quotes: int
    latency_ms: Mapping[str, float]

    @property
    def abstention_accuracy(self) -> float:
        """The share of the questions that were rightly answered or rightly declined."""
        wrong = len(self.declined_wrongly) + len(self.answered_wrongly)
        return 1 - wrong / self.questions

    def row(self, method: str = OWN, words: int | None = None) -> Row:
        """One row; without `words` the longest. Raises KeyError for an unknown one."""
        found = [r for r in self.rows if r.method == method and words in (None, r.words)]
        if not found:
            raise KeyError((method, words))
        return found[-1]

    def wins(self, measure: str = "coverage") -> dict[int, bool]:
        """For each number of words: whether no other way is better."""
        return {
            row.words: all(
                getattr(row, measure) >= getattr(other, measure)
                for other in self.rows
                if other.words == row.words
            )
            for row in self.rows
            if row.method == OWN
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a way and a number of words."""
        import pandas as pd

        return pd.DataFrame([{n: getattr(r, n) for n in Row.__slots__} for r in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        rows = [{n: getattr(r, n) for n in Row.__slots__} for r in self.rows]
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return {**plain, "rows": rows, "abstention_accuracy": self.abstention_accuracy}

    def view(self) -> View:
        """The counts, and one row a way and a number of words."""
        wrong = len(self.declined_wrongly) + len(self.answered_wrongly)
        head = [
            f"{self.questions} questions, writer {self.writer}: {wrong} wrongly answered or "
            f"declined; {len(self.declined_rightly)} rightly declined",
            f"verbatim {self.verbatim:.3f} of {self.quotes} quotes (1 by construction), "
            f"support {self.support:.3f}",
            "median ms: " + ", ".join(f"{k} {v:.0f}" for k, v in self.latency_ms.items()),
        ]
        lines = [
            "way        words  coverage (other)  one sent. (other)  papers (other)  precision  "
            "redundant",
        ]
        lines += [
            f"{r.method:<10} {r.words:>5}  {r.coverage:>8.3f} ({r.shuffled_coverage:.3f})  "
            f"{r.one_sentence:>9.3f} ({r.shuffled_one_sentence:.3f})  "
            f"{r.citation_recall:>6.3f} ({r.shuffled_recall:.3f})  {r.citation_precision:>9.3f}  "
            f"{r.redundancy:>9.3f}"
            for r in self.rows
        ]
        for words in (words for words, won in self.wins().items() if not won):
            ahead = max((r for r in self.rows if r.words == words), key=lambda r: r.coverage)
            lines.append(
                f"At {words} words {ahead.method} covers more: {ahead.coverage:.3f} against "
                f"{self.row(words=words).coverage:.3f}, p {p_value(ahead.p)}"
            )
        cells = [
            (False, [f"{v:.3f}" if isinstance(v, float) else str(v) for v in _values(row)])
            for row in self.rows
        ]
        more = {"columns": Row.__slots__, "table": cells, "words": 1}
        return View("\n".join(head), tuple(lines), template="table.html", more=more)


def _values(row: Row) -> list[Any]:
    return [getattr(row, name) for name in Row.__slots__]


def median(values: Sequence[float]) -> float:
    """The median, 0 of nothing."""
    import statistics

    return statistics.median(values) if values else 0.0
